"""Dates and times in quotes, as ``--where`` reads them: exact, in nanoseconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

UNITS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "D": 86_400_000_000_000,
}
"""Nanoseconds of each unit of Arrow's times."""

_CLOCK = r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?"
_TIME = re.compile(rf"(\d{{4}}-\d\d-\d\d)(?:[T ]{_CLOCK}\s?(Z|[+-]\d\d(?::?\d\d)?)?)?")
_ZONE = re.compile(r"([+-])(\d\d):?(\d\d)?")
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - of any zone


@dataclass(frozen=True, slots=True)
class Moment:
    """A date and time: nanoseconds from 1970, of UTC if a zone was given."""

    count: int
    zoned: bool

    def within(self, zone: str) -> int | None:
        """Return the nanoseconds in UTC; None where the clock of a zone is put forward or back."""
        if self.zoned:
            return self.count
        local = _EPOCH + timedelta(microseconds=self.count // 1_000)
        place = _find_zone(zone)
        early, late = (local.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1))
        if early != late or early.astimezone(place).replace(tzinfo=None) != local:
            return None
        seconds = (early.replace(tzinfo=None) - local) // timedelta(seconds=1)
        return self.count + seconds * UNITS["s"]


def parse_moment(text: str) -> Moment | None:
    """Return the time that a string spells as ISO 8601 does, or None."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    date, hours, minutes, seconds, fraction, zone = match.groups()
    try:
        days = (datetime.fromisoformat(date) - _EPOCH).days
        clock = _count_clock(hours, minutes, seconds, fraction)
    except ValueError:
        return None
    if clock is None:
        return None
    count = days * UNITS["D"] + clock
    if zone is None:
        return Moment(count, zoned=False)
    return Moment(count - _offset(zone) * UNITS["s"], zoned=True)


def parse_clock(text: str) -> int | None:
    """Return the nanoseconds from midnight of a time of day, or None."""
    match = re.fullmatch(_CLOCK, text.strip())
    return None if match is None else _count_clock(*match.groups())


def _count_clock(
    hours: str | None, minutes: str | None, seconds: str | None, fraction: str | None
) -> int | None:
    parts = [int(one or 0) for one in (hours, minutes, seconds)]
    if parts[0] > 23 or parts[1] > 59 or parts[2] > 59:
        return None
    whole = (parts[0] * 60 + parts[1]) * 60 + parts[2]
    return whole * UNITS["s"] + int((fraction or "").ljust(9, "0"))


def _offset(zone: str) -> int:
    """Return the seconds that a zone is ahead of UTC."""
    match = _ZONE.fullmatch(zone)
    if match is None:
        return 0
    ahead = int(match[2]) * 3600 + int(match[3] or 0) * 60
    return -ahead if match[1] == "-" else ahead


def _find_zone(zone: str) -> tzinfo:
    if _ZONE.fullmatch(zone):
        return timezone(timedelta(seconds=_offset(zone)))
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC if zone.upper() in ("UTC", "GMT") else _unknown(zone)


def _unknown(zone: str) -> tzinfo:
    raise LookupError(zone)
