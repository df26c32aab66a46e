"""What a study says, and how it is asked for."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from scidex.errors import InvalidArgument
from scidex.lab.sampling import HELD_OUT, StudyPlan, sample
from scidex.lab.study import study
from scidex.lab.worlds import WorldSpec
from tests.cli.running import ROOT, scidex
from tests.lab.worlds import SMALL

TINY = StudyPlan(world=WorldSpec(quests=3, slots=1, days=2, inflators=1), seeds=2, misreport=True)


def test_a_study_is_the_same_each_time_and_in_however_many_processes():
    alone = study(TINY).as_json()

    assert study(TINY, processes=2).as_json() == alone


def test_findings_are_means_over_the_seeds():
    found = study(StudyPlan(world=SMALL, seeds=2))
    samples = [sample(StudyPlan(world=SMALL), seed) for seed in (0, 1)]

    assert found.efficiency == pytest.approx(sum(one.efficiency for one in samples) / 2)
    assert found.longest_wait == max(one.longest_wait for one in samples)
    assert found.misreport_gain is None


def test_the_misreport_that_gains_most_is_tried_again_on_held_out_seeds():
    found = study(TINY)
    best = max(found.misreports, key=lambda name: found.misreports[name]["gain"])
    again = [sample(TINY, seed + HELD_OUT, (best,)).gains[best] for seed in range(2)]

    assert found.misreport_best == best
    assert found.misreport_gain == found.misreports[best]["gain"]
    assert found.misreport_gain_held_out == pytest.approx(sum(again) / 2)


def test_progress_is_told_seed_by_seed():
    told = []
    study(StudyPlan(world=TINY.world, seeds=2), progress=lambda done, total: told.append((done, total)))

    assert told == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("field", "value"), [("policy", "luck"), ("seeds", 0), ("first_seed", -1), ("seeds", HELD_OUT + 1)]
)
def test_a_plan_that_cannot_be_simulated_is_refused(field, value):
    with pytest.raises(InvalidArgument) as refused:
        StudyPlan(**{field: value})

    assert refused.value.field == field


def test_misreports_need_an_honest_quest():
    with pytest.raises(InvalidArgument):
        StudyPlan(world=WorldSpec(quests=2, inflators=2), misreport=True)


# --- the command

QUICK = ("lab", "market", "--quests", "4", "--slots", "1", "--days", "2", "--seeds", "2")


def test_the_command_answers_with_json():
    code, out, _ = scidex(*QUICK, "--inflators", "--misreport", "--profile", "recommended", "--json")
    found = json.loads(out)

    assert code == 0
    assert {"efficiency", "efficiency_se", "longest_wait", "jain_value", "wallet_gini", "misreport_gain"} <= set(found)
    assert 0 < found["efficiency"] < 1


def test_the_command_answers_with_a_table():
    code, out, _ = scidex(*QUICK, "--policy", "split")

    assert code == 0
    assert "clairvoyant optimum" in out
    assert "tokens" not in out


def test_settings_reach_the_market_and_the_world():
    honest = json.loads(scidex(*QUICK, "--json")[1])
    moneyless = json.loads(scidex(*QUICK, "--set", "income_index=0.01", "--set", "floor=false", "--json")[1])
    other_world = json.loads(scidex(*QUICK, "--world", "claim_noise=0", "--json")[1])

    assert moneyless["mean_price"] < honest["mean_price"] / 5
    assert other_world["efficiency"] > honest["efficiency"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--set", "luck=1"), 2, "luck"),
        (("--set", "floor=maybe"), 2, "maybe"),
        (("--set", "floor"), 2, "KEY=VALUE"),
        (("--world", "moons=1"), 2, "moons"),
        (("--world", "inflators=9"), 2, "inflators"),
        (("--profile", "lavish"), 2, "profile"),
        (("--strategy", "lucky"), 2, "strategy"),
        (("--policy", "lucky"), 2, "policy"),
        (("--load", "0"), 2, "load"),
    ],
)
def test_what_cannot_be_simulated_is_refused_by_name(words, code, said):
    ended, _, err = scidex(*QUICK, *words)

    assert ended == code
    assert said in err


def test_without_numpy_the_command_says_what_to_install():
    hidden = (
        "import sys; sys.modules['numpy'] = None; sys.argv[1:] = ['lab', 'market']; import scidex.cli as c; c.main()"
    )
    ended = subprocess.run([sys.executable, "-c", hidden], cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 8
    assert "scidex[lab]" in ended.stderr
