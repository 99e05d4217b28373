"""An operation that is being carried out, and the registration that it was started for."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from starlette.responses import Response

from maps_data_registry_schemas import LongRunningOperationResult

from .faults import Poll, retry_after
from .journal import Entry
from .scenarios import Scenario


@dataclass(slots=True)
class EmulatedOperation:
    """A register or replace request that is being carried out."""

    id: str
    location: str
    """Its `Operation-Location`: an absolute URL without api-version."""
    scenario: Scenario
    started: float
    """Seconds on the emulator's clock."""
    polls: int = 0
    outcome: str = "Registered"
    """The outcome of the last poll, as in the journal."""
    due: float = 0.0
    """When the next poll is not early any more."""
    result: LongRunningOperationResult | None = None
    """How the operation ended, once a poll has been answered with it."""

    def answer(self, entry: Entry, date: float) -> Response:
        """Answer one poll, and record in the journal's entry how."""
        self.polls += 1
        poll = Poll(self.id, self.polls, entry.at - self.started, date)
        entry.operation_id, entry.poll, entry.early = self.id, self.polls, entry.at < self.due
        self.outcome, reply = self.scenario.answer(poll)
        if self.polls > self.scenario.strikes:
            self.result = self.scenario.result(poll)
        entry.outcome = self.outcome
        asked = retry_after(self.scenario, poll).items()
        entry.pause = self.scenario.retry_after if asked and asked <= set(reply.headers.items()) else 0
        self.due = entry.at + entry.pause
        return reply

    def snapshot(self) -> dict[str, object]:
        """The operation, ready for JSON."""
        result = self.result and self.result.model_dump(mode="json", exclude_unset=True)
        return asdict(replace(self, result=None)) | {"scenario": str(self.scenario), "result": result}


@dataclass(slots=True)
class Registration:
    """A data registry, as it was registered or last replaced."""

    udid: str
    data: dict[str, Any]
    """The members that the request gave."""
    operation: EmulatedOperation
