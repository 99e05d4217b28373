"""What a docstring states as a default is the value."""

import re

from attrs import fields

from maps_data_registry import PollingPolicy, connect
from maps_data_registry.connection import TIMEOUT
from maps_data_registry.wire.incoming import MAX_REPLY_BYTES


def test_every_default_of_the_policy_is_the_one_that_its_docstring_states() -> None:
    text = " ".join((PollingPolicy.__doc__ or "").partition("Raises:")[0].split())
    stated = dict(re.findall(r"(\w+): [A-Z][^`]*?(?:`\w+`[^`]*?)?Default `?([\w.]+?)`?\.(?: |$)", text))
    actual = {
        item.name: " ".join(item.default) if isinstance(item.default, frozenset) else f"{item.default:g}"
        for item in fields(PollingPolicy)
    }
    assert stated == actual


def test_the_bounds_that_connect_states_are_those_that_it_sets() -> None:
    text = " ".join((connect.__doc__ or "").split())
    assert f"by default {TIMEOUT.connect:g} to connect, {TIMEOUT.read:g} for any other" in text
    assert TIMEOUT.read == TIMEOUT.write == TIMEOUT.pool
    assert f"{MAX_REPLY_BYTES / 2**20:g} MiB by default" in text
