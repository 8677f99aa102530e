"""Times as resources and documents write them; inside, microseconds since the epoch."""

import datetime
import re

SECOND = 1_000_000

_DURATION = re.compile(r"([0-9]+)(ms|s|m|h|d)")
_UNITS = {"ms": 1_000, "s": SECOND, "m": 60 * SECOND, "h": 3_600 * SECOND, "d": 86_400 * SECOND}

_EPOCH = datetime.date(1970, 1, 1).toordinal()
_DAYS_OF_400_YEARS = 146_097


def micros(duration: str) -> int:
    """A duration of a resource, for example `30s`."""
    number, unit = _DURATION.fullmatch(duration).groups()
    return int(number) * _UNITS[unit]


def rfc3339(instant: int) -> str:
    """An instant in UTC, with a fraction only where there is one."""
    seconds, fraction = divmod(instant, SECOND)
    days, second = divmod(seconds, 86_400)
    year, month, day = _civil(days)
    text = f"{year:04}-{month:02}-{day:02}T{second // 3_600:02}:{second // 60 % 60:02}:{second % 60:02}"
    return text + (f".{fraction:06}".rstrip("0") if fraction else "") + "Z"


def _civil(days: int) -> tuple:
    """Year, month and day. The first windows of the year 1 begin in the year 0, which Python lacks; the calendar
    repeats itself after 400 years.
    """
    ordinal = _EPOCH + days
    if ordinal >= 1:
        date, back = datetime.date.fromordinal(ordinal), 0
    else:
        date, back = datetime.date.fromordinal(ordinal + _DAYS_OF_400_YEARS), 400
    return date.year - back, date.month, date.day
