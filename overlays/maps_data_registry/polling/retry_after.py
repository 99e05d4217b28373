"""Retry-After: the reply's headers in, seconds or None out.

Read are, in this order, `retry-after-ms`, `x-ms-retry-after-ms` and `Retry-After`: where several are
present the milliseconds win, as the coarser header can only be their rounding. A header that makes
no sense is passed over, never an error, and the next one is tried.

Source: RFC 9110, sections 10.2.3 (Retry-After) and 5.6.7 (the three forms of an HTTP-date).
"""

import calendar
import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate

MAX_SECONDS = 30 * 24 * 3600.0
"""The longest wait that is believed, in seconds; more is cut to this. Every kind of sleep can take it."""

# ASCII digits only, no sign, no exponent; the length is bounded before anything is converted.
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")
_DAY, _YEAR = r"[0-9]{2}", r"[1-9][0-9]{3}"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)"
_HTTP_DATE = re.compile(
    rf"[A-Z][a-z]{{2}}, {_DAY} [A-Z][a-z]{{2}} {_YEAR} {_TIME} GMT"  # IMF-fixdate
    rf"|[A-Z][a-z]{{5,8}}, {_DAY}-[A-Z][a-z]{{2}}-[0-9]{{2}} {_TIME} GMT"  # RFC 850
    rf"|[A-Z][a-z]{{2}} [A-Z][a-z]{{2}} [ 0-9][0-9] {_TIME} {_YEAR}"  # asctime
)


def retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float | None:
    """The seconds that a reply asks to leave before the next request, or None if it does not say.

    Zero means at once, and so does a date that has passed. The result is finite, never negative and at
    most `MAX_SECONDS`. A date is counted from the reply's own `Date`, so that two clocks that disagree
    cost nothing; *now* (seconds since the epoch) stands in for a missing one.
    """
    lines = {name.lower(): value for name, value in headers.items()}
    for name, unit in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = lines.get(name, "")
        if _NUMBER.fullmatch(value):
            return min(float(value) * unit, MAX_SECONDS)
    due = _epoch_seconds(lines.get("retry-after", ""))
    if due is None:
        return None
    sent = _epoch_seconds(lines.get("date", ""))
    return min(max(due - (now() if sent is None else sent), 0.0), MAX_SECONDS)


def _epoch_seconds(value: str) -> float | None:
    parsed = parsedate(value) if _HTTP_DATE.fullmatch(value) else None
    if parsed is None or not 1 <= parsed[2] <= calendar.monthrange(*parsed[:2])[1]:
        return None
    return float(calendar.timegm(parsed))
