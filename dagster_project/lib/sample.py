"""Sample accounts and usage for the shipped price book, with the fate of every record known.

The same call writes the same content anywhere: no clock, no chance. Usage is made in bulk by
DuckDB from the hash of a row number. What becomes of each record follows from how it is made
(`SampleTruth`); nothing here resolves, meters or rates, so that it can test what does.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from dagster_project.lib.sample_accounts import (
    SampleSubscription,
    account_files,
    sample_subscriptions,
)
from dagster_project.lib.sample_bills import example_events
from dagster_project.lib.sql_text import quoted

REJECTION_REASONS = (
    "malformed",
    "missing_attribute",
    "invalid_time",
    "future_time",
    "invalid_quantity",
    "out_of_range",
)
_MONTHS = ("2026-01", "2026-02", "2026-03")
# Fates of well-formed records that no charge takes, in the order in which they are made.
_ODD_FATES = (
    "unknown_subject",
    "no_active_subscription",
    "ambiguous_subscription",
    "unpriced",
    "unmetered",
)
_CORRECTION_COLUMNS = (
    "correction_id",
    "source",
    "event_id",
    "action",
    "reason",
    "requested_by",
    "requested_at",
)


@dataclass(frozen=True)
class SampleTruth:
    """How many landed records end in each fate; ``rejected`` is by reason."""

    rated: int
    duplicate: int
    voided: int
    conflicting_duplicate: int = 0
    unpriced: int = 0
    unmetered: int = 0
    unknown_subject: int = 0
    no_active_subscription: int = 0
    ambiguous_subscription: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)

    @property
    def fates(self) -> dict[tuple[str, str], int]:
        """Record count by fate and reason, the reason being empty unless rejected."""
        names = ("rated", "duplicate", "voided", "conflicting_duplicate", *_ODD_FATES)
        counts = {(name, ""): int(getattr(self, name)) for name in names}
        counts |= {("rejected", reason): count for reason, count in self.rejected.items()}
        return {fate: count for fate, count in counts.items() if count}

    @property
    def landed(self) -> int:
        """Records in all usage files, which is the sum of the fates."""
        return sum(self.fates.values())


# Per industry: columns of the files, and the properties of each event type as JSON.
# Decimals are strings there, because JSON readers like to make doubles of numbers.
_PROPERTIES = {
    "ai": ("model", "input_tokens", "output_tokens", "cached_tokens"),
    "seats": ("user_id", "status"),
    "cloud": ("storage_class", "gib_hours", "stored_gib", "gib", "route"),
    "telecom": ("seconds", "destination", "country"),
    "energy": ("kwh",),
}
_FORMATS = {
    "ai": ("parquet", "parquet", "ndjson.zst"),
    "seats": ("ndjson", "ndjson.gz", "jsonl"),
    "cloud": ("csv", "csv.zst", "csv.gz"),
    "telecom": ("csv.zst", "ndjson.gz", "parquet"),
    "energy": ("json", "parquet", "ndjson"),
}
_EVENTS_SQL = """
create temporary table sample_events as
with

numbered as (

    select
        number,
        case
            when number < $ordinary then 'ordinary'
            else $odd_fates[1 + ((number - $ordinary) // $odd)::integer]
        end as made_as,
        hash(number) as random,
        hash(number + 1000000007) as other_random
    from range($ordinary + $odd * len($odd_fates)) as numbers (number)

),

placed as (

    select
        numbered.*,
        case made_as
            when 'no_active_subscription' then $ended_index
            when 'ambiguous_subscription' then $ambiguous_index
            when 'unpriced' then $telecom_index
            when 'unmetered' then if(number % 2 = 0, $seats_index, $telecom_index)
            else (random % $subscription_count)::integer
        end as subscription_index
    from numbered

),

timed as (

    select
        placed.number,
        placed.made_as,
        placed.random,
        placed.other_random,
        sample_subscriptions.*,
        make_timestamp(
            if(made_as = 'no_active_subscription', $after_the_end, used_from)
            + 1000 * ((random // 1024) % (
                (if(made_as = 'no_active_subscription', $end_of_sample, used_to)
                    - if(made_as = 'no_active_subscription', $after_the_end, used_from))
                // 1000
            )::ubigint)::bigint
        ) as event_at
    from placed
    inner join sample_subscriptions using (subscription_index)

)

select
    number,
    made_as,
    industry,
    'evt-' || lpad(number::varchar, 9, '0') as id,
    'https://' || industry || '.example/meters' as source,
    case
        when made_as = 'unpriced' then 'sms.sent'
        when made_as = 'unmetered' and industry = 'seats' then 'audit.login'
        when made_as = 'unmetered' then 'call.completed'
        when industry = 'ai' then 'llm.request'
        when industry = 'seats' then if(other_random % 10 < 4, 'api.request', 'user.active')
        when industry = 'cloud'
            then if(other_random % 10 < 3, 'egress.transferred', 'storage.sampled')
        when industry = 'telecom' then if(other_random % 10 < 3, 'sms.sent', 'call.completed')
        else 'energy.metered'
    end as type,
    case
        when made_as = 'unknown_subject' then 'sub_nobody_' || (random % 9)::varchar
        when made_as = 'no_active_subscription' then subscription_id
        when made_as = 'ambiguous_subscription' then customer_id
        when made_as = 'unpriced' then 'sub_ai_0002'
        -- One telephone number moves from a customer to another on 10 February.
        when subscription_id = 'sub_telecom_0001' and event_at < timestamp '2026-02-08'
            then 'line-shared'
        when subscription_id = 'sub_telecom_0002' and event_at >= timestamp '2026-02-12'
            then 'line-shared'
        when other_random % 3 = 0 and is_only_one then customer_id
        when other_random % 3 = 1 then alias
        else subscription_id
    end as subject,
    event_at,
    -- A conflicting repeat keeps it: only its file name may come later, not its folder.
    strftime(event_at, '%Y-%m') as month,
    if(other_random % 4 = 0, 'aurora-large', 'aurora-mini') as model,
    (200 + other_random % 4001)::bigint as input_tokens,
    (50 + other_random // 64 % 901)::bigint as output_tokens,
    (other_random // 4096 % 401)::bigint as cached_tokens,
    'user-' || (other_random // 64 % 25)::varchar as user_id,
    'success' as status,
    if(other_random // 64 % 5 = 0, 'archive', 'hot') as storage_class,
    ((other_random // 64 % 1000000)::decimal(18, 0) * 0.001)::decimal(18, 6) as gib_hours,
    ((other_random // 64 % 400000)::decimal(18, 0) * 0.001)::decimal(18, 6) as stored_gib,
    ((other_random // 64 % 4000000)::decimal(18, 0) * 0.000001)::decimal(18, 6) as gib,
    if(other_random // 64 % 3 = 0, 'cdn', 'internet') as route,
    (1 + other_random // 64 % 360)::bigint as seconds,
    case
        when made_as = 'unmetered' then 'emergency'
        when other_random // 64 % 10 = 0 then 'international'
        when other_random // 64 % 10 < 5 then 'fixed'
        else 'mobile'
    end as destination,
    ['PT', 'AR', 'IN'][1 + (other_random // 1024 % 3)::integer] as country,
    ((other_random // 64 % 800000)::decimal(18, 0) * 0.000001)::decimal(18, 6) as kwh
from timed
"""
# Properties belong to one event type each; the others have none of them, not an empty one.
_TYPE_PROPERTIES = {
    "llm.request": _PROPERTIES["ai"],
    "user.active": ("user_id",),
    "audit.login": ("user_id",),
    "api.request": ("status",),
    "storage.sampled": ("storage_class", "gib_hours", "stored_gib"),
    "egress.transferred": ("gib", "route"),
    "call.completed": _PROPERTIES["telecom"],
    "sms.sent": (),
    "energy.metered": _PROPERTIES["energy"],
}
_DECIMALS = ("gib_hours", "stored_gib", "gib", "kwh")


def write_sample(landing: Path, events: int = 1_000_000) -> SampleTruth:
    """Write three months of usage (January to March 2026), accounts and corrections.

    Args:
        landing: Folder of the input files, made if needed. Files that are already there stay
            as they are, so a second call with the same ``events`` changes nothing.
        events: Landed usage records, at least 200, besides those of the example bills.
    Returns: What becomes of the records under the shipped price book.
    Raises: ValueError if there are too few events for every fate to appear.
    """
    if events < 200:
        raise ValueError(f"A sample needs at least 200 events, not {events}.")
    odd = max(2, events // 2000)
    repeats = 2 * odd
    ordinary = events - odd * (len(_ODD_FATES) + len(REJECTION_REASONS)) - repeats
    subscriptions = sample_subscriptions()
    for name, columns, rows in account_files(subscriptions):
        _write_csv(landing / "accounts" / name, columns, rows)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        _make_events(connection, subscriptions, ordinary, odd)
        # Spread evenly; repeats and voids are different events, or a fate would hide another.
        stride = ordinary // odd
        connection.execute(
            """
            create temporary table sample_files as
            select *, 1 as part from sample_events
            union all
            select *, 2 as part from sample_events
            where number < $1 * $2 and number % $1 = 1
            union all
            select * replace (event_at + interval 1 second as event_at), 2 as part
            from sample_events
            where number < $1 * $2 and number % $1 = 2
            """,
            [stride, odd],
        )
        for industry, formats in _FORMATS.items():
            for month, format_name in zip(_MONTHS, formats, strict=True):
                for part in (1, 2):
                    name = f"events_{part}.{format_name}"
                    path = landing / "usage" / industry / month / name
                    _copy(connection, path, industry, month, part)
        voids = connection.execute(
            "select source, id from sample_events "
            "where number < $1 * $2 and number % $1 = 3 order by number",
            [stride, odd],
        ).fetchall()
    _write_voids(landing / "corrections" / "voids_2026-03.csv", "void", voids)
    _write_text(landing / "usage/mixed/2026-02/unusable.ndjson", "".join(_unusable(odd)))
    examples = list(example_events())
    _write_text(landing / "usage/examples/events.ndjson", "".join(examples))
    return SampleTruth(
        rated=ordinary - odd + len(examples),
        duplicate=odd,
        conflicting_duplicate=odd,
        voided=odd,
        unpriced=odd,
        unmetered=odd,
        unknown_subject=odd,
        no_active_subscription=odd,
        ambiguous_subscription=odd,
        rejected=dict.fromkeys(REJECTION_REASONS, odd),
    )


def write_late_files(landing: Path) -> SampleTruth:
    """Write usage of January that lands late, to be called once January is issued.

    Electricity of three customers: 50 records, two of them landed twice and one withdrawn.
    Needs the accounts of ``write_sample``.
    """
    lines = []
    source = "https://energy.example/meters"
    for number in range(48):
        record = {
            "specversion": "1.0",
            "id": f"late-{number:04}",
            "source": source,
            "type": "energy.metered",
            "subject": f"sub_energy_{1 + number % 3:04}",
            "time": f"2026-01-{10 + number // 4:02}T{6 + number % 12:02}:15:00Z",
            "data": {"kwh": f"{number + 1}.25"},
        }
        lines.append(json.dumps(record) + "\n")
    lines += lines[:2]
    _write_text(landing / "usage/energy/2026-01/late_1.ndjson", "".join(lines))
    withdrawn = [(source, "late-0047")]
    _write_voids(landing / "corrections" / "voids_2026-04.csv", "late-void", withdrawn)
    return SampleTruth(rated=47, duplicate=2, voided=1)


def _make_events(
    connection: duckdb.DuckDBPyConnection,
    subscriptions: list[SampleSubscription],
    ordinary: int,
    odd: int,
) -> None:
    """Fill ``sample_events`` with ``ordinary`` rated records and ``odd`` of each odd fate."""
    connection.execute(
        """
        create temporary table sample_subscriptions (
            subscription_index integer, subscription_id varchar, customer_id varchar,
            alias varchar, industry varchar, used_from bigint, used_to bigint,
            is_only_one boolean
        )
        """
    )
    connection.executemany(
        "insert into sample_subscriptions values (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                index,
                sub.subscription_id,
                sub.customer_id,
                sub.alias,
                sub.market.industry,
                _micros(sub.used_from),
                _micros(sub.used_to),
                sub.is_only_one,
            )
            for index, sub in enumerate(subscriptions)
        ],
    )
    index_of = {sub.subscription_id: index for index, sub in enumerate(subscriptions)}
    ended = next(i for i, sub in enumerate(subscriptions) if sub.ended_at)
    connection.execute(
        _EVENTS_SQL,
        {
            "ordinary": ordinary,
            "odd": odd,
            "odd_fates": list(_ODD_FATES),
            "ended_index": ended,
            "ambiguous_index": index_of["sub_cloud_0099"],
            "telecom_index": index_of["sub_telecom_0003"],
            "seats_index": index_of["sub_seats_0001"],
            "subscription_count": len(subscriptions),
            "after_the_end": _micros(datetime(2026, 3, 12, tzinfo=UTC)),
            "end_of_sample": _micros(datetime(2026, 3, 31, tzinfo=UTC)),
        },
    )


def _micros(instant: datetime) -> int:
    """Microseconds since 1970 of a whole second."""
    return int(instant.timestamp()) * 1_000_000


def _copy(
    connection: duckdb.DuckDBPyConnection, path: Path, industry: str, month: str, part: int
) -> None:
    """Write one usage file, unless it is there or would be empty."""
    where = f"""
        from sample_files
        where industry = '{industry}' and part = {part} and month = '{month}'
    """
    (count,) = connection.execute(f"select count(*) {where}").fetchone() or (0,)
    if path.exists() or not count:
        return
    kind, _, compression = path.name.split(".", 1)[1].partition(".")
    at = "strftime(event_at, '%Y-%m-%dT%H:%M:%S.%gZ')"
    if kind in ("parquet", "csv"):
        instant = "event_at" if kind == "parquet" else at
        columns = [f"{instant} as time"]
        for name in _PROPERTIES[industry]:
            types = [t for t, properties in _TYPE_PROPERTIES.items() if name in properties]
            listed = ", ".join(f"'{t}'" for t in types)
            columns.append(f"case when type in ({listed}) then {name} end as {name}")
        options = "format parquet" if kind == "parquet" else "format csv, header true"
    else:
        columns = [f"{at} as time", f"{_data_sql(industry)} as data"]
        options = f"format json, array {str(kind == 'json').lower()}"
    if compression:
        options += f", compression {({'gz': 'gzip', 'zst': 'zstd'})[compression]}"
    query = f"select id, source, type, subject, {', '.join(columns)} {where}"
    temporary = path.with_name(f".{path.name}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(
        f"copy ({query} order by event_at, id) to {quoted(temporary)} ({options})"
    )
    temporary.replace(path)


def _data_sql(industry: str) -> str:
    """The JSON object of an event's own properties; decimals are strings."""
    branches = []
    for event_type, properties in _TYPE_PROPERTIES.items():
        if not set(properties) <= set(_PROPERTIES[industry]):
            continue
        pairs = ", ".join(
            f"'{name}', {name}{'::varchar' if name in _DECIMALS else ''}"
            for name in properties
        )
        branches.append(f"when '{event_type}' then json_object({pairs})")
    return f"case type {' '.join(branches)} end"


def _unusable(count: int) -> Iterator[str]:
    """Lines that are rejected, ``count`` for each reason and the reasons in turns."""
    for number in range(count):
        for reason in REJECTION_REASONS:
            record: dict[str, object] = {
                "specversion": "1.0",
                "id": f"unusable-{reason}-{number:06}",
                "source": "https://energy.example/meters",
                "type": "energy.metered",
                "subject": "sub_energy_0001",
                "time": f"2026-02-{1 + number % 28:02}T{number % 24:02}:00:00Z",
                "data": {"kwh": "1.5"},
            }
            is_even = number % 2 == 0
            if reason == "missing_attribute":
                del record[("subject", "time", "id", "type")[number % 4]]
            elif reason == "invalid_time":
                record["time"] = "2026-02-30T08:00:00Z" if is_even else "last Tuesday"
            elif reason == "future_time":
                record["time"] = "2999-01-01T00:00:00Z"
            elif reason == "invalid_quantity":
                record["data"] = {"kwh": "a lot"} if is_even else {"volts": "230"}
            elif reason == "out_of_range":
                # 40 digits before the point, 13 after it.
                record["data"] = {"kwh": "9" * 40 if is_even else "0.1234567890123"}
            line = json.dumps(record)
            yield (line[: len(line) // 2] if reason == "malformed" else line) + "\n"


def _write_voids(path: Path, prefix: str, events: list[tuple[str, str]]) -> None:
    """Withdraw events, given as source and id."""
    requested_at = f"{path.stem[-7:]}-28T09:00:00Z"
    rows = [
        (
            f"{prefix}-{number:06}",
            source,
            event_id,
            "void",
            "measured by a faulty meter",
            "ops@meterhouse.example",
            requested_at,
        )
        for number, (source, event_id) in enumerate(events, start=1)
    ]
    _write_csv(path, " ".join(_CORRECTION_COLUMNS), rows)


def _write_csv(path: Path, columns: str, rows: Sequence[tuple[str, ...]]) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns.split())
    writer.writerows(rows)
    _write_text(path, buffer.getvalue())


def _write_text(path: Path, text: str) -> None:
    """Write a file in one step for whoever watches the folder, unless it is there."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8", newline="")
    temporary.replace(path)
