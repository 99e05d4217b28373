"""What becomes of an operation: how long it runs, how it ends, and what goes wrong on the way."""

import shlex
from typing import Any, Self

from pydantic import BaseModel, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails, from_json
from starlette.responses import Response

from maps_data_registry_schemas import LongRunningOperationResult, LongRunningOperationStatus

from .faults import FAULTS, HOSTILE_RETRY_AFTER, Poll, running
from .options import OPTIONS, Options
from .responses import render

ENDINGS = {
    "completes": "Running for a while, then Completed.",
    "fails": "Running for a while, then Failed with `error`.",
    "never-ends": "Running for ever.",
    "null-error": "Like `completes`, with the absent error written as null.",
    "unknown-ending": "Running for a while, then an unknown status without Retry-After: over.",
    "no-status-ending": "Running for a while, then no status at all, without Retry-After: over.",
}
_LONGEST = 10_000
NAMES = {**ENDINGS, **{name: fault.__doc__ or "" for name, fault in FAULTS.items()}}
"""Every scenario's name, with a line that says what happens."""


class Scenario(Options):
    """What becomes of an operation.

    Written as text it is a name and its options, `"fails polls=3 retry_after=0"`, or a JSON object with the same
    members. A fault (`throttled`, `reset-before-headers`, …) strikes the first polls; the operation then continues as
    `completes` does.
    """

    name: str = "completes"
    """One of `NAMES`."""

    @classmethod
    def parse(cls, value: "Scenario | str | dict[str, Any]") -> Self:
        """Read a scenario. Raises ValueError with one line that says what is wrong."""
        try:
            return cls.model_validate(value)
        except ValidationError as invalid:
            raise ValueError("; ".join(map(_problem, invalid.errors()))) from None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("{"):
            return from_json(value)
        if len(value) > _LONGEST:  # shlex takes time in the square of the length
            raise ValueError(f"a scenario has {_LONGEST} characters at most, unless it is a JSON object")
        name, *options = shlex.split(value) or [""]
        return {"name": name} | dict(option.partition("=")[::2] for option in options)

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in NAMES:
            raise ValueError(f"unknown scenario {name[:40]!r}, choose from {', '.join(NAMES)}")
        return name

    def __str__(self) -> str:
        """The scenario as text that `parse` reads."""
        given = {name: getattr(self, name) for name in OPTIONS if name in self.model_fields_set}
        return shlex.join(
            [self.name, *(f"{name}={_text(value)}" for name, value in given.items() if value is not None)]
        )

    @property
    def strikes(self) -> int:
        """How many polls, from the first on, meet the fault."""
        if self.name not in FAULTS:
            return 0
        if self.times is not None:
            return self.times
        return len(HOSTILE_RETRY_AFTER) if self.name == "hostile-retry-after" and self.value is None else 1

    def answer(self, poll: Poll) -> tuple[str, Response]:
        """The reply to a poll and its outcome for the journal: the status, or the name of the fault."""
        if poll.number <= self.strikes:
            return self.name, FAULTS[self.name](self, poll)
        result = self.result(poll)
        return ("Running", running(self, poll)) if result is None else (str(result.status), render(result))

    def result(self, poll: Poll) -> LongRunningOperationResult | None:
        """How the operation has ended, or None if it is still running at this poll."""
        over = poll.number - self.strikes > self.polls if self.seconds is None else poll.elapsed >= self.seconds
        if not over or self.name == "never-ends":
            return None
        result = LongRunningOperationResult(id=poll.operation_id, status=LongRunningOperationStatus.COMPLETED)
        match self.name:
            case "fails":
                result.status, result.error = LongRunningOperationStatus.FAILED, self.error
            case "null-error":
                result.error = None
            case "unknown-ending":
                result.status = self.value or "Cancelled"
            case "no-status-ending":
                result = LongRunningOperationResult(id=poll.operation_id)
        return result


def _text(value: object) -> str:
    return value.model_dump_json(exclude_unset=True) if isinstance(value, BaseModel) else str(value)


def _problem(error: ErrorDetails) -> str:
    where = ".".join(map(str, error["loc"]))
    where = "scenario" if where in {"", "name"} else where
    if error["type"] == "extra_forbidden":
        name = where if where.isidentifier() else repr(where)
        return f"{name[:40]}: unknown option, choose from {', '.join(OPTIONS)}"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"
