"""What became of an operation: a record for programs, a line for people."""

import json
from typing import Any, Self

from attrs import asdict, field, fields_dict, frozen
from attrs.validators import in_, instance_of, matches_re, optional

from maps_data_registry.errors import (
    DataRegistryError,
    OperationFailed,
    OperationTimeout,
    ServiceError,
    UnrecognizedStatus,
)
from maps_data_registry.polling.policy import OperationUpdate
from maps_data_registry.text import one_line, unset_to_none
from maps_data_registry_contract import OPERATION_ID_PATTERN

from .exit_codes import Exit

OUTCOMES = {
    "completed": Exit.COMPLETED,
    "failed": Exit.FAILED,
    "unrecognized": Exit.FAILED,
    "refused": Exit.REFUSED,
    "unanswered": Exit.REFUSED,
    "running": Exit.RUNNING,
}
"""Every outcome of a record, with its exit code."""


@frozen(kw_only=True)
class Record:
    """What is known of one operation; the same as a JSON object on one line."""

    operation_id: str = field(validator=matches_re(OPERATION_ID_PATTERN))
    outcome: str = field(validator=in_(OUTCOMES))
    """`completed`, `failed`, `unrecognized` (ended with an unknown status), `refused` (by the service), `unanswered`
    (no reply that can be read) or `running`."""
    status: str | None = field(default=None, validator=optional(instance_of(str)))
    """The last status seen."""
    polls: int = field(validator=instance_of(int))
    elapsed: float = field(validator=instance_of((int, float)))
    """Seconds."""
    message: str | None = field(default=None, validator=optional(instance_of(str)))
    """Reason for the outcome, on one line."""
    error: dict[str, Any] | None = field(default=None, validator=optional(instance_of(dict)))
    """The service's error, with every member that it sent."""

    @property
    def ended(self) -> bool:
        """Whether another poll would bring nothing new."""
        return OUTCOMES[self.outcome] <= Exit.FAILED

    @property
    def line(self) -> str:
        """The record for people."""
        reason = one_line(self.message or self.status or self.outcome)
        return f"{self.operation_id} {reason} ({count(self.polls, 'poll')}, {self.elapsed:.0f} s)"

    def to_json(self) -> str:
        """One line of ASCII, control characters escaped."""
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None}, allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> Self:
        """The record of a line; unknown members are left out.

        Raises:
            ValueError: if the line holds no record.
        """
        try:
            members = json.loads(line, parse_constant=_null)
            record = cls(**{name: value for name, value in members.items() if name in fields_dict(cls)})
            _ = record.line, record.to_json()  # as it will be shown
        except (AttributeError, TypeError, RecursionError, OverflowError) as error:
            raise ValueError("not a record") from error
        return record


def record_of(operation_id: str, seen: OperationUpdate | DataRegistryError) -> Record:
    """The record of an operation after its last poll, or after what ended the wait."""
    if isinstance(seen, OperationUpdate):
        outcome, message, last, error = "completed" if seen.wait is None else "running", None, seen.result, None
    else:
        outcome, message, last, error = _outcome(seen), str(seen.args[0]), seen.last, getattr(seen, "error", None)
    status = unset_to_none(last.status) if last else None
    return Record(
        operation_id=operation_id,
        outcome=outcome,
        status=None if status is None else str(status),
        polls=seen.polls,
        elapsed=round(seen.elapsed, 3),
        message=message,
        error=_without_nan(error.to_dict()) if error else None,
    )


def _outcome(error: DataRegistryError) -> str:
    if isinstance(error, OperationFailed):
        return "failed"
    if isinstance(error, UnrecognizedStatus):
        return "unrecognized"
    if isinstance(error, OperationTimeout) and error.last:
        return "running"
    return "refused" if isinstance(error, ServiceError) else "unanswered"


def _without_nan(value: Any) -> Any:
    """The same with null for NaN and infinities, which JSON does not have but Python reads and writes."""
    return json.loads(json.dumps(value), parse_constant=_null)


def _null(constant: str) -> None:
    """Null, for a number that is none."""


def count(number: int, noun: str) -> str:
    """`1 poll`, `2 polls`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
