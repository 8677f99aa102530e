"""Event times: text to microseconds since the epoch."""

import datetime
import re
import zoneinfo

_FORM = re.compile(
    r"""
    (?P<year>[0-9]{4}) - (?P<month>[0-9]{2}) - (?P<day>[0-9]{2})
    (?:
        [T\ ]
        (?P<hour>[0-9]{2}) : (?P<minute>[0-9]{2})
        (?: : (?P<second>[0-9]{2}) (?: \. (?P<fraction>[0-9]{1,9}) )? )?
        (?P<zone> Z | [+-][0-9]{2}:[0-9]{2} | [+-][0-9]{4} | [+-][0-9]{2} )?
    )?
    """,
    re.VERBOSE,
)

_EPOCH = datetime.date(1970, 1, 1).toordinal()


def _offset_seconds(zone: str):
    """Seconds east of Greenwich, or None where the text is no offset of a clock."""
    if zone == "Z":
        return 0
    digits = zone[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 23 or minutes > 59:
        return None
    seconds = hours * 3600 + minutes * 60
    return -seconds if zone[0] == "-" else seconds


def parse_event_time(text: str, time_zone: str = "UTC"):
    """Microseconds since the epoch, or None where the text is none of the accepted forms."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    try:
        date = datetime.date(int(match["year"]), int(match["month"]), int(match["day"]))
    except ValueError:
        return None
    hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
    if hour > 23 or minute > 59 or second > 59:
        return None
    micros = int((match["fraction"] or "").ljust(6, "0")[:6])
    seconds = (date.toordinal() - _EPOCH) * 86_400 + hour * 3600 + minute * 60 + second
    if match["zone"] is not None:
        offset = _offset_seconds(match["zone"])
        if offset is None:
            return None
    elif time_zone == "UTC":
        offset = 0
    else:
        naive = datetime.datetime.combine(date, datetime.time(hour, minute, second))
        offset = int(naive.replace(tzinfo=zoneinfo.ZoneInfo(time_zone)).utcoffset().total_seconds())
    return (seconds - offset) * 1_000_000 + micros
