"""Late and missing verdicts in the lab: what is known when, and that calibration comes to the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from statistics import geometric_mean

import numpy as np
import pytest

from scidex.bidding.judgement import Score, SettledRun, judged
from scidex.lab.appraisal import History
from scidex.lab.backlogs import at
from scidex.lab.simulation import Verdicts
from scidex.lab.verdicts import late_against_prompt
from scidex.lab.worlds import WorldSpec, draw
from scidex.profiles import PROFILES
from tests.lab.worlds import SMALL

LATE = WorldSpec(inflators=3, failures=0.2, verdict_days=5, unjudged=0.3)
RECOMMENDED = PROFILES["recommended"]


def test_failures_are_known_at_once_and_successes_within_days():
    world = draw(replace(LATE, unjudged=0), 0)
    failed = world.value == 0

    assert failed.mean() == pytest.approx(0.2, abs=0.01)
    assert (world.verdict_after[failed] == 0).all()
    assert world.verdict_after[~failed].max() == 5 * 24 - 1
    assert world.verdict_after[~failed].mean() == pytest.approx(2.5 * 24, rel=0.03)


def test_whether_a_run_is_judged_does_not_hang_on_what_came_of_it():
    world = draw(LATE, 0)
    unjudged = world.verdict_after < 0

    assert unjudged.mean() == pytest.approx(0.3, abs=0.01)
    assert unjudged[world.value == 0].mean() == pytest.approx(0.3, abs=0.02)


def test_each_task_is_settled_once_and_judged_when_its_verdict_is_due():
    world = draw(replace(SMALL, verdict_days=1, unjudged=0.3), 0)
    tasks = np.arange(100)
    verdicts = Verdicts(world)
    results = [verdicts.of(cycle, tasks if cycle == 5 else tasks[:0]) for cycle in range(40)]
    when: dict[int, list[tuple[int, float]]] = {}
    for one in results:
        for task, realised in zip(one.tasks.tolist(), one.realised.tolist(), strict=True):
            when.setdefault(task, []).append((one.cycle, realised))

    for task, after in enumerate(world.verdict_after[:100].tolist()):
        cycles, worths = zip(*when[task], strict=True)
        assert cycles == ((5,) if after <= 0 else (5, 5 + after))
        assert np.isnan(worths[-1]) if after < 0 else worths[-1] == world.realised[task]
        assert np.isnan(worths[0]) == (after != 0)


def test_a_history_that_grows_counts_what_all_runs_together_would():
    world = draw(replace(LATE, days=20), 3)
    horizon = timedelta(hours=120)
    history, verdicts = History(), Verdicts(world)
    runs: list[SettledRun] = []
    counted: list[Score] = []
    for cycle in range(world.spec.cycles):
        now = at(world.spec, cycle)
        ran = np.flatnonzero(world.arrives == cycle)[::7]
        for task in ran.tolist():
            history.settle(task, float(world.claim[task]), 0.0, now, horizon)
            after = int(world.verdict_after[task])
            said = (None, None) if after < 0 else (at(world.spec, cycle + after), float(world.realised[task]))
            runs.append(SettledRun(float(world.claim[task]), now, now + horizon, *said))
        results = verdicts.of(cycle, ran)
        for task, realised in zip(results.tasks.tolist(), results.realised.tolist(), strict=True):
            if not np.isnan(realised):
                history.judge(task, realised, now)
        counted += history.counted(now)
        if cycle % 24 == 0:
            assert counted == judged(runs, now)
    assert len(counted) > 100


def test_late_and_missing_verdicts_leave_calibration_as_it_is_within_a_twentieth():
    ratios = [late_against_prompt(LATE, RECOMMENDED, seed, from_day=20) for seed in range(200, 204)]

    assert geometric_mean(ratios) == pytest.approx(1, abs=0.05)
