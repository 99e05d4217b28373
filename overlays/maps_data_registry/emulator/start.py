"""How an operation is started from outside: the parts of the request, and the request as a command line."""

import shlex
from uuid import uuid4

from maps_data_registry_contract import API_VERSION, SUBSCRIPTION_KEY_HEADER

REGISTRATION = "/dataRegistries/{udid}"
"""The path of one registration. Microsoft's; the contract need not have it."""
SCENARIO_HEADER = "x-emulator-scenario"
ANY_KEY = "any-key"
"""A key for an emulator that accepts every one."""


def registration_url(url: str) -> str:
    """The URL of a new registration on the emulator at `url`, with the api-version."""
    return f"{url.rstrip('/')}{REGISTRATION.format(udid=uuid4())}?api-version={API_VERSION}"


def curl(url: str, scenario: str) -> str:
    """A command line that starts an operation, fit to be pasted."""
    headers = [f"{SUBSCRIPTION_KEY_HEADER}: {ANY_KEY}", f"{SCENARIO_HEADER}: {scenario}"]
    return shlex.join(["curl", "-i", "-X", "PUT", "-H", headers[0], "-H", headers[1], registration_url(url)])
