"""SQL that reads the time of a record as a UTC timestamp.

What belongs here: RFC 3339 in the forms that are met, and the zones and formats that
`sources.csv` of the price book gives to a source or to files. Nothing here reads a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from dagster_project.lib.path_patterns import literal_length, pattern_matches
from dagster_project.lib.sql_text import quoted

# Per number of an epoch format: how many microseconds one is.
EPOCHS = {"epoch_s": "1000000", "epoch_ms": "1000", "epoch_us": "1", "epoch_ns": "0.001"}
CLOCK = "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]"
PLAIN_TIME = f"^{CLOCK}:[0-5][0-9](?:[.][0-9]+)?"
OFFSET = " ?[+-](?:[01][0-9]|2[0-3]):?(?:[0-5][0-9])?$"
# What is no part of a value that it stands around: blanks, line breaks, no-break spaces, the
# ideographic space, the byte order mark.
SPACE = " \t\n\r\v\f\u0085\u00a0\u2007\u202f\u3000\ufeff"


def trimmed_sql(text: str) -> str:
    """Text without the space around it.

    Looking at what stands first and last costs a sixth of taking away what is not there.
    """
    return (
        f"case when {text} between '!' and chr(127) and {text}[-1] between '!' and '~'"
        f" then {text} else trim({text}, {quoted(SPACE)}) end"
    )


@dataclass(frozen=True)
class TimeRule:
    """How the times of a source are read; an empty source is every other one.

    An empty zone is UTC, an empty format RFC 3339. The pattern is of the path below `usage/`,
    empty for every file.
    """

    source: str
    timezone: str
    time_format: str
    path_pattern: str = ""


# Of one file: a rule for each source that has its own, and last the one for all others, if any
# is for them.
TimeRules = tuple[TimeRule, ...]


def rules_of_file(rules: Iterable[TimeRule], source_file: str) -> TimeRules:
    """Choose the rules of one file: for each source that has its own, and for the others.

    A source goes before a path; of two patterns the one with more letters that are no
    wildcard goes first. Two that are equal in this are refused by the check of the price book.
    """
    path = source_file.removeprefix("usage/")
    chosen: dict[str, TimeRule] = {}
    for rule in sorted(rules, key=lambda rule: literal_length(rule.path_pattern)):
        if not rule.path_pattern or pattern_matches(rule.path_pattern, path):
            chosen[rule.source] = replace(rule, path_pattern="")
    return tuple(chosen[source] for source in sorted(chosen, reverse=True))


def time_sql(text: str, rules: TimeRules = ()) -> str:
    """Text to a UTC timestamp, null when it is none; a column `source` is in scope."""
    return _by_source(rules, lambda rule: _text_sql(text, rule.timezone, rule.time_format))


def instant_sql(column: str, kind: str, rules: TimeRules = ()) -> str:
    """A date or timestamp of a type of the engine to a UTC timestamp.

    A date is its midnight. What has a zone in its type is an instant whatever the rules say.
    """
    if "ZONE" in kind:
        return f"({column} at time zone 'UTC')"
    return _by_source(rules, lambda rule: _at_zone(f"{column}::timestamp", rule.timezone))


def time_form_sql(rules: TimeRules) -> str:
    """Text that says what is wrong with a time that cannot be read."""

    def form(rule: TimeRule) -> str:
        if rule.time_format:
            return quoted(f" is not of the format {rule.time_format}")
        return quoted(" is no RFC 3339 instant")

    return _by_source(rules, form)


def _by_source(rules: TimeRules, body: Callable[[TimeRule], str]) -> str:
    others = next((rule for rule in rules if not rule.source), TimeRule("", "", ""))
    cases = " ".join(
        f"when {quoted(rule.source)} then {body(rule)}" for rule in rules if rule.source
    )
    return f"case source {cases} else {body(others)} end" if cases else body(others)


def _at_zone(naive: str, timezone: str) -> str:
    """A timestamp on the clock of a zone as UTC.

    In an hour that the clock shows twice it is in the second; in an hour that the clock leaves
    out it is as much later as the clock is put forward.
    """
    if not timezone:
        return naive
    return f"try(timezone({quoted(timezone)}, {naive}) at time zone 'UTC')"


def _text_sql(text: str, timezone: str, time_format: str) -> str:
    if time_format in EPOCHS:
        return _epoch_sql(trimmed_sql(text), time_format)
    if time_format:
        parsed = f"try_strptime({trimmed_sql(text)}, {quoted(time_format)})"
        if {"%z", "%Z"} & set(re.findall("%.", time_format)):
            return f"({parsed} at time zone 'UTC')"
        return _at_zone(f"{parsed}::timestamp", timezone)
    return _rfc_3339_sql(text, timezone)


def _rfc_3339_sql(text: str, timezone: str) -> str:
    """RFC 3339 text to a UTC timestamp.

    The pattern comes first: the engine's cast also takes 'epoch', 'infinity' and bare dates,
    and drops the offset of a text cast to a timestamp without zone. What is written as usual
    is asked for first, since putting the rest in order costs as much as the cast.
    """
    if timezone:
        usual = (
            f"when regexp_matches({text}, {quoted(PLAIN_TIME + '$')})"
            f" then {_at_zone(f'try_cast({text} as timestamp)', timezone)}"
            f" when regexp_matches({text}, {quoted(PLAIN_TIME + 'Z$')})"
            f" then try_cast({text} as timestamp)"
        )
    else:
        usual = (
            f"when regexp_matches({text}, {quoted(PLAIN_TIME + 'Z?$')})"
            f" then try_cast({text} as timestamp)"
        )
    return f"case {usual} else {_unusual_sql(text, timezone)} end"


def _unusual_sql(text: str, timezone: str) -> str:
    """Small letters, space around, an offset, UTC by name, no seconds, a leap second."""
    ordered = f"upper({trimmed_sql(text)})"
    for pattern, replacement in (
        (" ?(?:Z|UTC|GMT)$", "Z"),
        (" ([+-][0-9:]+)$", r"\1"),
        (f"^({CLOCK})(Z| ?[+-].*)?$", r"\1:00\2"),
        # The last instant of its minute, so that it stays in its month.
        (":59:60(?:[.][0-9]+)?", ":59:59.999999"),
    ):
        ordered = f"regexp_replace({ordered}, {quoted(pattern)}, {quoted(replacement)})"
    instant = (
        f"case when regexp_matches({ordered}, {quoted(PLAIN_TIME + 'Z$')})"
        f" then try_cast({ordered} as timestamp)"
        f" when regexp_matches({ordered}, {quoted(PLAIN_TIME + '$')})"
        f" then {_at_zone(f'try_cast({ordered} as timestamp)', timezone)}"
        f" when regexp_matches({ordered}, {quoted(PLAIN_TIME + OFFSET)})"
        f" then try_cast({ordered} as timestamptz) at time zone 'UTC' end"
    )
    # Seconds are inserted at the end of a UTC day alone.
    return (
        f"case when not contains({text}, ':60') then {instant}"
        f" when strftime({instant}, '%H:%M') = '23:59' then {instant} end"
    )


def _epoch_sql(text: str, time_format: str) -> str:
    number = "^[+-]?[0-9]{1,20}(?:[.][0-9]*)?(?:[eE][+-]?[0-9]{1,2})?$"
    micros = f"try_cast({text} as decimal(38, 9)) * {EPOCHS[time_format]}"
    return (
        f"case when regexp_matches({text}, {quoted(number)})"
        f" then try(make_timestamp(floor({micros})::bigint)) end"
    )
