"""What late and missing verdicts do to calibration: the same runs, judged at once and judged late."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scidex.lab.market import Market
from scidex.lab.policies import Calibrator
from scidex.lab.simulation import Run, Verdicts, run
from scidex.lab.worlds import Floats, World, WorldSpec, draw
from scidex.profiles import Profile


def late_against_prompt(spec: WorldSpec, profile: Profile, seed: int, *, from_day: int) -> float:
    """
    Return what claims count for by late verdicts, as a share of what they count for by prompt ones.

    A geometric mean over quests and over the ends of the days from `from_day` on. The runs are those of a market in
    which all are judged at once, so that nothing but the verdicts differs.
    """
    prompt = draw(replace(spec, verdict_days=0.0, unjudged=0.0), seed)
    done = run(prompt, Market(spec, prompt.priority, profile, seed=str(seed)))
    late = replace(prompt, verdict_after=draw(spec, seed).verdict_after)
    logs = _log_factors(done, late, profile) - _log_factors(done, prompt, profile)
    return float(np.exp(logs[from_day:].mean()))


def _log_factors(done: Run, world: World, profile: Profile) -> Floats:
    """Return the logarithm of what a usual claim of each quest counts for at the end of each day."""
    calibrator, verdicts = Calibrator(world.spec, profile), Verdicts(world)
    usual = np.log(world.claim).mean()
    ran = np.split(done.ran, np.cumsum(done.served.sum(axis=1))[:-1])
    days = []
    for cycle, tasks in enumerate(ran):
        calibrator.learn(verdicts.of(cycle, tasks))
        if (cycle + 1) % world.spec.cycles_per_day == 0:
            days.append([one.intercept + one.slope * usual for one in calibrator.calibrations])
    return np.array(days)
