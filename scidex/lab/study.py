"""Studies: a plan over many seeds, and what it comes to."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from statistics import median
from typing import Any, TypeAlias

from scidex.lab.measures import Estimate, estimate
from scidex.lab.misreports import MISREPORTS
from scidex.lab.sampling import HELD_OUT, Sample, StudyPlan, Tokens, sample


@dataclass(frozen=True, kw_only=True)
class StudyFindings:
    """
    What a plan came to: means over its seeds.

    Efficiency is a share of the clairvoyant optimum's value, waits are in cycles, prices in tokens, gains are parts of
    what the quest gets by honesty.
    """

    efficiency: float
    efficiency_se: float
    longest_wait: int
    """Of any quest in any seed."""
    mean_longest_wait: float
    jain_value: float
    jain_slots: float
    tokens: Tokens | None
    """Of a policy that has any."""
    misreport_gain: float | None = None
    """That of the misreport which gains most on average."""
    misreport_gain_se: float | None = None
    misreport_best: str | None = None
    misreport_gain_held_out: float | None = None
    """What the same misreport gains on seeds on which it was not picked."""
    misreport_gain_held_out_se: float | None = None
    misreports: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Each misreport's mean gain, its standard error, and the median."""

    def as_json(self) -> dict[str, Any]:
        """Return the findings as JSON takes them, flat: None where there is no number."""
        of_tokens = self.tokens._asdict() if self.tokens else dict.fromkeys(Tokens._fields)
        return {name: _plain(value) for name, value in {**asdict(self), **of_tokens}.items() if name != "tokens"}


Progress: TypeAlias = Callable[[int, int], None]
"""Is told how many seeds are done, and of how many."""


def study(plan: StudyPlan, *, processes: int = 1, progress: Progress | None = None) -> StudyFindings:
    """Simulate a plan over its seeds, and over held-out ones where misreports are tried; the same each time."""
    seeds = range(plan.first_seed, plan.first_seed + plan.seeds)
    total = plan.seeds * (2 if plan.misreport else 1)
    tried = tuple(MISREPORTS) if plan.misreport else ()
    with _each(processes) as each:
        samples = list(_told(each(sample, [(plan, seed, tried) for seed in seeds]), progress, 0, total))
        findings = _findings(samples)
        if findings.misreport_best is None:
            return findings
        again: list[Job] = [(plan, seed + HELD_OUT, (findings.misreport_best,)) for seed in seeds]
        held_out = list(_told(each(sample, again), progress, plan.seeds, total))
    gain = estimate([one.gains[findings.misreport_best] for one in held_out])
    return replace(findings, misreport_gain_held_out=gain.mean, misreport_gain_held_out_se=gain.error)


Job: TypeAlias = tuple[StudyPlan, int, tuple[str, ...]]
Each: TypeAlias = Callable[[Callable[..., Sample], list[Job]], Iterable[Sample]]


@contextmanager
def _each(processes: int) -> Iterator[Each]:
    """Do jobs one after the other, or in other processes side by side; answers come in the order of the jobs."""
    if processes == 1:
        yield lambda work, jobs: (work(*job) for job in jobs)
        return
    # Started afresh: a fork would copy the threads' locks of whoever imports this.
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield lambda work, jobs: pool.map(work, *zip(*jobs, strict=True))


def _told(samples: Iterable[Sample], progress: Progress | None, before: int, total: int) -> Iterator[Sample]:
    for done, one in enumerate(samples, start=before + 1):
        if progress:
            progress(done, total)
        yield one


def _findings(samples: list[Sample]) -> StudyFindings:
    efficiency = estimate([one.efficiency for one in samples])
    found = StudyFindings(
        efficiency=efficiency.mean,
        efficiency_se=efficiency.error,
        longest_wait=max(one.longest_wait for one in samples),
        mean_longest_wait=_mean(one.longest_wait for one in samples),
        jain_value=_mean(one.jain_value for one in samples),
        jain_slots=_mean(one.jain_slots for one in samples),
        tokens=_of_tokens([one.tokens for one in samples if one.tokens]),
    )
    return _with_gains(found, samples) if samples[0].gains else found


def _of_tokens(tokens: list[Tokens]) -> Tokens | None:
    return Tokens(*(_mean(column) for column in zip(*tokens, strict=True))) if tokens else None


def _with_gains(found: StudyFindings, samples: list[Sample]) -> StudyFindings:
    gains = {name: [one.gains[name] for one in samples] for name in samples[0].gains}
    means: dict[str, Estimate] = {name: estimate(values) for name, values in gains.items()}
    best = max(means, key=lambda name: means[name].mean)
    return replace(
        found,
        misreport_best=best,
        misreport_gain=means[best].mean,
        misreport_gain_se=means[best].error,
        misreports={
            name: {"gain": one.mean, "gain_se": one.error, "median": median(gains[name])} for name, one in means.items()
        },
    )


def _mean(numbers: Iterable[float]) -> float:
    return estimate(list(numbers)).mean


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return None if isinstance(value, float) and not isfinite(value) else value
