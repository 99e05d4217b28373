"""The work of `status` and `wait`, with everything that it imports."""

import asyncio
import contextlib
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import evolve, frozen

from maps_data_registry import (
    DEFAULT,
    DataRegistryError,
    OperationFailed,
    OperationUpdate,
    PollingPolicy,
    UnrecognizedStatus,
    get_operation,
    wait_for_operations_async,
)
from maps_data_registry_client import AuthenticatedClient

from .exit_codes import Exit
from .inputs import Access, Operation, UsageError, locate, read_texts
from .logs import logging_to
from .options import Options
from .output import Output
from .records import record_of
from .results_file import ResultsFile
from .signals import Interrupts
from .streams import OutputClosed, is_terminal

MAX_NAMED = 10
"""Unfinished operations up to which each is named at the end."""


def status(options: Options) -> Exit:
    """Poll each operation once, one after the other."""
    access, clients, operations = _prepare(options)
    output = Output([operation.id for operation in operations], as_json=options.output == "json", quiet=options.quiet)
    with (
        logging_to(output.say, verbose=options.verbose, secrets=access.secrets()),
        contextlib.ExitStack() as opened,
        output,
    ):
        for client in clients.values():
            opened.enter_context(client)
        try:
            for operation in operations:
                seen = _poll(clients[operation.endpoint], operation.id)
                output.end(record_of(operation.id, seen), seen)
        except KeyboardInterrupt:
            output.say(f"interrupted: {len(output.records)} of {len(operations)} polled")
            return Exit.INTERRUPTED
    return output.exit_code


def _poll(client: AuthenticatedClient, name: str) -> OperationUpdate | DataRegistryError:
    try:
        update = get_operation(client, name)
    except DataRegistryError as error:
        return error
    if isinstance(update.problem, UnrecognizedStatus):
        return update.problem
    if update.result is None or PollingPolicy().meaning_of(update.status) != "failed":
        return update
    return OperationFailed(update.result).with_progress(name, update.result, update.polls, update.elapsed)


@frozen(kw_only=True)
class Wait:
    """A wait for operations, with the options of the command. None stands for the default of `PollingPolicy`."""

    options: Options
    timeout: float | None
    interval: float | None
    concurrency: int
    results: Path | None
    progress: bool

    def run(self, how_to_resume: Callable[[Sequence[str]], str]) -> int:
        """Wait until each operation has ended or timed out.

        *how_to_resume* returns a line with the command that waits for the given ones. After a signal that ends the
        process, that is reported too, and the exit code is 128 and its number.
        """
        policy = self._policy()
        access, clients, operations = _prepare(self.options)
        output = self._output([operation.id for operation in operations])
        with logging_to(output.say, verbose=self.options.verbose, secrets=access.secrets()), Interrupts() as interrupts:
            code: int
            try:
                with contextlib.nullcontext() if self.results is None else ResultsFile(self.results) as results, output:
                    pending = [operation for operation in operations if not _has_ended(operation, output, results)]
                    if pending:
                        interrupts.run(lambda: self._wait(clients, policy, pending, output, results))
                code = output.exit_code
                if code == Exit.RUNNING:
                    self._report_unfinished(operations, output, how_to_resume, interrupted=False)
            except (KeyboardInterrupt, OSError, OutputClosed):
                if not interrupts.exit_code:
                    raise
                code = interrupts.exit_code
                with contextlib.suppress(KeyboardInterrupt):  # the next one, while this is written
                    self._report_unfinished(operations, output, how_to_resume, interrupted=True)
        return code

    def _policy(self) -> PollingPolicy:
        policy = PollingPolicy()
        if self.interval is None:
            return policy
        try:
            return evolve(policy, interval=self.interval, max_interval=max(policy.max_interval, self.interval))
        except ValueError as error:
            raise UsageError(f"--{error}") from error

    def _output(self, names: Sequence[str]) -> Output:
        plain = self.options.quiet or self.options.verbose or not self.progress
        if plain or not is_terminal(sys.stderr) or os.environ.get("TERM") == "dumb":
            return Output(names, as_json=self.options.output == "json", quiet=self.options.quiet)
        from .live_table import LiveTable  # rich: only where it is seen

        return LiveTable(names, as_json=self.options.output == "json")

    async def _wait(
        self,
        clients: Mapping[str, AuthenticatedClient],
        policy: PollingPolicy,
        operations: Sequence[Operation],
        output: Output,
        results: ResultsFile | None,
    ) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(output.refresh())
                for endpoint, client in clients.items():
                    if names := [operation.id for operation in operations if operation.endpoint == endpoint]:
                        tasks.create_task(self._wait_at(client, policy, names, output, results))
        except BaseExceptionGroup as group:
            error: BaseException = group
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            raise error from None

    async def _wait_at(
        self,
        client: AuthenticatedClient,
        policy: PollingPolicy,
        names: Sequence[str],
        output: Output,
        results: ResultsFile | None,
    ) -> None:
        outcomes = wait_for_operations_async(
            client,
            names,
            concurrency=self.concurrency,
            timeout=DEFAULT if self.timeout is None else None if self.timeout == math.inf else self.timeout,
            policy=policy,
            on_update=output.poll,
        )
        async with client, outcomes:
            async for outcome in outcomes:
                name = str(outcome.operation_id)
                record = record_of(name, outcome.error or output.polled[name][0])
                if results and record.ended:
                    results.append(record)
                output.end(record, outcome.error)

    def _report_unfinished(
        self,
        operations: Sequence[Operation],
        output: Output,
        how_to_resume: Callable[[Sequence[str]], str],
        *,
        interrupted: bool,
    ) -> None:
        left = set(output.unfinished())
        unfinished = [operation for operation in operations if operation.id in left]
        of = f"{len(unfinished)} of {len(operations)}"
        output.say(f"interrupted: {of} not ended" if interrupted else f"still running: {of}")
        for operation in unfinished[:MAX_NAMED]:
            output.say(f"  {operation.id} {output.state_of(operation.id)}")
        if len(unfinished) > MAX_NAMED:
            output.say(f"  … and {len(unfinished) - MAX_NAMED} more")
        if interrupted and unfinished and self.results is None:
            output.say("hint: with --results FILE, the same command polls only what has not ended")
        if unfinished:
            output.say(how_to_resume([operation.text for operation in unfinished]))


def _prepare(options: Options) -> tuple[Access, dict[str, AuthenticatedClient], list[Operation]]:
    if options.quiet and options.verbose:
        raise UsageError("give --quiet or --verbose, not both")
    texts = list(read_texts(options.operations or (), options.from_file))
    if not texts:
        if options.operations or options.from_file:
            raise UsageError(f"{options.from_file or 'standard input'}: no operation in it")
        raise UsageError("no operation given: name an id, an Operation-Location URL, - or --from FILE")
    access = Access(options.geography, options.base_url, options.key_file, options.sas_file)
    clients = access.connect()
    return access, clients, locate(texts, clients)


def _has_ended(operation: Operation, output: Output, results: ResultsFile | None) -> bool:
    """Whether an operation's end is in the results file; it is then reported."""
    record = results.records.get(operation.id.lower()) if results else None
    if record is not None:
        output.end(evolve(record, operation_id=operation.id))
    return record is not None
