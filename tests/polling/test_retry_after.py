import math
import time
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime, formatdate

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maps_data_registry.polling.retry_after import MAX_SECONDS, has_retry_after, retry_after

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110, section 5.6.7


def read(**headers: str) -> float | None:
    return retry_after(httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()}), lambda: NOW)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("10", 10),
        ("010", 10),
        ("0.5", 0.5),
        ("120.25", 120.25),
        ("999999999999999", MAX_SECONDS),
        # The three forms of an HTTP-date.
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10),
        ("Sunday, 06-Nov-94 08:49:47 GMT", 10),
        ("Sun Nov  6 08:49:47 1994", 10),
        ("Sun Nov 06 08:49:47 1994", 10),
        ("Sun, 06 Nov 1994 08:49:60 GMT", 23),  # a leap second
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Sun, 06 Nov 1994 08:49:07 GMT", 0),  # passed: at once
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_SECONDS),
        # More than a float holds exactly is still a long time.
        ("9" * 16, MAX_SECONDS),
        ("9" * 400, MAX_SECONDS),
        ("1" * 100_000, MAX_SECONDS),
        # Dates as other senders write them (RFC 9110, section 5.6.7, asks recipients to be robust).
        ("Sun, 06 Nov 1994 08:49:47 UTC", 10),
        ("Sun, 06 Nov 1994 08:49:47 +0000", 10),
        ("Sun, 06 Nov 1994 09:49:47 +0100", 10),
        ("Sun, 06 Nov 1994 02:49:47 -0600", 10),
        ("Sun, 6 Nov 1994 08:49:47 GMT", 10),
        # Two digits of a year: this century's, unless that is more than 50 years ahead.
        ("Monday, 06-Nov-95 08:49:37 GMT", MAX_SECONDS),
        ("Sunday, 06-Nov-44 08:49:37 GMT", 0),
        # Several: the longest.
        ("60, 60", 60),
        ("5, 10", 10),
        ("10,5 ", 10),
        ("Sun, 06 Nov 1994 08:49:47 GMT, Sun, 06 Nov 1994 08:49:57 GMT", 20),
        (" 10\t", 10),
    ],
)
def test_a_value_is_seconds(value: str, seconds: float) -> None:
    assert read(retry_after=value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "", "-1", "+1", "-0.5", "nan", "NaN", "inf", "-inf", "Infinity", "1e3", "0x10", "1_000", "10, soon", "10;", ",",
        ".5", "5.", "10s", "10 seconds", "soon", "٣", "1٣", "\N{FULLWIDTH DIGIT ONE}", "²",
        "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nov 1994 08:49:37 -2500",
        "xSun, 06 Nov 1994 08:49:47 GMT", "Sun, 06 Nov 1994 08:49:47 GMT, soon",
        "06 Nov 1994 08:49:37 GMT", "Sun, 06 Nix 1994 08:49:37 GMT", "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT", "1994-11-06T08:49:37Z",
        "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "Mon, 31 Feb 2994 08:49:37 GMT",
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_not_there(value: str) -> None:
    # A plain mapping, since httpx refuses to hold some of these.
    assert retry_after({"retry-after": value}, lambda: NOW) is None

    assert has_retry_after({"retry-after": value})  # though something was said


def test_nothing_said() -> None:
    assert read() is None
    assert not has_retry_after(httpx.Headers({"date": "x"}))


@pytest.mark.parametrize("name", ["retry_after_ms", "x_ms_retry_after_ms"])
def test_milliseconds(name: str) -> None:
    assert read(**{name: "1500"}) == 1.5
    assert read(**{name: "0"}) == 0
    assert read(**{name: "0.5"}) == 0.0005
    assert read(**{name: "later"}) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "2", "retry_after_ms": "1500"}, 1.5),
        ({"retry_after": "2", "x_ms_retry_after_ms": "1500"}, 1.5),
        ({"x_ms_retry_after_ms": "1600", "retry_after_ms": "1500"}, 1.5),
        ({"retry_after": "2", "retry_after_ms": "900"}, 2),  # no rounding explains more than a second
        ({"retry_after": "2", "retry_after_ms": "60000"}, 60),
        ({"retry_after": "2", "retry_after_ms": "junk"}, 2),
        ({"retry_after": "junk", "retry_after_ms": "0"}, 0),
        ({"retry_after": "Sun, 06 Nov 1994 08:49:47 GMT", "retry_after_ms": "-1"}, 10),
    ],
)
def test_the_most_precise_that_makes_sense_wins(headers: dict[str, str], seconds: float) -> None:
    assert read(**headers) == seconds


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:40 GMT", 7),  # the service's clock goes three seconds ahead of this one
        ("Sunday, 06-Nov-94 08:49:30 GMT", 17),
        ("yesterday", 10),
    ],
)
def test_a_date_counts_from_the_replys_own_date(date: str, seconds: float) -> None:
    assert read(retry_after="Sun, 06 Nov 1994 08:49:47 GMT", date=date) == seconds


@pytest.mark.parametrize(("year", "seconds"), [("76", MAX_SECONDS), ("77", 0)])
def test_two_digits_of_a_year_are_at_most_50_years_ahead(year: str, seconds: float) -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC).timestamp()
    assert retry_after({"retry-after": f"Sunday, 06-Nov-{year} 08:49:30 GMT"}, lambda: now) == seconds


def test_the_header_may_stand_twice() -> None:
    assert retry_after(httpx.Headers([("Retry-After", "5"), ("Retry-After", "10")])) == 10


def test_without_a_clock_it_is_this_machines() -> None:
    due = formatdate(time.time() + 3600, usegmt=True)
    found = retry_after({"retry-after": due})
    assert found is not None
    assert 3500 < found <= 3600


NUMBERS = st.from_regex(r"[0-9]{0,20}(\.[0-9]{0,20})?", fullmatch=True)
DATES = st.builds(
    "{}, {:02} {} {:04} {:02}:{:02}:{:02} {}".format,
    st.sampled_from(["Mon", "Sun", "Xxx", "Sunday"]), st.integers(0, 99), st.sampled_from(["Jan", "Feb", "Nov", "Foo"]),
    st.integers(0, 9999), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99),
    st.sampled_from(["GMT", "UTC", "Z", "+0000", "-0130", "+9999", "CET"]),
)  # fmt: skip


SHORT_DATES = st.builds(
    "{}, {:02}-{}-{:02} {:02}:{:02}:{:02} GMT".format,
    st.sampled_from(["Monday", "Wednesday"]), st.integers(0, 40), st.sampled_from(["Jan", "Feb", "Foo"]),
    st.integers(0, 99), st.integers(0, 25), st.integers(0, 61), st.integers(0, 61),
)  # fmt: skip
VALUES = st.text() | NUMBERS | DATES | SHORT_DATES


@given(
    st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "x-ms-retry-after-ms", "date"]),
        VALUES | st.lists(VALUES, max_size=3).map(", ".join),
    ),
    st.floats(-1e12, 1e12),
)
def test_whatever_the_headers_say(headers: dict[str, str], now: float) -> None:
    seconds = retry_after(headers, lambda: now)
    assert seconds is None or 0 <= seconds <= MAX_SECONDS
    assert seconds is None or math.isfinite(seconds)


@given(st.integers(0, int(MAX_SECONDS)))
def test_whole_seconds_and_milliseconds_come_back(seconds: int) -> None:
    assert retry_after({"retry-after": str(seconds)}) == seconds
    assert retry_after({"retry-after-ms": str(seconds * 1000)}) == pytest.approx(seconds)


@given(st.integers(0, 4_102_444_800), st.integers(0, int(MAX_SECONDS)))
def test_a_date_comes_back(sent: int, wait: int) -> None:
    headers = {"retry-after": formatdate(sent + wait, usegmt=True), "date": formatdate(sent, usegmt=True)}
    assert retry_after(headers) == wait


@given(st.lists(st.integers(0, int(MAX_SECONDS)), min_size=1))
def test_of_several_the_longest_counts(pauses: list[int]) -> None:
    assert retry_after({"retry-after": ", ".join(map(str, pauses))}) == max(pauses)


@given(st.integers(0, 4_102_444_800), st.integers(0, 3600), st.integers(-23, 23))
def test_an_offset_changes_nothing(sent: int, wait: int, hours: int) -> None:
    local = datetime.fromtimestamp(sent + wait, timezone(timedelta(hours=hours)))
    headers = {"retry-after": format_datetime(local), "date": formatdate(sent, usegmt=True)}
    assert retry_after(headers) == wait


def test_of_several_milliseconds_the_longest_counts() -> None:
    assert retry_after({"retry-after-ms": "100, 60000"}) == 60
