"""Thousands of operations with a progress bar, and the failed ones at the end."""

from collections.abc import Sequence

from rich.progress import track

from maps_data_registry import Operation, Outcome, connect, wait_for_operations


def wait_with_a_bar(operations: Sequence[Operation]) -> list[Outcome]:
    with connect("us") as client, wait_for_operations(client, operations) as outcomes:
        return [outcome for outcome in track(outcomes, total=len(operations)) if outcome.error is not None]
