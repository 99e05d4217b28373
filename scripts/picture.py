#!/usr/bin/env python3
"""Draw scripts/pictures/wait.svg, the README's picture of `maps-data-registry wait`: a real run against the emulator.

The ids are fixed, chance is a constant and the display's clock ticks once a second, so that two pictures differ only
where the display does. Takes seven seconds.
"""

import asyncio
import contextlib
import io
import json
import math
import time
from pathlib import Path

from rich.console import Console

import maps_data_registry.wire.async_sockets  # noqa: F401 # now, so that it takes no time of the wait's
from maps_data_registry import Clock, SubscriptionKey, connect, wait_for_operations_async
from maps_data_registry.cli.live_table import LiveTable
from maps_data_registry.cli.records import record_of
from maps_data_registry.emulator import Emulator

PICTURE = Path(__file__).parent / "pictures" / "wait.svg"
MOMENT = 6.5  # seconds after the start
ERROR = {
    "code": "InvalidData",
    "message": "The data is not a valid GeoJSON.",
    "details": [
        {"code": "RingNotClosed", "message": "A ring ends elsewhere.", "target": "features[3].geometry"},
        {"code": "DuplicateId", "target": "features[7].id"},
    ],
}
SCENARIOS = {
    "1f0e7d2c-5b64-4a39-9c81-0d3e2f4a5b6c": "completes polls=1 retry_after=2",
    "2c9b8a7f-6e5d-4c3b-8a29-1b0c9d8e7f6a": json.dumps({"name": "fails", "polls": 1, "retry_after": 3, "error": ERROR}),
    "3a7f6e5d-4c3b-4a2b-9f1e-8d7c6b5a4f3e": "never-ends retry_after=9",
    "5e4d3c2b-1a0f-4e9d-8c7b-6a5f4e3d2c1b": "never-ends retry_after=4",
}


async def run(url: str, display: LiveTable) -> None:
    client = connect(base_url=url, credential=SubscriptionKey("any-key-will-do-here"))
    outcomes = wait_for_operations_async(client, display.ids, on_update=display.poll, clock=Clock(random=lambda: 0.5))
    async with client, outcomes:
        async for outcome in outcomes:
            name = str(outcome.operation_id)
            display.end(record_of(name, outcome.error or display.polled[name][0]), outcome.error)


async def until_the_moment(url: str, display: LiveTable) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(run(url, display), MOMENT)


def main() -> None:
    console = Console(record=True, file=io.StringIO(), force_terminal=True, width=104, height=24, highlight=False)
    with Emulator() as emulator:
        for operation_id, scenario in SCENARIOS.items():
            emulator.start_operation(scenario, operation_id=operation_id)
        start = time.monotonic()
        seconds = Clock(monotonic=lambda: math.floor(time.monotonic() - start))
        display = LiveTable(list(SCENARIOS), clock=seconds, console=console)
        asyncio.run(until_the_moment(emulator.url, display))
        console.print(display.render())
    console.save_svg(str(PICTURE), title="maps-data-registry wait --geography us --from ids.txt", unique_id="wait")
    print(f"{PICTURE.name} written.")


if __name__ == "__main__":
    main()
