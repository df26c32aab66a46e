"""What is deployed is whole: packages have all their files; what watches a market asks for metrics that it has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from scidex.web.metrics import GAUGES

ROOT = Path(__file__).parents[1]
VENDOR = Path("scidex/web/dashboard/static/vendor")
FETCHED = ("htmx.min.js", "htmx.LICENSE", "uPlot.iife.min.js", "uPlot.min.css", "uPlot.LICENSE")
HTTP = {"http_request_seconds_count", "http_request_seconds_bucket", "http_requests_at_work", "http_bids_waiting"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout as a build sees it, with files in the place of those that are fetched."""
    skipped = shutil.ignore_patterns("__pycache__", "vendor", "*.db", ".*")
    for name in ("scidex", "migrations"):
        shutil.copytree(ROOT / name, tmp_path / "checkout" / name, ignore=skipped)
    for name in ("pyproject.toml", "hatch_build.py", "api.py", "README.md", "CHANGELOG.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / "checkout" / name)
    (tmp_path / "checkout" / VENDOR).mkdir(parents=True, exist_ok=True)
    for name in FETCHED:
        (tmp_path / "checkout" / VENDOR / name).write_text("fetched")
    return tmp_path / "checkout"


def built(checkout: Path, target: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", "dist"]
    return subprocess.run(words, cwd=checkout, capture_output=True, text=True, timeout=120, check=False)


def test_a_wheel_has_the_dashboards_files_and_the_migrations_and_nothing_beside_the_package(checkout):
    assert built(checkout, "wheel").returncode == 0
    [wheel] = (checkout / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()

    assert {str(VENDOR / name) for name in FETCHED} <= set(names)
    assert any(name.startswith("scidex/store/migrations/") and name.endswith(".sql") for name in names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"scidex"}


def test_a_source_package_has_what_a_wheel_is_built_from(checkout):
    assert built(checkout, "sdist").returncode == 0
    [source] = (checkout / "dist").glob("*.tar.gz")
    with tarfile.open(source) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}

    assert {str(VENDOR / name) for name in FETCHED} <= names
    assert {"hatch_build.py", "api.py", "pyproject.toml", "migrations/20260427_compute_auction_tables.sql"} <= names


@pytest.mark.parametrize("target", ["wheel", "sdist"])
def test_a_package_that_would_lack_a_part_is_not_built(checkout, target):
    (checkout / VENDOR / "htmx.min.js").unlink()
    failed = built(checkout, target)

    assert failed.returncode != 0
    assert "lacks htmx.min.js: run `make frontend`" in failed.stderr + failed.stdout
    assert list(checkout.glob("dist/*")) == []


def asked_for(text: str) -> set[str]:
    return set(re.findall(r"\bscidex_(\w+)", text))


def test_alerts_and_dashboards_ask_for_metrics_that_there_are():
    alerts = (ROOT / "deploy/prometheus/alerts.yml").read_text()
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/scidex.json").read_text())
    expressions = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])

    for text in (alerts, expressions):
        assert asked_for(text)
        assert asked_for(text) - {*GAUGES, *HTTP} == set()
    assert "scidex_nonsense" not in alerts


def unit(name: str) -> dict[str, list[str]]:
    settings: dict[str, list[str]] = {}
    for line in (ROOT / "deploy/systemd" / name).read_text().splitlines():
        key, sign, value = line.partition("=")
        if sign and not line.startswith("#"):
            settings.setdefault(key, []).append(value)
    return settings


def test_the_markets_unit_writes_where_it_may():
    market = unit("scidex-market.service")

    [state] = market["StateDirectory"]
    assert f"SCIDEX_KEY_DIRECTORY=/var/lib/{state}/keys" in market["Environment"]
    assert f"SCIDEX_DATABASE_URL=sqlite:////var/lib/{state}/market.db" in market["Environment"]
    assert market["WorkingDirectory"] == [f"/var/lib/{state}"]


def test_the_agents_unit_asks_the_server_and_is_asked_alone_to_stop():
    agent = unit("scidex-agent@.service")

    assert "SCIDEX_URL=http://127.0.0.1:8787" in agent["Environment"]
    assert not any("DATABASE" in value for value in agent["Environment"])
    assert agent["KillMode"] == ["mixed"]
    grace = int(re.findall(r"--grace (\d+)", agent["ExecStart"][0])[0])
    assert int(agent["TimeoutStopSec"][0]) > grace


def test_the_image_fetches_what_the_dashboard_serves_and_runs_without_rights():
    text = (ROOT / "deploy/Dockerfile").read_text()

    for name in FETCHED:
        assert name in text
    assert text.index("USER scidex") < text.index("ENTRYPOINT")
    assert "HEALTHCHECK" in text
