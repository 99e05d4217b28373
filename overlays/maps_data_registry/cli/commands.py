"""The work of `status` and `wait`, with everything that it imports."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from attrs import evolve, frozen

from maps_data_registry.errors import DataRegistryError, OperationFailed
from maps_data_registry.polling.many import wait_for_operations_async
from maps_data_registry.polling.operations import watch_operation
from maps_data_registry.polling.policy import OperationUpdate, PollingPolicy, timeout_seconds
from maps_data_registry_client import AuthenticatedClient

from .inputs import Access, UsageError, read_operations
from .logs import logging_to
from .output import Lines, is_terminal
from .records import Exit, record_of
from .results_file import Journal

FEW = 10
"""Operations that are named at the end, where there may be thousands."""


def status(access: Access, arguments: Iterable[str], file: Path | None, *, as_json: bool, verbose: bool) -> Exit:
    """Ask about each operation once, one after the other."""
    lines = Lines(read_operations(arguments, file, access.endpoint()), as_json=as_json)
    with logging_to(lines.say, verbose=verbose, secrets=access.secrets()), access.connect() as client, lines:
        for name in lines.operations:
            seen = _ask(client, name)
            lines.end(record_of(name, seen), seen)
    return lines.exit_code


def _ask(client: AuthenticatedClient, name: str) -> OperationUpdate | DataRegistryError:
    once = PollingPolicy(retries=0)
    try:
        update = next(watch_operation(client, name, policy=once))
    except DataRegistryError as error:
        return error
    if update.result is None or update.status not in once.failed:
        return update
    failed = OperationFailed(update.result)
    failed.polls, failed.elapsed = update.polls, update.elapsed
    return failed


@frozen(kw_only=True)
class Wait:
    """A wait for operations, with the options of the command."""

    timeout: float | None
    interval: float
    concurrency: int
    results: Path | None
    as_json: bool
    progress: bool
    verbose: bool

    def run(
        self, access: Access, arguments: Iterable[str], file: Path | None, go_on: Callable[[Sequence[str]], str]
    ) -> Exit:
        """Wait until each operation has ended or had its time. *go_on* is the command that waits for the others."""
        policy = self._policy()
        lines = self._lines(read_operations(arguments, file, access.endpoint()))
        with (
            logging_to(lines.say, verbose=self.verbose, secrets=access.secrets()),
            contextlib.nullcontext() if self.results is None else Journal(self.results) as journal,
        ):
            client = access.connect()
            try:
                with lines:
                    if pending := _unknown(lines, journal):
                        asyncio.run(self._wait(client, policy, pending, lines, journal))
                code, running = lines.exit_code, "still running"
            except KeyboardInterrupt:
                code, running = Exit.INTERRUPTED, "interrupted; still running"
        if left := lines.running():
            shown = [f"  {name} {lines.standing(name)}" for name in left[:FEW]]
            more = [f"  … and {len(left) - FEW} more"] if len(left) > FEW else []
            head = f"{running}: {len(left)} of {len(lines.operations)}"
            lines.say("\n".join([head, *shown, *more, f"to go on: {go_on(left)}"]))
        return code

    def _policy(self) -> PollingPolicy:
        try:
            timeout_seconds(self.timeout)
            policy = PollingPolicy(interval=self.interval)
        except ValueError as error:
            raise UsageError(str(error)) from error
        return evolve(policy, max_interval=max(policy.max_interval, self.interval))

    def _lines(self, operations: Sequence[str]) -> Lines:
        if not (self.progress and is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"):
            return Lines(operations, as_json=self.as_json)
        from .live_table import Display  # rich: not where nobody sees it

        return Display(operations, as_json=self.as_json)

    async def _wait(
        self,
        client: AuthenticatedClient,
        policy: PollingPolicy,
        operations: Sequence[str],
        lines: Lines,
        journal: Journal | None,
    ) -> None:
        outcomes = wait_for_operations_async(
            client,
            operations,
            concurrency=self.concurrency,
            timeout=self.timeout,
            policy=policy,
            on_update=lines.poll,
        )
        async with client, outcomes, contextlib.AsyncExitStack() as stack:
            stack.callback(asyncio.create_task(lines.refresh()).cancel)
            async for outcome in outcomes:
                name = str(outcome.operation_id)
                record = record_of(name, outcome.error or lines.polled[name][0])
                if journal and record.ended:
                    journal.append(record)
                lines.end(record, outcome.error)


def _unknown(lines: Lines, journal: Journal | None) -> list[str]:
    """The operations of which the journal knows no end. Those of which it does are told of."""
    known = journal.records if journal else {}
    for name in lines.operations:
        if name.lower() in known:
            lines.end(evolve(known[name.lower()], operation_id=name))
    return [name for name in lines.operations if name not in lines.records]
