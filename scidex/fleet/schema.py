"""
What `scidex.toml` may hold.

This schema alone validates the file, makes its reference page, and is published as a JSON Schema for editors.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from scidex.bidding.registry import STRATEGIES
from scidex.errors import InvalidArgument, ScidexError
from scidex.exchange.backlog_import import FORMATS
from scidex.profiles import profile_named
from scidex.settings import DEFAULT_POOL, MOST_TOKENS, TREASURY

NAME = r"^[^\s]+$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd])", re.ASCII)


def _seconds(value: object) -> object:
    """Return a span such as `15m` in seconds; a number is taken as it is."""
    if not isinstance(value, str):
        return value
    told = _SPAN.fullmatch(value)
    if told is None:
        raise ValueError("must be a time such as 90s, 15m, 2h or 1d")
    return float(told[1]) * _UNITS[told[2]]


def _judged(judge: Callable[[], object]) -> None:
    """Let another room judge a value. Raises ValueError with its refusal."""
    try:
        judge()
    except InvalidArgument as refused:
        raise ValueError(f"{refused.field} {refused.fact}") from None
    except ScidexError as refused:
        raise ValueError(str(refused)) from None


Name = Annotated[str, Field(min_length=1, max_length=200, pattern=NAME)]
Variable = Annotated[str, Field(pattern=VARIABLE)]
Seconds = Annotated[
    float,
    BeforeValidator(_seconds, json_schema_input_type=float | str),
    Field(ge=0, le=31_536_000, allow_inf_nan=False),
]
Usd = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=0, le=MOST_TOKENS, strict=True)]


class Section(BaseModel):
    """A part of the file: a name that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=False)


class Server(Section):
    """Where the market is served."""

    host: str = Field(
        default="127.0.0.1", description="The address to serve at. One that others reach needs TLS or `insecure`."
    )
    port: int | None = Field(default=None, ge=0, le=65_535, description="The port; without one 8787, or any free one.")
    names: tuple[str, ...] = Field(default=(), description="Host names to answer to beside the address.")
    certificate: Path | None = Field(default=None, description="The certificate for TLS, in PEM.")
    private_key: Path | None = Field(default=None, description="The certificate's private key, in PEM.")
    insecure: bool = Field(
        default=False, description="Serve others without TLS: anyone on the network can then use the keys."
    )


class Pool(Section):
    """A pool of like slots, and how it clears."""

    profile: str = Field(
        default="recommended", description="The settings it starts from: brief, recommended or generous."
    )
    cycle: Seconds | None = Field(
        default=None,
        ge=0.05,
        description="Time from round to round, as `60s`; without it that of the process's settings.",
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="Values in place of the profile's, by the names of the profiles' page."
    )

    @model_validator(mode="after")
    def _is_a_profile(self) -> Pool:
        _judged(lambda: profile_named(self.profile, **self.settings))
        return self


class Quest(Section):
    """A project that bids for its backlog."""

    title: str = Field(default="", max_length=1_000, description="What people call it.")
    priority: int = Field(default=1, ge=0, description="Its share where money is split by priority.")
    owner: Name | None = Field(default=None, description="Who owns its wallet; it is set when the quest is made.")
    strategy: str = Field(default="market", description="How it bids: market, clamp, paced, truthful or fixed.")
    floor: bool = Field(default=False, description="Whether it is entitled to the floor of its pools.")

    @field_validator("strategy")
    @classmethod
    def _is_a_strategy(cls, value: str) -> str:
        if value != "market" and value not in STRATEGIES:
            raise ValueError(f"must be market, {', '.join(STRATEGIES)}")
        return value


class Account(Section):
    """An account of its own, beside those that quests and agents open."""

    kind: Literal["agent", "worker", "evaluator"] = Field(default="agent", description="agent, worker or evaluator.")
    owner: Name | None = Field(default=None, description="Who it belongs to; itself without it.")


class Source(Section):
    """Where work comes from: read again and again, each time all of it."""

    name: Name = Field(description="What its tasks say that they come from.")
    format: str = Field(description="jsonl, csv, gh, beads, linear, jira, taskwarrior or todo.txt.")
    file: Path | None = Field(default=None, description="The file to read.")
    command: tuple[str, ...] = Field(default=(), description="A command whose output is read, in place of a file.")
    quest: Name | None = Field(default=None, description="The quest that all its tasks join; without it their own.")
    repo: str | None = Field(default=None, description="The repository of issues that come without their url.")
    every: Seconds = Field(default=300.0, ge=1, description="Time from reading to reading, as `5m`.")
    complete: bool = Field(
        default=False, description="Whether it lists all open work: tasks that it lacks are then held."
    )
    write_back: bool = Field(
        default=False, description="Whether ends of tasks are written back: beads closed, issues commented."
    )
    values: dict[str, Usd] = Field(
        default_factory=dict, description="USD by priority or label, in place of the file's `values`."
    )

    @field_validator("format")
    @classmethod
    def _is_a_format(cls, value: str) -> str:
        if value not in FORMATS:
            raise ValueError(f"must be one of {', '.join(FORMATS)}")
        return value

    @model_validator(mode="after")
    def _reads_something(self) -> Source:
        if (self.file is None) == (not self.command):
            raise ValueError("give one of file and command")
        return self


class Agent(Section):
    """Seats on this machine, and the command that works in them."""

    name: Name = Field(description="Its name: its account is `worker:NAME` unless one is given.")
    command: tuple[str, ...] = Field(
        default=(), description="What to run for a task; {task_id}, {quest_id} and {title} stand for the task's own."
    )
    shell: str | None = Field(default=None, description="A line for /bin/sh in place of the command.")
    task_commands: bool = Field(
        default=False, description="Run the command that each task brings: trust who adds tasks."
    )
    account: Name | None = Field(default=None, description="Its account; opened where it is missing.")
    provider: Name = Field(default=TREASURY, description="Who gets what its slots sell for.")
    pool: Name = Field(default=DEFAULT_POOL, description="The pool that its slots are offered in.")
    seats: int = Field(default=1, ge=1, le=1_000, description="Runs side by side.")
    reserve: Tokens = Field(default=0, description="The least price of a slot, in tokens.")
    allowance: int | None = Field(default=None, ge=1, le=MOST_TOKENS, description="Tokens that a run may use.")
    max_seconds: Seconds = Field(default=3_600.0, ge=1, description="Time that a run may take, as `30m`.")
    cpu_seconds: int | None = Field(default=None, ge=1, description="CPU time that a process of a run may use.")
    memory_mb: int | None = Field(default=None, ge=16, description="Memory that a run may hold, in MiB.")
    meter: str = Field(default="file", description="What reads the usage of a run.")
    max_usd: Usd | None = Field(
        default=None, description="USD that a run's key may spend, with the meter of a gateway."
    )
    outcome: str | None = Field(
        default=None, description="Heed what the command says of its own success, by its program."
    )
    evaluator: str | None = Field(default=None, description="What judges the worth of a run.")
    attester: Name | None = Field(default=None, description="The evaluator's account; opened where it is missing.")
    pass_on: tuple[Variable, ...] = Field(
        default=(), alias="pass", description="Variables of the environment that commands get, by name."
    )
    worktree: Path | None = Field(
        default=None, description="A git repository: each run works in a worktree of it, on a branch of its own."
    )
    directory: Path = Field(default=Path(".scidex/runs"), description="Where runs get their directories.")
    grace: Seconds = Field(default=30.0, description="Time that runs have to end when the fleet is stopped.")

    @property
    def account_id(self) -> str:
        """The account that it acts for."""
        return self.account or f"worker:{self.name}"

    @model_validator(mode="after")
    def _runs_something(self) -> Agent:
        if (bool(self.command), self.shell is not None, self.task_commands).count(True) != 1:
            raise ValueError("give one of command, shell and task_commands")
        if (self.evaluator is None) != (self.attester is None):
            raise ValueError("evaluator and attester go together")
        return self


class Fleet(Section):
    """A whole fleet: one market, where its work comes from, and who does it."""

    database: str = Field(
        default="sqlite:///.scidex/market.db",
        description="The market's database. `env:NAME` takes the address from the environment.",
    )
    server: Server = Field(default=Server(), description="Where the market is served.")
    pools: dict[Name, Pool] = Field(default={DEFAULT_POOL: Pool()}, description="Pools of slots, by name.")
    quests: dict[Name, Quest] = Field(default_factory=dict, description="Quests, by id.")
    accounts: dict[Name, Account] = Field(default_factory=dict, description="Further accounts, by id.")
    values: dict[str, Usd] = Field(default_factory=dict, description="USD by priority or label, for every source.")
    sources: tuple[Source, ...] = Field(default=(), description="Where work comes from.")
    agents: tuple[Agent, ...] = Field(default=(), description="Who does it.")

    @field_validator("database")
    @classmethod
    def _has_no_secret(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql://", "postgres://", "env:")):
            raise ValueError("must begin with sqlite:///, postgresql:// or env:")
        login = value.partition("://")[2].rpartition("@")[0]
        if ":" in login:
            raise ValueError("holds a password: put the address into a variable, and name that by env:NAME")
        return value

    @model_validator(mode="after")
    def _names_fit(self) -> Fleet:
        for kind, names in (
            ("sources", [one.name for one in self.sources]),
            ("agents", [one.name for one in self.agents]),
        ):
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise ValueError(f"{kind} has the name {twice} twice")
        for agent in self.agents:
            if agent.pool not in self.pools:
                raise ValueError(f"agent {agent.name} works in the pool {agent.pool}, which pools does not name")
        return self
