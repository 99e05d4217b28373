"""What a docstring states as a default is the value."""

import ast
import inspect
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import fields

import maps_data_registry
from maps_data_registry import EntraToken, PollingPolicy, connect
from maps_data_registry.auth import entra
from maps_data_registry.connection import TIMEOUT
from maps_data_registry.polling import retry_after
from maps_data_registry.polling.decision import Polling
from maps_data_registry.wire.incoming import MAX_REPLY_BYTES

WAITS = [
    getattr(maps_data_registry, f"{name}{suffix}")
    for name in ("watch_operation", "wait_for_operation", "wait_for_operations")
    for suffix in ("", "_async")
]


def text_of(documented: object) -> str:
    return " ".join((documented.__doc__ or "").split())


def text_below(module: Any, name: str) -> str:
    """The docstring below a constant of a module."""
    body = ast.parse(Path(module.__file__).read_text()).body
    names = [ast.unparse(line).partition(" ")[0] for line in body]
    return ast.unparse(body[names.index(name) + 1])


def test_every_default_of_the_policy_is_the_one_that_its_docstring_states() -> None:
    text = text_of(PollingPolicy).partition("Raises:")[0]
    stated = dict(re.findall(r"(\w+): [A-Z][^`]*?(?:`\w+`[^`]*?)?Default `?([\w.]+?)`?\.(?: |$)", text))
    actual = {
        item.name: " ".join(item.default) if isinstance(item.default, frozenset) else f"{item.default:g}"
        for item in fields(PollingPolicy)
    }
    assert stated == actual


def test_the_bounds_that_connect_states_are_those_that_it_sets() -> None:
    text = text_of(connect)
    assert f"by default {TIMEOUT.connect:g} to connect, {TIMEOUT.read:g} for any other" in text
    assert TIMEOUT.read == TIMEOUT.write == TIMEOUT.pool
    assert f"{MAX_REPLY_BYTES / 2**20:g} MiB by default" in text
    assert f"an Entra token by {entra._LONGEST_LOGIN / 60:g} minutes" in text


def test_the_times_that_an_entra_token_states() -> None:
    assert f"{entra._LONGEST_LOGIN / 60:g} minutes at most" in text_of(EntraToken)
    assert "five minutes before it expires" in text_of(EntraToken)
    assert entra._REFRESH_AHEAD == 5 * 60


def test_the_longest_retry_after() -> None:
    assert f"in seconds: {retry_after.MAX_SECONDS / 24 / 3600:g} days" in text_below(retry_after, "MAX_SECONDS")


@pytest.mark.parametrize("name", ["interval", "max_interval", "min_interval", "backoff", "max_backoff"])
def test_a_duration_is_seconds_or_a_timedelta(name: str) -> None:
    options: dict[str, Any] = {name: timedelta(seconds=7)}
    assert getattr(PollingPolicy(**options), name) == 7


@pytest.mark.parametrize("wait", WAITS, ids=lambda wait: wait.__name__)
def test_a_signature_shows_every_option_with_its_default(wait: Callable[..., Any]) -> None:
    shown = inspect.signature(wait).parameters
    assert {"timeout", "policy", "clock"} <= shown.keys()
    assert "options" not in shown
    known = inspect.signature(Polling).parameters
    assert all(shown[name].default == known[name].default for name in shown.keys() & known.keys() - {"operation_id"})
