"""The emulator's state: operations, registrations, the journal, the time. Namespaces share none of it."""

import json
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import asdict
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

import anyio
import anyio.lowlevel

from maps_data_registry.polling.policy import Clock
from maps_data_registry_contract import GET_OPERATION, OPERATION_ID_PATTERN

from .journal import Entry
from .operation import EmulatedOperation, Registration
from .scenarios import Scenario

JOURNAL = 10_000
PART = 100  # operations or entries that are written at once
_LATEST = 2.187e11  # seconds since 1970: a Retry-After that is a date must fit in behind it
GUID = re.compile(OPERATION_ID_PATTERN)


class Namespace:
    """Operations, journal, clock and defaults that no other namespace shares, under a URL of their own.

    `scenario` is the default of every operation. `credentials` are the keys and tokens (without prefix) that are
    accepted; None accepts every well-formed one. Both may be changed at any time. With `virtual_time` only `advance`
    moves the clock; otherwise it runs, and `advance` moves it further.
    """

    def __init__(
        self,
        url: str,
        *,
        scenario: Scenario | str = "completes",
        credentials: Collection[str] | None = None,
        virtual_time: bool = False,
    ) -> None:
        self.url = url
        self.scenario = Scenario.parse(scenario)
        self.credentials = credentials
        self.virtual_time = virtual_time
        self.namespaces: dict[str, Namespace] = {}
        self.operations: dict[str, EmulatedOperation] = {}
        self.registrations: dict[str, Registration] = {}
        self.entries: deque[Entry] = deque(maxlen=JOURNAL)
        self._keep: Callable[[], object] | None = None
        self._time: Callable[[], float] = (lambda: 0.0) if virtual_time else time.monotonic
        self._zero = self._time()
        self._epoch = time.time()

    def namespace(
        self,
        name: str,
        *,
        scenario: Scenario | str | None = None,
        credentials: Collection[str] | None = None,
        virtual_time: bool | None = None,
    ) -> "Namespace":
        """Make a namespace of the emulator, or make it anew. Settings that are not given are those of this one.

        Its URL is `{url}/namespaces/{name}`; in the name, everything but ASCII letters, digits and `_` becomes `-`.
        """
        made = Namespace(
            f"{self.url}/namespaces/{_plain(name)}",
            scenario=self.scenario if scenario is None else scenario,
            credentials=self.credentials if credentials is None else credentials,
            virtual_time=self.virtual_time if virtual_time is None else virtual_time,
        )
        self.namespaces[_plain(name)] = made
        return made

    def find(self, name: str) -> "Namespace":
        """The namespace of that name. One that nobody made is empty, and is kept from its first operation on."""
        name = _plain(name)
        if (found := self.namespaces.get(name)) is not None:
            return found
        found = Namespace(
            f"{self.url}/namespaces/{name}",
            scenario=self.scenario,
            credentials=self.credentials,
            virtual_time=self.virtual_time,
        )
        found._keep = partial(self.namespaces.setdefault, name, found)
        return found

    def now(self) -> float:
        """Seconds on this namespace's clock, 0 when it was made."""
        return self._time() - self._zero

    def date(self) -> float:
        """The wall clock that goes with `now`, in seconds since 1970, as in `Date` headers."""
        return self._epoch + self.now()

    @property
    def clock(self) -> Clock:
        """The clock for `wait_for_operation(…, clock=emulator.clock)`: it sleeps by `advance`, in no real time."""

        async def sleep_async(seconds: float) -> None:
            self.advance(seconds)
            await anyio.lowlevel.checkpoint()

        return Clock(monotonic=self.now, wall=self.date, sleep=self.advance, sleep_async=sleep_async)

    def advance(self, seconds: float) -> None:
        """Move the clock forward. Raises ValueError for a negative time, or one beyond the year 8900."""
        if not (seconds >= 0 and self.date() + seconds < _LATEST):
            raise ValueError(f"the clock cannot be moved by {seconds:g} s")
        self._zero -= seconds

    def start_operation(
        self,
        scenario: Scenario | str | dict[str, Any] | None = None,
        *,
        operation_id: str | None = None,
        origin: str | None = None,
    ) -> EmulatedOperation:
        """Start an operation as a register request does. Raises ValueError for an unknown scenario or a bad id.

        `operation_id` defaults to a new one, `origin` (scheme, host and port of its `location`) to that of `url`.
        """
        chosen = self.scenario if scenario is None else Scenario.parse(scenario)
        operation_id = str(uuid4()) if operation_id is None else operation_id
        if not GUID.fullmatch(operation_id):
            raise ValueError("operation_id: not a GUID")
        path = re.sub(r"\{[^}]*\}", operation_id, GET_OPERATION.path)
        location = urljoin(origin or self.url, urlsplit(self.url).path + path)
        operation = EmulatedOperation(operation_id, location, chosen, started=self.now())
        self.operations[operation_id.lower()] = operation
        if self._keep is not None:
            self._keep()
        return operation

    def clear(self) -> None:
        """Empty the journal, and forget the operations that have ended."""
        self.entries.clear()
        for key, operation in list(self.operations.items()):
            if operation.result is not None:
                del self.operations[key]

    async def snapshot(self) -> AsyncIterator[str]:
        """The whole state as JSON, in parts: a client that reads none of it must not hold all of it."""
        operations, entries = list(self.operations.values()), self.journal()
        yield f'{{"now":{self.now()}'
        for name, snapshots in (
            ("operations", (operation.snapshot() for operation in operations)),
            ("entries", (asdict(entry) for entry in entries)),
        ):
            yield f',"{name}":['
            begun = ""
            while part := list(islice(snapshots, PART)):
                yield begun + json.dumps(part, separators=(",", ":"))[1:-1]
                begun = ","
            yield "]"
        yield "}"

    def journal(self, operation: EmulatedOperation | None = None) -> list[Entry]:
        """The requests so far, oldest first, at most the last 10 000; only those about one operation if it is given."""
        return [entry for entry in list(self.entries) if operation is None or entry.operation_id == operation.id]


def _plain(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "-", name)
