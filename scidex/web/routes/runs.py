"""What runs used, wrote and brought about, over HTTP; a run has the id of its slot or assignment."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from scidex.exchange import ownership, runs
from scidex.records import CostReport, EvaluatorTerms, PullRequest, RunEnding, RunOutput, Usage
from scidex.web import schemas
from scidex.web.access import allows
from scidex.web.dependencies import ANY, Db, Hours, Limit, Name, Who, router

routes = router("/api", "runs")

Since = Annotated[schemas.Instant | None, Query(description="The beginning of the span; `hours` before its end.")]
Until = Annotated[schemas.Instant | None, Query(description="The end of the span; now.")]
By = Annotated[
    str | None, Query(pattern="^(quest|agent|model|day)$", description="Group the runs by quest, agent, model or day.")
]
Charged = Annotated[schemas.CostUsd | None, Query(description="What was billed for the span in all, in USD.")]


Ending = Annotated[str | None, Query(pattern="^(succeeded|failed|interrupted|lost)$", description="The class of ends.")]


@routes.get("/runs/{run_id:id}/usage", response_model=schemas.Usages)
@allows(*ANY)
def get_usage(run_id: Name, who: Who, db: Db) -> list[Usage]:
    """Return every word on what a run used, the latest last."""
    ownership.check_sees_run(who, run_id, db=db)
    return runs.get_usage(run_id, db=db)


@routes.post("/runs/{run_id:id}/usage", status_code=204)
@allows("work", "admin")
def record_usage(run_id: Name, usage: schemas.NewUsage, who: Who, db: Db) -> None:
    """Keep a later word on what a run used; what it was settled by stays."""
    ownership.check_runs(who, run_id, db=db)
    runs.record_usage(run_id, Usage(**usage.model_dump()), db=db)


@routes.get("/runs/{run_id:id}/output", response_model=schemas.OneOutputOrNone)
@allows(*ANY)
def get_output(run_id: Name, who: Who, db: Db) -> RunOutput | None:
    """Return how a run ended and the last of what it wrote; null where nobody has said."""
    ownership.check_sees_run(who, run_id, db=db)
    return runs.get_output(run_id, db=db)


@routes.post("/runs/{run_id:id}/output", status_code=204)
@allows("work", "admin")
def record_output(run_id: Name, output: schemas.NewOutput, who: Who, db: Db) -> None:
    """Keep how a run ended and the last of what it wrote."""
    ownership.check_runs(who, run_id, db=db)
    runs.record_output(run_id, **output.model_dump(), db=db)


@routes.get("/runs/{run_id:id}/ending", response_model=schemas.OneEndingOrNone)
@allows(*ANY)
def get_ending(run_id: Name, who: Who, db: Db) -> RunEnding | None:
    """Return how a run ended and why; null where that is not known."""
    ownership.check_sees_run(who, run_id, db=db)
    return runs.get_ending(run_id, db=db)


@routes.get("/endings", response_model=schemas.RunEndings)
@allows(*ANY)
def list_endings(who: Who, db: Db, ending: Ending = None, limit: Limit = 100) -> list[RunEnding]:
    """Return how runs ended, the latest first, to an operator."""
    ownership.check_is_operator(who, "account_id")
    return runs.list_endings(ending, limit=limit, db=db)


@routes.get("/evaluators", response_model=schemas.EvaluatorsTerms)
@allows(*ANY)
def list_evaluators(who: Who, db: Db, limit: Limit = 100) -> list[EvaluatorTerms]:
    """Return how long evaluators may still judge a run, to an operator."""
    ownership.check_is_operator(who, "account_id")
    return runs.list_evaluators(limit=limit, db=db)


@routes.put("/evaluators/{evaluator_id:id}", response_model=schemas.EvaluatorTerms)
@allows("admin")
def set_evaluator(evaluator_id: Name, terms: schemas.EvaluatorTime, db: Db) -> EvaluatorTerms:
    """Say how long after a run was settled an evaluator may still judge it."""
    return runs.set_evaluator(evaluator_id, terms.attest_within_hours, db=db)


@routes.get("/runs/{run_id:id}/pull-requests", response_model=schemas.PullRequests)
@allows(*ANY)
def list_pull_requests(run_id: Name, who: Who, db: Db, limit: Limit = 100) -> list[PullRequest]:
    """Return the pull requests of a run, as they were last seen."""
    ownership.check_sees_run(who, run_id, db=db)
    return runs.list_pull_requests(run_id, limit=limit, db=db)


@routes.post("/runs/{run_id:id}/pull-requests", response_model=schemas.PullRequest)
@allows("work", "admin")
def record_pull_request(run_id: Name, seen: schemas.NewPullRequest, who: Who, db: Db) -> PullRequest:
    """Keep how a run's pull request was seen."""
    ownership.check_runs(who, run_id, db=db)
    return runs.record_pull_request(run_id, **seen.model_dump(), db=db)


@routes.get("/report", response_model=schemas.CostReport)
@allows(*ANY)
def get_report(
    who: Who,
    db: Db,
    since: Since = None,
    until: Until = None,
    hours: Hours = 24,
    charged_usd: Charged = None,
    by: By = None,
) -> CostReport:
    """Tell an operator what the runs that ended in a span cost: for each task, and for each merged pull request."""
    ownership.check_is_operator(who, "since")
    return runs.report_costs(since, until, hours=hours, charged_usd=charged_usd, by=by, db=db)
