"""Retry-After: the reply's headers in, seconds or None out.

Reads `retry-after-ms` and `x-ms-retry-after-ms`, in this order, and `Retry-After`. Usually `Retry-After` is the
milliseconds, rounded to seconds; if the two differ by more than a second, the longer wins. A header that makes no sense
is ignored, never an error. Of several Retry-After headers the longest wins.

Source: RFC 9110, sections 10.2.3 (Retry-After) and 5.6.7 (HTTP-date, and to be robust in reading it).
"""

import calendar
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import mktime_tz, parsedate_tz

MAX_SECONDS = 30 * 24 * 3600.0
"""The longest pause that is believed, in seconds: 30 days. More is cut to this. Every kind of sleep can take it."""

_MILLISECONDS = ("retry-after-ms", "x-ms-retry-after-ms")
_NAMES = (*_MILLISECONDS, "retry-after")
_LONGEST = 1000  # characters of a header that are read

# ASCII digits only, no sign, no exponent. Of a long number, the first digits are enough to know that it is too long.
_NUMBER = re.compile(r"([0-9]{1,15})([0-9]*)(?:\.([0-9]{1,15})[0-9]*)?")
_DAY, _YEAR, _MONTH = r"[ 0-9]?[0-9]", r"[1-9][0-9]{3}", r"[A-Z][a-z]{2}"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)"
_ZONE = r"(?:GMT|UTC|UT|Z|[+-](?:[01][0-9]|2[0-3])[0-5][0-9])"
_DATE = (
    rf"(?:[A-Z][a-z]{{2}}, {_DAY} {_MONTH} {_YEAR} {_TIME} {_ZONE}"  # IMF-fixdate
    rf"|[A-Z][a-z]{{5,8}}, {_DAY}-{_MONTH}-[0-9]{{2}} {_TIME} {_ZONE}"  # RFC 850
    rf"|[A-Z][a-z]{{2}} {_MONTH} {_DAY} {_TIME} {_YEAR})"  # asctime
)
_DATES = rf"{_DATE}(?:[ \t]*,[ \t]*{_DATE})*"  # compiled on first use: few replies have a date


def has_retry_after(headers: Mapping[str, str]) -> bool:
    """Whether a reply asks for a pause, readable or not."""
    return any(name in headers for name in _NAMES)


def retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """The seconds that a reply asks to leave before the next request, or None if it does not say.

    Zero means at once, and so does a date that has passed. The result is finite, never negative and at
    most `MAX_SECONDS`. A date is counted from the reply's own `Date`, so that two clocks that disagree
    cost nothing; *now* (seconds since the epoch) stands in for a missing one. Names in *headers* are in lower case, or
    found without case, as `httpx.Headers` finds them.
    """
    lists = (list(_numbers(headers.get(name, ""))) for name in _MILLISECONDS)
    fine = next((max(pauses) / 1000 for pauses in lists if pauses), None)
    text = headers.get("retry-after", "")
    coarse = max(_numbers(text), default=None)
    if dates := _dates(text, now):
        sent = min(_dates(headers.get("date", ""), now), default=None)
        coarse = max(max(dates) - (now() if sent is None else sent), 0.0)
    if fine is not None and (coarse is None or coarse - fine <= 1):
        return min(fine, MAX_SECONDS)
    return coarse if coarse is None else min(coarse, MAX_SECONDS)


def _numbers(text: str) -> Iterator[float]:
    """Numbers in a list (a header that comes twice reads as one); nothing unless the whole list consists of them."""
    found = [_NUMBER.fullmatch(part.strip(" \t")) for part in text[:_LONGEST].split(",")]
    if all(found):
        for match in filter(None, found):
            yield MAX_SECONDS * 1000 if match[2] else float(f"{match[1]}.{match[3] or 0}")


def _dates(text: str, now: Callable[[], float]) -> list[float]:
    """Dates in a list, in seconds since the epoch; nothing unless the whole list consists of them."""
    text = text[:_LONGEST].strip(" \t")
    found = re.findall(_DATE, text) if text and re.fullmatch(_DATES, text) else []
    return [date for match in found if (date := _epoch_seconds(match, now)) is not None]


def _epoch_seconds(date: str, now: Callable[[], float]) -> float | None:
    parsed = parsedate_tz(re.sub(r"\b(?:UTC|UT|Z)$", "GMT", date))
    if parsed is None:
        return None
    year, month, day = parsed[:3]
    if re.search(r"\d-[A-Z]", date):  # RFC 850's two digits: this century's, unless that is more than 50 years ahead
        today = datetime.fromtimestamp(min(max(now(), 0.0), 2e11), UTC).year
        year = today - today % 100 + year % 100
        year -= 100 if year > today + 50 else 0
    if not 1 <= day <= calendar.monthrange(year, month)[1]:
        return None
    return float(mktime_tz((year, *parsed[1:])))
