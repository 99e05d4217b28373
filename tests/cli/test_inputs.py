"""What is handed over is read and judged before anything is sent."""

import inspect
import io
import json
import os
import re
import sys
import threading
from pathlib import Path

import pytest

from maps_data_registry import PollingPolicy, wait_for_operations_async
from maps_data_registry.cli.inputs import NOT_UTF8, Access, locate
from maps_data_registry.cli.options import parse_duration
from maps_data_registry.emulator import Namespace

from .conftest import Run, posix
from .terminal import KEY

ID = "0522b4fe-0539-4c6c-ba70-e35ec865d8e2"
BAD = "not an operation id (a GUID): 'bad'"


@pytest.mark.parametrize("from_option", [True, False], ids=["--from FILE", "-"])
def test_a_list_of_operations(
    emulator: Namespace, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, from_option: bool
) -> None:
    """Ids and URLs, in order, each once; comments, blank lines, Windows's ends of line and byte order mark."""
    first, second, third = (emulator.start_operation("completes polls=0") for _ in range(3))
    text = (
        f"\ufeff# of today\r\n\r\n  {first.id}\t# a comment\r\n{second.location}\r\n{first.id.upper()}\r\n#{ID}\r\n"
        f"{third.id}"
    )
    listed = tmp_path / "ids.txt"
    listed.write_text(text, encoding="utf-8", newline="")
    monkeypatch.setattr(sys, "stdin", io.StringIO(text.removeprefix("\ufeff")))
    given = ["--from", str(listed)] if from_option else ["-"]
    done = run("status", "--base-url", emulator.url, "--output", "json", third.id, *given)
    assert done.code == 0
    assert [json.loads(line)["operation_id"] for line in done.out.splitlines()] == [third.id, first.id, second.id]


@pytest.mark.parametrize("command", ["status", "wait"])
def test_a_bad_line_is_named_and_nothing_is_polled(emulator: Namespace, run: Run, tmp_path: Path, command: str) -> None:
    operation = emulator.start_operation()
    listed = tmp_path / "ids.txt"
    listed.write_text(f"# ids\n{operation.id}\nbad\n\nhttps://us.atlas.microsoft.com/dataRegistries/operations/{ID}\n")
    done = run(command, "--base-url", emulator.url, "--from", listed)
    assert (done.code, done.out) == (2, "")
    elsewhere = "an Operation-Location of --geography us, not of http://127.0.0.1:"
    third, fifth = done.err.splitlines()
    assert third == f"maps-data-registry: {listed}:3: {BAD}"
    assert fifth.startswith(f"maps-data-registry: {listed}:5: {elsewhere}")
    assert not emulator.journal()


def test_no_more_than_ten_bad_lines_are_named(run: Run, tmp_path: Path) -> None:
    listed = tmp_path / "ids.txt"
    listed.write_text("bad\n" * 12)
    done = run("wait", "--geography", "us", "--from", listed)
    assert done.err.splitlines()[-2:] == [f"maps-data-registry: {listed}:10: {BAD}", "maps-data-registry: and 2 more"]


def test_what_may_be_a_key_in_the_wrong_place_is_not_shown(run: Run) -> None:
    done = run("status", "--geography", "us", KEY * 3)
    assert (done.code, done.err) == (2, "maps-data-registry: not an operation id (a GUID)\n")


def test_control_characters_are_not_shown_as_they_are(run: Run, tmp_path: Path) -> None:
    listed = tmp_path / "ids.txt"
    listed.write_text("\x1b[2J\n")
    done = run("status", "--geography", "us", "--from", listed)
    assert done.code == 2
    assert done.err.startswith(f"maps-data-registry: {listed}:1: not an operation id")
    assert "\x1b" not in done.err


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
@pytest.mark.parametrize("option", ["--from", "--key-file", "--sas-file"])
def test_another_encoding_is_named(run: Run, tmp_path: Path, option: str, encoding: str) -> None:
    file = tmp_path / "saved"
    file.write_bytes(f"# {ID} é\r\n".encode(encoding))
    done = run("status", "--geography", "us", option, file, ID)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"maps-data-registry: {file}: {NOT_UTF8}\n"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_another_encoding_of_standard_input_is_named(run: Run, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{ID}\r\n".encode(encoding)), "utf-8"))
    done = run("status", "--geography", "us", "-")
    assert (done.code, done.err) == (2, f"maps-data-registry: standard input: {NOT_UTF8}\n")


USAGE = [
    ([], "no operation given: name an id, an Operation-Location URL, - or --from FILE"),
    (["--from", "/nowhere"], "/nowhere: No such file or directory"),
    (["--from", "/"], "/: Is a directory"),
    ([ID, "--base-url", "http://127.0.0.1:1"], "give --geography or --base-url, not both"),
    ([ID, "--key-file", "/k", "--sas-file", "/s"], "give --key-file or --sas-file, not both"),
    ([ID, "--key-file", "/k"], "/k: No such file or directory"),
    ([ID, "--key-file", "/dev/null"], "/dev/null: the subscription key is empty"),
    ([ID, "--quiet", "--verbose"], "give --quiet or --verbose, not both"),
    (["--from", os.devnull], f"{os.devnull}: no operation in it"),
    ([ID, "--timeout", "0"], "'0' must be more than 0; none means no limit"),
    ([ID, "--timeout", "soon"], "'soon' is not a duration: write 90s, 10m, 2h, 1h30m or a number of seconds, or none"),
    ([ID, "--interval", "none"], "'none' is not a duration: write 90s, 10m, 2h, 1h30m or a number of seconds"),
    ([ID, "--interval", "9999h"], "--interval must be from 0 to "),
    ([ID, "--concurrency", "0"], "'0' is not a whole number from 1 up"),
    ([ID, "--output", "xml"], "'xml' is not one of text, json"),
    ([ID, "--results", "/"], "/: not a regular file"),
    ([ID, "--results", "/dev/null"], "/dev/null: not a regular file"),
    ([ID, "--results", "/nowhere/results"], "/nowhere/results: No such file or directory"),
    ([ID, "--key"], "--key"),
]


@posix
@pytest.mark.parametrize(("arguments", "expected"), USAGE, ids=[" ".join(row[0]) for row in USAGE])
def test_bad_usage_is_one_line(run: Run, arguments: list[str], expected: str) -> None:
    done = run("wait", "--geography", "us", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("maps-data-registry: ")
    assert expected in done.err
    assert done.err.count("\n") == 1


@posix
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["start", "completes\udcff", "--url", "http://127.0.0.1:1"], "an argument is not text in UTF-8"),
        (["start", "completes", "--url", "http://127.0.0.1:1/\udcff"], "an argument is not text in UTF-8"),
        (["--host", "\udcff"], "--host is not the name of a host"),
    ],
)
def test_arguments_that_are_no_text(run: Run, arguments: list[str], expected: str) -> None:
    done = run("emulator", *arguments)
    assert (done.code, done.err) == (2, f"maps-data-registry: {expected}\n")


def test_a_byte_order_mark_is_no_part_of_the_first_operation(
    emulator: Namespace, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = emulator.start_operation("completes polls=0")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"\ufeff{operation.id}\n"))
    assert run("status", "--base-url", emulator.url, "-").code == 0


@posix
def test_a_key_may_come_out_of_a_pipe(emulator: Namespace, run: Run, tmp_path: Path) -> None:
    """Which can be read once."""
    pipe = tmp_path / "key"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_text, args=["any-key-will-do-here\n"]).start()
    operation = emulator.start_operation("completes polls=0")
    assert run("status", "--base-url", emulator.url, "--key-file", pipe, operation.id).code == 0


def test_an_endpoint_is_needed_and_judged(run: Run) -> None:
    where = "an id does not say where the operation is: add --geography us or --geography eu, or --base-url URL"
    assert run("wait", ID).err == f"maps-data-registry: {ID}: {where}\n"
    for url, expected in (
        ("http://maps.test", "--base-url 'http://maps.test' must be https"),
        ("maps.test", "--base-url 'maps.test' must be an absolute URL"),
        ("https://user:secret@maps.test", "--base-url must not hold a user"),
    ):
        assert run("wait", ID, "--base-url", url).err.startswith(f"maps-data-registry: {expected}")
    assert "'fr' is not one of us, eu" in run("wait", ID, "--geography", "fr").err
    assert "'wiat'" in run("wiat", ID).err


DURATIONS = [
    ("90", 90.0),
    ("0.5", 0.5),
    ("90s", 90.0),
    ("10m", 600.0),
    ("2h", 7200.0),
    ("1h30m", 5400.0),
    ("1h0m1.5s", 3601.5),
    ("0", 0.0),
    ("", None),
    ("-1", None),
    ("1m1h", None),
    ("1h30", None),
    ("10 m", None),
    ("10M", None),
    ("1e3", None),
    ("nan", None),
    ("inf", None),
    ("\u0663", None),
]


@pytest.mark.parametrize(("text", "seconds"), DURATIONS)
def test_durations(text: str, seconds: float | None) -> None:
    if seconds is not None:
        assert parse_duration(text) == seconds
        return
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


def test_the_defaults_in_the_help_are_those_that_apply(run: Run) -> None:
    text = " ".join(run("wait", "--help").out.split())
    for option, seconds in (("--timeout", PollingPolicy().timeout), ("--interval", PollingPolicy().interval)):
        expected = re.search(rf"{option} .*?\[default: \(?(\w+)", text)
        assert expected
        assert parse_duration(expected[1]) == seconds
    concurrency = inspect.signature(wait_for_operations_async).parameters["concurrency"].default
    assert f"[default: {concurrency}]" in text


LOCATION = "https://{}.atlas.microsoft.com/dataRegistries/operations/{}"
OTHER = "1522b4fe-0539-4c6c-ba70-e35ec865d8e2"


def endpoints(texts: list[str], geography: str | None = None) -> list[tuple[str, str]]:
    clients = Access(geography, None, None, None).connect()
    return [(found.id, found.endpoint) for found in locate([("", text) for text in texts], clients)]


def test_a_location_names_its_geography() -> None:
    us, eu = (f"https://{geography}.atlas.microsoft.com" for geography in ("us", "eu"))
    assert endpoints([LOCATION.format("us", ID)]) == [(ID, us)]
    assert endpoints([LOCATION.format("eu", ID), LOCATION.format("us", OTHER)]) == [(ID, eu), (OTHER, us)]
    assert endpoints([ID, LOCATION.format("eu", OTHER)], "eu") == [(ID, eu), (OTHER, eu)]


ELSEWHERE = [
    (LOCATION.format("fr", ID), None, "not an Operation-Location of https://us.atlas.microsoft.com or https://eu"),
    (LOCATION.format("us", ID).replace(".com", ".com.evil.test"), None, "not an Operation-Location of https://us"),
    (LOCATION.format("us", ID).replace("https", "http"), None, "not an Operation-Location of https://us"),
    (f"https://us.atlas.microsoft.com/{ID}", None, "not an Operation-Location of https://us"),
    (LOCATION.format("eu", ID), "us", "an Operation-Location of --geography eu, not of https://us"),
    (LOCATION.format("us", ID), "eu", "an Operation-Location of --geography us, not of https://eu"),
]


@pytest.mark.parametrize(("text", "geography", "expected"), ELSEWHERE)
def test_another_host_is_never_polled(run: Run, text: str, geography: str | None, expected: str) -> None:
    done = run("status", text, *(["--geography", geography] if geography else []))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"maps-data-registry: {expected}")


def test_an_id_in_both_geographies_is_refused(run: Run) -> None:
    done = run("status", LOCATION.format("us", ID), LOCATION.format("eu", ID.upper()))
    assert (done.code, done.err) == (2, f"maps-data-registry: {ID.upper()} is named in both geographies\n")


def test_a_credential_is_needed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_MAPS_SUBSCRIPTION_KEY")
    done = run("wait", ID, "--geography", "us")
    assert done.code == 2
    assert done.err.startswith(
        "maps-data-registry: no credential in the environment: set exactly one of AZURE_MAPS_SUB"
    )


@pytest.mark.parametrize(("option", "scheme"), [("--key-file", "subscription-key"), ("--sas-file", "jwt-sas")])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_credential_in_a_file(
    emulator: Namespace, run: Run, tmp_path: Path, option: str, scheme: str, end: str
) -> None:
    secret = "file-secret-0123456789"
    holder = tmp_path / "secret"
    holder.write_text(secret + end, newline="")
    emulator.credentials = {secret}
    operation = emulator.start_operation("completes polls=0")
    done = run("wait", "--base-url", emulator.url, option, holder, "-v", operation.id)
    assert done.code == 0
    assert secret not in done.out + done.err
    assert emulator.journal(operation)[0].scheme == scheme


@pytest.mark.parametrize("content", [f"{KEY}\n\n", f" {KEY}\n", f"{KEY}\n{KEY}\n", "\n", "schl\u00fcssel\n"])
def test_a_file_without_a_usable_credential(run: Run, tmp_path: Path, content: str) -> None:
    holder = tmp_path / "secret"
    holder.write_text(content, encoding="utf-8")
    done = run("status", "--geography", "us", "--key-file", holder, ID)
    assert done.code == 2
    assert done.err.startswith(f"maps-data-registry: {holder}: the subscription key ")


def test_a_key_file_in_utf_16_without_a_byte_order_mark(run: Run, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY.encode("utf-16-le"))
    done = run("status", "--geography", "us", "--key-file", tmp_path / "key", ID)
    assert (done.code, done.out) == (2, "")
    assert "not text in UTF-8" in done.err
