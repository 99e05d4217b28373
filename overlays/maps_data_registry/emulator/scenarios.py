"""What becomes of an operation: how long it runs, how it ends, and what goes wrong on the way."""

import shlex
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import from_json
from starlette.responses import Response

from maps_data_registry_schemas import LongRunningOperationResult, LongRunningOperationStatus, MapsErrorDetail

from .faults import FAULTS, HOSTILE_RETRY_AFTER, Poll, running
from .responses import render

ENDINGS = {
    "completes": "Running for a while, then Completed.",
    "fails": "Running for a while, then Failed with `error`.",
    "never-ends": "Running for ever.",
    "null-error": "Like `completes`, with the absent error written as null.",
    "unknown-ending": "Running for a while, then a status word nobody knows, without Retry-After: over.",
    "no-status-ending": "Running for a while, then no status at all, without Retry-After: over.",
}
NAMES = {**ENDINGS, **{name: fault.__doc__ or "" for name, fault in FAULTS.items()}}
"""Every scenario's name, with a line that tells what it does."""


class Scenario(BaseModel):
    """What becomes of an operation.

    Written as text it is a name and its options, `"fails polls=3 retry_after=0"`, or a JSON object with the same
    members. A name that stands for a fault (`throttled`, `reset-before-headers`, …) strikes the first polls; the
    operation then goes on as `completes` does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "completes"
    """One of `NAMES`."""
    polls: NonNegativeInt = 2
    """How many polls are answered with Running before the operation ends."""
    seconds: NonNegativeFloat | None = None
    """Instead of `polls`: how long the operation runs, on the emulator's clock."""
    retry_after: int = Field(1, ge=0, le=10**9)
    """The pause that a reply asks for, in seconds."""
    form: Literal["seconds", "date", "retry-after-ms", "x-ms-retry-after-ms", "none"] = "seconds"
    """How the pause is written: Retry-After in seconds or as an HTTP date, another header, or not at all."""
    error: MapsErrorDetail = MapsErrorDetail(code="InvalidData", message="The data is not a valid GeoJSON.")
    """Why `fails` fails: the whole tree."""
    times: NonNegativeInt | None = None
    """How many polls a fault strikes. Default 1; `hostile-retry-after` without a `value`: one per hostile value."""
    value: str | None = Field(None, pattern=r"^([!-~\xa0-\xff]([ -~\xa0-\xff]*[!-~\xa0-\xff])?)?$")
    """The word of `unknown-*`, the header of `hostile-retry-after`, the target of `redirect`: fit for a header."""
    size: int = Field(64 << 20, ge=0, le=1 << 30)
    """Bytes that `gzip-bomb` and `huge-body` come to, up to 1 GiB."""
    pace: float = Field(1.0, ge=0, le=3600)
    """Real seconds between two bytes of `slow-headers` and `slow-drip`."""

    @classmethod
    def parse(cls, value: "Scenario | str | dict[str, Any]") -> Self:
        """Read a scenario. Raises ValueError with one line that says what is wrong."""
        try:
            return cls.model_validate(value)
        except ValidationError as invalid:
            problems = (
                f"{'.'.join(map(str, error['loc'])) or 'scenario'}: {error['msg'].removeprefix('Value error, ')}"
                for error in invalid.errors()
            )
            raise ValueError("; ".join(problems)) from None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("{"):
            return from_json(value)
        name, *options = shlex.split(value) or [""]
        return {"name": name} | dict(option.partition("=")[::2] for option in options)

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in NAMES:
            raise ValueError(f"unknown scenario {name[:40]!r}, choose from {', '.join(NAMES)}")
        return name

    def __str__(self) -> str:
        options = self.model_dump(exclude_unset=True, exclude={"name"})
        return " ".join([self.name, *(f"{name}={value}" for name, value in options.items())])

    @property
    def strikes(self) -> int:
        """How many polls, from the first on, meet the fault."""
        if self.name not in FAULTS:
            return 0
        if self.times is not None:
            return self.times
        return len(HOSTILE_RETRY_AFTER) if self.name == "hostile-retry-after" and self.value is None else 1

    def answer(self, poll: Poll) -> tuple[str, Response]:
        """The reply to a poll, and a word for the journal: the status it tells of, or the name of the fault."""
        if poll.number <= self.strikes:
            return self.name, FAULTS[self.name](self, poll)
        over = poll.number - self.strikes > self.polls if self.seconds is None else poll.elapsed >= self.seconds
        if not over or self.name == "never-ends":
            return "Running", running(self, poll)
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
        return str(result.status), render(result)
