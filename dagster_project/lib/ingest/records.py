"""SQL that decides what one record says and whether it is usable.

Every function returns SQL text; column expressions in, expression or query out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dagster_project.lib.ingest.times import TimeRules, time_form_sql, time_sql
from dagster_project.lib.sql_text import quoted

ATTRIBUTES = ("id", "source", "type", "subject", "time")
# A byte order mark may stand between files that were put together.
JSON_SPACE = " \t\n\r\ufeff"
INVALID_TEXT = "invalid UTF-8: save what wrote it as UTF-8, and send the record again"
STRING = r'"(?:[^"\\]|\\.)*"'
# Cheap test of the whole line for anything the JSON parser would accept and change in silence:
# more digits than a double holds, an exponent, NaN or Infinity, a trailing comma. A pattern for
# each mark that a value can follow: one first character is found faster than one of several.
INEXACT = r"-?(?:[0-9][0-9.]{15}|[0-9][0-9.]*[eE]|(?i:nan|inf))"
SUSPICIOUS = (rf":\s*{INEXACT}", rf",\s*(?:[}}\]]|{INEXACT})", rf"\[\s*{INEXACT}")
# .5, 5. and +5 too, which are no JSON but leave no doubt.
NUMBER = r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"


def is_suspicious_sql(text: str) -> str:
    """True when a JSON text may hold something that the parser would change."""
    tests = (f"regexp_matches({text}, {quoted(pattern)})" for pattern in SUSPICIOUS)
    return f"({' or '.join(tests)})"


def exact_text_sql(line: str) -> str:
    """JSON text with every number turned into a string; null when it is not strict JSON.

    Control characters mark numbers while strings are stepped over as a whole, so a number
    written inside a string stays as it is.
    """
    marked = (
        f"replace(regexp_replace({line}, {quoted(f'({STRING})|([+-]?[.]?[0-9][0-9.eE+-]*)')},"
        r" '\1' || chr(1) || '\2' || chr(1), 'g'), chr(1) || chr(1), '')"
    )
    as_strings = (
        f"regexp_replace({marked}, chr(1) || {quoted(f'({NUMBER})')} || chr(1),"
        f" {quoted(chr(34) + chr(92) + '1' + chr(34))}, 'g')"
    )
    outside_strings = f"regexp_replace({line}, {quoted(STRING)}, '\"\"', 'g')"
    lax = quoted(r"(?i)nan|inf|,\s*[}\]]")
    return (
        f"case when contains({line}, chr(1)) or regexp_matches({outside_strings}, {lax})"
        f" then null else {as_strings} end"
    )


def problem_sql(
    event_at: str, latest: str, malformed: str, time_form: str, is_instant: bool = False
) -> str:
    """Return a struct (reason, detail), null when the record is usable.

    `malformed` is an expression for the detail of a malformed record, or null, `time_form` one
    for what is said of a time that cannot be read. The columns event_id, source, event_type,
    subject and time_text must be in scope; with `is_instant` the last one is a timestamp and
    not text.
    """
    columns = ["event_id", "source", "event_type", "subject", "time_text"]
    missing = " and ".join(f"trim({column}) <> ''" for column in columns[:4])
    missing += " and time_text is not null" if is_instant else " and trim(time_text) <> ''"
    names = ", ".join(
        f"case when coalesce(trim({column}::varchar), '') = '' then '{name}' end"
        for column, name in zip(columns, ATTRIBUTES, strict=True)
    )
    # Nearly every record is usable, and comparing first characters is cheaper than trimming:
    # '!' is the first one after the space.
    usable = " and ".join(f"{column} >= '!'" for column in columns[:4])
    return f"""
        case
            when {malformed} is null and {usable}
                and {event_at} >= timestamp '1970-01-01' and {event_at} <= {latest}
                then null
            when {malformed} is not null
                then {{'reason': 'malformed', 'detail': {malformed}}}
            when ({missing}) is not true
                then {{'reason': 'missing_attribute',
                      'detail': 'missing or empty: ' || concat_ws(', ', {names})}}
            when (year({event_at}) between 1970 and 9999) is not true
                then {{'reason': 'invalid_time',
                      'detail': 'time: ' || chr(39) || left(time_text::varchar, 200) || chr(39)
                          || case when {event_at} is null then {time_form}
                              else ' is not within 1970 to 9999' end}}
            when {event_at} > {latest}
                then {{'reason': 'future_time',
                      'detail': 'time: ' || chr(39) || left(time_text::varchar, 200) || chr(39)
                          || ' is more than a day later than the load'}}
        end"""


def has_repeats_sql(keys: str) -> str:
    """True when a list of keys names one twice; short lists are compared pair by pair."""
    pairs = {
        length: " or ".join(
            f"{keys}[{first}] = {keys}[{second}]"
            for first in range(1, length)
            for second in range(first + 1, length + 1)
        )
        for length in (2, 3, 4)
    }
    short = " ".join(f"when {length} then {pair}" for length, pair in pairs.items())
    return (
        f"case len({keys}) when 0 then false when 1 then false {short}"
        f" else len({keys}) <> list_unique({keys}) end"
    )


def first_repeated_sql(keys: str) -> str:
    """The first of the keys that a list names twice, to be told to people."""
    return f"list_filter({keys}, lambda key: len(list_filter({keys}, lambda other: other = key)) > 1)[1]"


def first_nested_sql(document: str) -> str:
    """The first key of a JSON object whose value is no scalar, null when all are."""
    return (
        f"list_filter(list_zip(json_keys({document}), json_extract({document}::json, '$.*')),"
        " lambda member: left(member[2]::varchar, 1) in ('{', '['))[1][1]"
    )


def valid_sql(strict: str, text: str) -> str:
    """JSON of a text, null when it is none; `strict` is what is tried first.

    Only what is refused is looked at again for numbers that leave out a digit.
    """
    exact = exact_text_sql(text)
    return (
        f"case when json_valid({strict}) then {strict}"
        f" when json_valid({exact}) then {exact} end"
    )


def checked_data_sql(column: str) -> str:
    """Text column holding a JSON object: the exact text, null when it is not JSON."""
    strict = (
        f"case when {is_suspicious_sql(column)}"
        f" then {exact_text_sql(column)} else {column} end"
    )
    exact = valid_sql(strict, column)
    return f"case when json_type({exact}) = 'OBJECT' then {exact} end"


def data_problem_sql(column: str, checked: str, properties: str) -> str:
    """Detail of what is wrong with a data column (CSV, Parquet), or null.

    `properties` is a JSON object of the other columns: a key in both is ambiguous.
    """
    keys = f"json_keys({checked})"
    shared = f"list_intersect({keys}, json_keys(json_merge_patch('{{}}', {properties})))"
    return f"""
        case
            when coalesce({column}, '') = '' then null
            when {checked} is null then 'data is not a JSON object'
            when {has_repeats_sql(keys)} then 'duplicate key in data: ' || {first_repeated_sql(keys)}
            when {first_nested_sql(checked)} is not null
                then 'data is not flat: ' || {first_nested_sql(checked)}
            when len({shared}) > 0 then 'duplicate key in data: ' || {shared}[1]
        end"""


def json_records_sql(lines: str, latest: str, is_marked: bool, rules: TimeRules = ()) -> str:
    """Query of parsed records over a relation (read_path, line), in its order.

    Blank lines keep their row with reason 'blank', because positions are counted from rows.
    `latest` is a timestamp literal: the last acceptable instant. With `is_marked` the marks of
    a cleaned copy are taken out of the raw text.
    """
    raw_text = "replace(line, chr(1), '')" if is_marked else "line"
    paths = ", ".join(f"'/{name}'" for name in (*ATTRIBUTES, "data"))
    columns = ("event_id", "source", "event_type", "subject", "time_text")
    # Only what begins with [, f, t or { can be an array, a boolean or an object.
    non_scalar = " or ".join(
        f"(ascii({column}) in (91, 102, 116, 123)"
        f" and json_type(document, '$.{name}') in ('OBJECT', 'ARRAY', 'BOOLEAN'))"
        for column, name in zip(columns, ATTRIBUTES, strict=True)
    )
    # As many keys as known ones with a value: none can be there twice.
    known = " + ".join(f"({column} is not null)::int" for column in (*columns, "data_text"))
    envelope_repeats = (
        f"len(keys) > {known} + (keys[1] = 'specversion')::int"
        " and len(keys) <> list_unique(keys)"
    )
    invalid = (
        f"when document is null and contains(line, chr(1) || chr(92) || 'x')"
        f" then {quoted(INVALID_TEXT)}"
        if is_marked
        else ""
    )
    malformed = rf"""
        case
            {invalid}
            when document is null then 'not a JSON object'
            when {envelope_repeats} then 'duplicate key: ' || {first_repeated_sql("keys")}
            when {non_scalar} then 'an attribute is not text or number'
            when data_text is null then null
            when len(data_keys) = 0 and json_type(document, '$.data') <> 'OBJECT'
                then 'data is not an object'
            when {has_repeats_sql("data_keys")}
                then 'duplicate key in data: ' || {first_repeated_sql("data_keys")}
            -- The engine writes what it extracts without spaces.
            when (contains(data_text, ':{{') or contains(data_text, ':['))
                and {first_nested_sql("data_text")} is not null
                then 'data is not flat: ' || {first_nested_sql("data_text")}
        end"""
    return f"""
        with lines as (
            select
                read_path, line,
                case
                    when starts_with(line, '{{') then false
                    else coalesce(trim(line, chr(32) || chr(9) || chr(10) || chr(13)), '') = ''
                end as is_blank,
                case
                    when {is_suspicious_sql("line")} then {exact_text_sql("line")}
                    else line
                end as exact_line
            from {lines}
        ),
        documents as (
            select
                read_path, line, is_blank,
                case
                    when starts_with(ltrim(exact_line, {quoted(JSON_SPACE)}), '{{')
                        then {valid_sql("exact_line", f"ltrim(line, {quoted(JSON_SPACE)})")}
                end as document
            from lines
        ),
        extracted as (
            select
                *,
                json_keys(document, ['$', '$.data']) as key_lists,
                json_extract_string(document, [{paths}]) as attribute_texts
            from documents
        ),
        attributes as (
            select
                read_path, line, is_blank, document,
                key_lists[1] as keys,
                key_lists[2] as data_keys,
                attribute_texts[1] as event_id,
                attribute_texts[2] as source,
                attribute_texts[3] as event_type,
                attribute_texts[4] as subject,
                attribute_texts[5] as time_text,
                attribute_texts[6] as data_text
            from extracted
        ),
        timed as (
            select
                *,
                coalesce(data_text, '{{}}') as data,
                {malformed} as malformed,
                {time_sql("time_text", rules)} as event_at
            from attributes
        ),
        judged as (
            select
                *,
                case when is_blank then {{'reason': 'blank', 'detail': ''}}
                    else {problem_sql("event_at", latest, "malformed", time_form_sql(rules))}
                end as problem
            from timed
        )
        select
            read_path, source, event_id, event_type, subject, event_at,
            case when problem is null then data end as data,
            problem.reason as reason,
            problem.detail as detail,
            case when problem is not null then {raw_text} end as raw_text
        from judged"""


def column_records_sql(
    relation: str,
    keys: str,
    attributes: dict[str, str],
    event_at: str,
    data: str,
    raw_text: str,
    malformed: str,
    latest: str,
    rules: TimeRules = (),
    is_instant: bool = False,
    kept: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Query of judged records over a relation whose attributes are columns (CSV, Parquet).

    `keys` are columns passed through, `attributes` maps attribute names to text expressions,
    `event_at` may use the columns `time_text` and `source`. Data and raw text are null where not needed.
    `kept` maps further columns of the result to their expressions.
    """
    further = "".join(f" {expression} as {column}," for column, expression in kept.items())
    return f"""
        with attributes as (
            select
                {attributes["id"]} as event_id,
                {attributes["source"]} as source,
                {attributes["type"]} as event_type,
                {attributes["subject"]} as subject,
                {attributes["time"]} as time_text,
                *
            from {relation}
        ),
        timed as (
            select *, {event_at} as event_at, {malformed} as malformed from attributes
        ),
        judged as (
            select *, {problem_sql("event_at", latest, "malformed", time_form_sql(rules), is_instant)}
                as problem
            from timed
        )
        select
            {keys}, source, event_id, event_type, subject, event_at,{further}
            case when problem is null then {data} end as data,
            problem.reason as reason,
            problem.detail as detail,
            case when problem is not null then {raw_text} end as raw_text
        from judged"""
