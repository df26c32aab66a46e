"""What the dashboard serves of others: fetched by hash, told where it is missing, and carried by the wheel."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

from scidex.web.dashboard.assets import Assets

ROOT = Path(__file__).parents[2]
VENDOR = "scidex/web/dashboard/static/vendor"


def test_everything_that_a_page_loads_is_here():
    assets = Assets()

    assert assets.missing == []
    assert all(asset.body for asset in assets.files.values())


def test_the_files_of_others_are_of_the_locked_versions():
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    files = Assets().files

    assert locked["node_modules/uplot"]["version"].encode() in files["vendor/uPlot.iife.min.js"].body
    assert locked["node_modules/htmx.org"]["version"].encode() in files["vendor/htmx.min.js"].body


def test_every_locked_package_is_held_to_its_hash_and_names_no_place():
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]

    assert all(one["integrity"].startswith("sha512-") for name, one in locked.items() if name)
    assert not any("resolved" in one for one in locked.values())


def test_the_wheel_carries_the_files_of_others_and_their_licences(tmp_path):
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])

    packed = set(zipfile.ZipFile(wheel).namelist())

    names = ("htmx.min.js", "htmx.LICENSE", "uPlot.iife.min.js", "uPlot.min.css", "uPlot.LICENSE")
    assert {f"{VENDOR}/{name}" for name in names} <= packed


def test_a_name_that_is_no_file_of_ours_has_no_answer():
    assert Assets().response("../pages.py", "") is None
    assert Assets().address("nothing.js") == "/static/nothing.js?v=missing"
