"""A command line that a person can paste."""

import os
import shlex

import pytest

from maps_data_registry.cli.shell import quoted

WORDS = ["wait", "--from", "ids of today.txt", "R&D.txt", "it's", "-", "https://maps.test/x?api-version=2023-06-01", ""]


def test_a_posix_shell_reads_back_what_was_quoted() -> None:
    assert shlex.split(quoted(WORDS)) == WORDS


WINDOWS = [
    ("--base-url", "--base-url"),
    (r"C:\ids.txt", r"C:\ids.txt"),
    ("ids of today.txt", '"ids of today.txt"'),
    ("R&D.txt", '"R&D.txt"'),
    ("100%", '"100%"'),
    ("C:\\my ids\\", '"C:\\my ids\\\\"'),
    ("", '""'),
]


@pytest.mark.parametrize(("word", "text"), WINDOWS)
def test_on_windows_quotes_are_double(monkeypatch: pytest.MonkeyPatch, word: str, text: str) -> None:
    monkeypatch.setattr(os, "name", "nt")
    assert quoted(["wait", word]) == f"wait {text}"
