"""What the options of `scidex agent run` come to: an executor, a meter and an evaluator."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from scidex.agent.agent import AgentWork
    from scidex.agent.commands import CommandFor
    from scidex.agent.evaluators import Evaluator
    from scidex.agent.executors import Executor
    from scidex.agent.executors.local import LocalExecutor
    from scidex.agent.meters import Meter
    from scidex.agent.meters.printed import PrintedMeter
    from scidex.agent.worktrees import Worktrees

PROGRAM_NAMES = "claude, codex, gemini, opencode, mini or aider"
METERS = "file, claude, codex, gemini, opencode, mini, aider, litellm:URL, openrouter, clock:TOKENS_PER_HOUR or none"
EVALUATORS = "a command, judge:COMMAND, tests:USD COMMAND, exit-code:USD, or pull-request:USD_MERGED[,USD_PASSED]"


@dataclass(frozen=True)
class Options:
    """How runs are done, as it was asked for."""

    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="-- COMMAND …",
            help="What to run for a task; {task_id}, {quest_id} and {title} stand for the task's own.",
            show_default=False,
        ),
    ] = None
    max_seconds: Annotated[int, typer.Option(min=1, help="Time that a run may take.")] = 3_600
    executor: Annotated[str, typer.Option(help="Where commands run: local or ray.")] = "local"
    ray_address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The head of the Ray cluster.", show_default=False)
    ] = None
    needs: Annotated[
        list[str] | None, typer.Option("--need", metavar="NAME=AMOUNT", help="What a run needs of a Ray node.")
    ] = None
    pass_on: Annotated[
        list[str] | None, typer.Option("--pass", metavar="NAME", help="A variable that commands get, beside the usual.")
    ] = None
    cpu_seconds: Annotated[int | None, typer.Option(min=1, help="CPU time that a process of a run may use.")] = None
    memory_mb: Annotated[int | None, typer.Option(min=16, help="Memory that a run may hold, in MiB.")] = None
    meter: Annotated[str, typer.Option(help=f"What reads the usage of a run: {METERS}.")] = "file"
    max_usd: Annotated[
        float | None, typer.Option(min=0.0, help="USD that a run's key may spend (litellm, openrouter).")
    ] = None
    outcome: Annotated[
        str | None, typer.Option(help=f"Also heed what the command says of its success: {PROGRAM_NAMES}.")
    ] = None
    evaluator: Annotated[
        str | None, typer.Option(help=f"What judges the worth of a run: {EVALUATORS}.", show_default=False)
    ] = None
    attester: Annotated[
        str | None, typer.Option(help="The evaluator's account, which exists already.", show_default=False)
    ] = None
    repository: Annotated[
        str | None,
        typer.Option(metavar="OWNER/NAME", help="The repository of pull requests; the task's own unless given."),
    ] = None
    shell: Annotated[str | None, typer.Option(help="A line for /bin/sh in place of COMMAND.", show_default=False)] = (
        None
    )
    task_commands: Annotated[
        bool, typer.Option("--task-commands", help="Run the command that each task brings: trust who adds tasks.")
    ] = False
    worktree: Annotated[
        Path | None,
        typer.Option(
            metavar="REPO",
            help="Give each run a worktree of this git repository, on a branch of its own.",
            show_default=False,
        ),
    ] = None
    directory: Annotated[Path, typer.Option(help="Where runs get their directories.")] = Path(".scidex-agent")

    def work(self) -> AgentWork:
        """Return how an agent works by these options. Raises BadParameter, ExecutorUnavailable."""
        from scidex.agent.agent import AgentWork
        from scidex.agent.executors.local import ENVIRONMENT, LocalExecutor

        memory_bytes = None if self.memory_mb is None else self.memory_mb * 2**20
        local = LocalExecutor(
            (*ENVIRONMENT, *(self.pass_on or ())), cpu_seconds=self.cpu_seconds, memory_bytes=memory_bytes
        )
        return AgentWork(
            command_for=self._command_for(),
            directory=self.directory.resolve(),
            executor=self._executor(local),
            meter=self._meter(),
            outcome=self._outcome(),
            evaluator=self._evaluator(),
            max_seconds=float(self.max_seconds),
            worktrees=self._worktrees(),
        )

    def _worktrees(self) -> Worktrees | None:
        from scidex.agent.worktrees import GitFailed, Worktrees

        if self.worktree is None:
            return None
        if self.executor != "local":
            raise typer.BadParameter("goes with --executor local", param_hint="--worktree")
        try:
            return Worktrees(self.worktree)
        except GitFailed as error:
            raise typer.BadParameter(
                f"is not a git repository with a commit: {error}", param_hint="--worktree"
            ) from None

    def _command_for(self) -> CommandFor:
        from scidex.agent.commands import command_of_task, same_command, shell_command

        if (bool(self.command), self.shell is not None, self.task_commands).count(True) != 1:
            raise typer.BadParameter(
                "give one of a command after --, --shell, and --task-commands", param_hint="COMMAND"
            )
        if self.shell is not None:
            return shell_command(self.shell)
        return same_command(*found(self.command, here=self.executor == "local")) if self.command else command_of_task

    def _executor(self, local: LocalExecutor) -> Executor:
        if self.executor == "local":
            for given, option in ((self.ray_address, "--ray-address"), (self.needs, "--need")):
                if given:
                    raise typer.BadParameter("goes with --executor ray", param_hint=option)
            return local
        if self.executor != "ray":
            raise typer.BadParameter("must be local or ray", param_hint="--executor")
        if not self.ray_address:
            raise typer.BadParameter("must be given with --executor ray", param_hint="--ray-address")
        from scidex.agent.executors.ray import RayExecutor

        needs = {"cpus": 1.0} | dict(map(_need, self.needs or ()))
        return RayExecutor(self.ray_address, local, needs, tuple(self.pass_on or ()))

    def _outcome(self) -> PrintedMeter | None:
        """Return who is heard on success; it reads where the meter of the same program reads."""
        if self.outcome is None:
            return None
        name, _, file = self.outcome.partition(":")
        meter, _, read_by_meter = self.meter.partition(":")
        found = _printed(name, file or (read_by_meter if meter == name else ""))
        if found is None:
            raise typer.BadParameter(f"must be {PROGRAM_NAMES}, or one of them with :FILE", param_hint="--outcome")
        return found

    def _meter(self) -> Meter:
        from scidex.agent.meters import NoMeter
        from scidex.agent.meters.usage_file import UsageFileMeter
        from scidex.agent.meters.wall_clock import WallClockMeter

        name, _, rest = self.meter.partition(":")
        if (printed := _printed(name, rest)) is not None:
            return printed
        match name:
            case "litellm" | "openrouter":
                return self._metered_by(name, rest)
            case "clock" if rest.isdecimal() and 0 < int(rest) < 2**53:
                return WallClockMeter(int(rest))
            case "file" | "none" if not rest:
                return UsageFileMeter() if name == "file" else NoMeter()
        raise typer.BadParameter(f"must be {METERS}", param_hint="--meter")

    def _metered_by(self, name: str, url: str) -> Meter:
        """Return the meter of a gateway, whose admin key the environment holds."""
        from scidex.agent.meters.gateway import GatewayMeter
        from scidex.agent.meters.litellm import LiteLLM
        from scidex.agent.meters.openrouter import URL, OpenRouter

        variable = {"litellm": "LITELLM_MASTER_KEY", "openrouter": "OPENROUTER_MANAGEMENT_KEY"}[name]
        admin_key = os.environ.get(variable)
        if not admin_key:
            raise typer.BadParameter(f"needs {variable} in the environment", param_hint="--meter")
        if self.max_usd is None:
            raise typer.BadParameter(f"must be given with --meter {name}", param_hint="--max-usd")
        gateway = LiteLLM(url, admin_key) if name == "litellm" else OpenRouter(admin_key, url or URL)
        return GatewayMeter(gateway, self.max_usd)

    def _evaluator(self) -> Evaluator:
        from scidex.agent.evaluators import NoEvaluator
        from scidex.agent.evaluators.command import CommandEvaluator
        from scidex.agent.evaluators.exit_code import ExitCodeEvaluator, warning_for
        from scidex.agent.evaluators.pull_requests import PullRequestEvaluator
        from scidex.agent.evaluators.tests import TestsEvaluator
        from scidex.agent.executors.local import LocalExecutor

        if (self.evaluator is None) != (self.attester is None):
            raise typer.BadParameter("--evaluator and --attester go together", param_hint="--evaluator")
        if self.evaluator is None or self.attester is None:
            return NoEvaluator()
        kind, _, rest = self.evaluator.partition(":")
        if kind == "exit-code":
            if self.outcome is None and (warning := warning_for(tuple(self.command or ()))):
                print(f"scidex: warning: {warning}", file=sys.stderr)
            return ExitCodeEvaluator(self.attester, amounts(rest, 1)[0])
        if kind == "pull-request":
            merged, *passed = amounts(rest, 2)
            return PullRequestEvaluator(self.attester, merged, passed[0] if passed else None, self._repository())
        local = LocalExecutor()
        if kind == "tests":
            usd, _, command = rest.strip().partition(" ")
            return TestsEvaluator(self.attester, amounts(usd, 1)[0], _words(command), local)
        return CommandEvaluator(_words(rest if kind == "judge" else self.evaluator), self.attester, local)

    def _repository(self) -> str | None:
        if self.repository is not None and not re.fullmatch(r"[\w.-]+/[\w.-]+", self.repository):
            raise typer.BadParameter("must be OWNER/NAME", param_hint="--repository")
        return self.repository


def _printed(name: str, file: str) -> PrintedMeter | None:
    """Return who reads a program's own account; None where the program is not known."""
    from scidex.agent.meters.printed import CodexMeter, PrintedMeter, TrajectoryMeter
    from scidex.agent.meters.programs import PROGRAMS

    if name not in PROGRAMS:
        return None
    kind = {"codex": CodexMeter, "mini": TrajectoryMeter}.get(name, PrintedMeter)
    found: PrintedMeter = kind(PROGRAMS[name], file or PROGRAMS[name].file)
    return found


def amounts(text: str, most: int) -> list[float]:
    """Return the amounts of USD in an option, at least one. Raises BadParameter."""
    try:
        told = [float(part) for part in text.split(",")]
    except ValueError:
        told = []
    if not 1 <= len(told) <= most or not all(0 <= amount <= 1e15 for amount in told):
        raise typer.BadParameter(f"must be {EVALUATORS}", param_hint="--evaluator")
    return told


def found(command: list[str], *, here: bool = True) -> list[str]:
    """
    Return a command whose program is found from any directory: runs have one of their own.

    Raises BadParameter where it is to run here and there is no such program.
    """
    program = command[0]
    if here and "{" not in program and shutil.which(program) is None:
        raise typer.BadParameter(f"there is no program {program}, or it cannot be run", param_hint="COMMAND")
    return [str(Path(program).absolute()), *command[1:]] if "/" in program else command


def _need(text: str) -> tuple[str, float]:
    name, _, amount = text.partition("=")
    try:
        needed = float(amount)
    except ValueError:
        needed = -1.0
    if not name or not 0 <= needed <= 2.0**50:
        raise typer.BadParameter("must be NAME=AMOUNT, as cpus=2 or gpus=1", param_hint="--need")
    return name, needed


def _words(command: str) -> tuple[str, ...]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--evaluator") from None
    if not words:
        raise typer.BadParameter(f"must be {EVALUATORS}", param_hint="--evaluator")
    return tuple(found(words))
