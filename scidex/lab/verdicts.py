"""What late and missing verdicts do to calibration: the same runs, judged at once and judged late."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scidex.lab.appraisal import Appraiser
from scidex.lab.backlogs import Backlog
from scidex.lab.market import MarketPolicy
from scidex.lab.simulation import SimulatedRun, Verdicts, run
from scidex.lab.worlds import Floats, World, WorldSpec, draw
from scidex.profiles import Profile


def late_against_prompt(spec: WorldSpec, profile: Profile, seed: int, *, from_day: int) -> float:
    """
    Return what amounts count for by late verdicts, as a share of what they count for by prompt ones.

    A geometric mean over quests and over the ends of the days from `from_day` on. The runs are those of a market in
    which all are judged at once, so that nothing but the verdicts differs.
    """
    prompt = draw(replace(spec, verdict_days=0.0, unjudged=0.0), seed)
    done = run(prompt, MarketPolicy(spec, prompt.priority, profile, seed=str(seed)))
    late = replace(prompt, verdict_after=draw(spec, seed).verdict_after)
    logs = _log_factors(done, late, profile) - _log_factors(done, prompt, profile)
    return float(np.exp(logs[from_day:].mean()))


def _log_factors(done: SimulatedRun, world: World, profile: Profile) -> Floats:
    """Return the logarithm of what a usual claim of each quest is worth at the end of each day."""
    appraiser, verdicts = Appraiser(world.spec, profile), Verdicts(world)
    quests = np.arange(world.spec.quests)
    usual = np.full(len(quests), np.exp(np.log(world.claim).mean()))
    ran = np.split(done.ran, np.cumsum(done.served.sum(axis=1))[:-1])
    days = []
    for cycle, chosen in enumerate(ran):
        tasks = np.sort(chosen)
        left = world.last[tasks] - cycle + 1
        appraiser.values(Backlog(cycle, tasks, world.quest[tasks], world.claim[tasks], left))
        appraiser.learn(verdicts.of(cycle, chosen))
        if (cycle + 1) % world.spec.cycles_per_day == 0:
            days.append(np.log(appraiser.claims.worths(usual, quests)))
    return np.array(days)
