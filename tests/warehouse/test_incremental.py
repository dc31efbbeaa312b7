"""A warehouse that grew load by load holds the same marts as one built anew in one go."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dagster_project.lib.sample import write_late_files, write_sample
from dagster_project.lib.warehouse import open_warehouse
from tests.harness import REPOSITORY, Installation, Scenario, build

MARTS = (
    "fct_invoices",
    "fct_invoice_lines",
    "fct_invoice_line_tiers",
    "fct_invoice_taxes",
    "fct_usage_daily",
    "fct_event_fates",
    "fct_event_exceptions",
)


TARIFF = """\
dimension,days,from_time,to_time,band
tariff,mon|tue|wed|thu|fri|sat|sun,00:00,06:00,night
tariff,mon|tue|wed|thu|fri|sat|sun,06:00,24:00,day
"""


def marts(installation: Installation) -> dict[str, list[tuple[object, ...]]]:
    with open_warehouse(installation.warehouse, read_only=True) as connection:
        return {
            mart: connection.execute(f"select * from marts.{mart} order by all").fetchall()
            for mart in MARTS
        }


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Installation:
    """The sample, then late files, voids, a moved customer, a new price, meter and tariff."""
    folder = tmp_path_factory.mktemp("grown")
    installation = Installation(folder, dbt_folder)
    shutil.copytree(REPOSITORY / "pricing_seeds", installation.pricing)
    meters = (installation.pricing / "meters.csv").read_text()
    assert meters.count("sum,kwh,kWh,,,,") == 1
    # Meters of single values, and a dimension read from the local time.
    meters = meters.replace("sum,kwh,kWh,,,,", "sum,kwh,kWh,,tariff,,") + (
        "storage_held,Storage,storage.sampled,time_weighted,stored_gib,GiB-hour,,,,\n"
        "egress_p95,Transfer,egress.transferred,percentile_95,gib,GiB,,route,,\n"
    )
    (installation.pricing / "meters.csv").write_text(meters)
    (installation.pricing / "time_bands.csv").write_text(TARIFF)
    truth = write_sample(installation.landing, events=20_000)
    installation.bill(tested=False)

    with open_warehouse(installation.warehouse, read_only=True) as connection:
        rows = connection.execute(
            "select fate, reason, sum(event_count) from marts.fct_event_fates group by all"
        ).fetchall()
    counted = {(fate, reason): count for fate, reason, count in rows}
    assert counted == dict(truth.fates)

    accounts = installation.landing / "accounts"
    customers = (accounts / "customers.csv").read_text()
    assert "America/New_York" in customers
    (accounts / "customers_2.csv").write_text(
        customers.replace("America/New_York", "Asia/Kolkata")
    )
    prices = (installation.pricing / "prices.csv").read_text()
    assert "2026-02-15" in prices
    (installation.pricing / "prices.csv").write_text(
        prices.replace("2026-02-15", "2026-02-20T13:37:00Z")
    )
    (installation.pricing / "time_bands.csv").write_text(TARIFF.replace("06:00", "07:30"))
    first, rest = meters.split("\n", 1)
    (installation.pricing / "meters.csv").write_text(
        f"{first}\nllm_requests,Requests,llm.request,count,,request,,model,,\n{rest}"
    )
    with open_warehouse(installation.warehouse, read_only=True) as connection:
        source, event_id = connection.execute(
            "select source, event_id from raw.usage_events order by file_id, position limit 1"
        ).fetchall()[0]
    corrections = installation.landing / "corrections"
    (corrections / "later.csv").write_text(
        "correction_id,source,event_id,action,reason,requested_by,requested_at\n"
        f"late-1,{source},{event_id},void,test,finance,2026-04-02T00:00:00Z\n"
    )
    write_late_files(installation.landing)
    installation.bill()
    return installation


def test_the_marts_are_those_of_a_full_refresh(grown: Installation) -> None:
    """A customer would be billed by when their usage came, not by what they used."""
    before = marts(grown)
    grown.dbt_build("2026-03", "--full-refresh")
    after = marts(grown)
    for mart in MARTS:
        assert before[mart], mart
        missing = set(map(repr, after[mart])) - set(map(repr, before[mart]))
        wrong = set(map(repr, before[mart])) - set(map(repr, after[mart]))
        assert (mart, sorted(missing)[:3], sorted(wrong)[:3]) == (mart, [], [])


def test_another_run_with_nothing_new_changes_nothing(grown: Installation) -> None:
    """Finance would see figures move overnight without any usage behind them."""
    before = marts(grown)
    grown.bill(tested=False)
    assert marts(grown) == before


def test_every_landed_record_has_one_fate(grown: Installation) -> None:
    """Usage could vanish between the landing directory and the bill."""
    gaps = grown.rows(
        """
        select files.source_file, files.record_count, sum(fates.event_count) as fated_count
        from raw.load_files as files
        left join marts.fct_event_fates as fates using (load_id, source_file)
        where files.file_kind = 'usage'
        group by all
        having files.record_count <> coalesce(sum(fates.event_count), 0)
        """
    )
    assert gaps == []


def test_a_day_without_news_is_not_metered_again(grown: Installation, tmp_path: Path) -> None:
    """A run would cost what is old, not what is new."""
    before = dict(
        grown_days(grown, "select event_date, max(metered_load_id) from %s group by all")
    )
    (grown.landing / "usage" / "one-more.ndjson").write_text(
        '{"id": "one-more", "source": "test", "type": "llm.request", "subject": "sub_ai_0001",'
        ' "time": "2026-02-03T12:00:00Z", "data": {"model": "a", "input_tokens": 7}}\n'
    )
    grown.bill()
    after = dict(
        grown_days(grown, "select event_date, max(metered_load_id) from %s group by all")
    )
    assert [str(day) for day in after if after[day] != before.get(day)] == ["2026-02-03"]


def grown_days(installation: Installation, sql: str) -> list[tuple[object, object]]:
    with open_warehouse(installation.warehouse, read_only=True) as connection:
        rows = connection.execute(sql % "metering.met_usage_slices").fetchall()
    return [(row[0], row[1]) for row in rows]


def test_each_reason_to_meter_a_day_again_is_enough(tmp_path: Path, dbt_folder: Path) -> None:
    """In a whole sample one reason hides another, since a day is metered with all it holds.

    On the 5th usage is withdrawn, on the 12th a price changes at noon, on the 20th and the
    31st usage of 20:00 in UTC comes to lie on the next day, that of a customer moved to
    Auckland; on the 15th only the later of two does, and on the 17th, of one moved to New
    York, only the earlier on the day before. Nothing happens to the 6th and the 8th.
    """
    world = Scenario()
    world.meter("used", "use")
    for name in ("cut", "east", "kept", "moved", "voided", "west"):
        world.subscriber(name, ended_at="2026-03-01")
    for name, quantity, at in [
        ("voided", "10", "2026-01-05T12:00:00Z"),
        ("voided", "1", "2026-01-06T12:00:00Z"),
        ("kept", "7", "2026-01-08T12:00:00Z"),
        ("cut", "10", "2026-01-12T06:00:00Z"),
        ("cut", "10", "2026-01-12T18:00:00Z"),
        ("east", "1", "2026-01-15T04:00:00Z"),
        ("east", "2", "2026-01-15T20:00:00Z"),
        ("west", "1", "2026-01-17T04:00:00Z"),
        ("west", "2", "2026-01-17T20:00:00Z"),
        ("moved", "4", "2026-01-20T20:00:00Z"),
        ("moved", "5", "2026-01-31T20:00:00Z"),
    ]:
        world.event(name, quantity, at=at, event_id=f"{name}-{at}")
    installation = build(tmp_path / "data", world, dbt_folder=dbt_folder, tested=False)

    noon = "2026-01-12T12:00:00Z"
    world.prices[0] = dict(world.prices[0]) | {"valid_to": noon}
    world.price("cut", "per_unit", meter_code="used", unit_price="2", valid_from=noon)
    installation.write_price_book(world)
    zones = dict.fromkeys(("moved", "east"), "Pacific/Auckland")
    zones["west"] = "America/New_York"
    after = Scenario(
        customers=[
            dict(row) | {"timezone": zones.get(row["customer_id"], "UTC")}
            for row in world.customers
        ],
        subscriptions=world.subscriptions,
    )
    after.void("voided-2026-01-05T12:00:00Z")
    installation.land(after, batch="2")
    installation.bill()

    numbers = grown_days(
        installation, "select event_date, max(metering_number) from %s group by all"
    )
    assert sorted(str(day) for day, number in numbers if number == 2) == [
        *("2026-01-05", "2026-01-12", "2026-01-15", "2026-01-17", "2026-01-20", "2026-01-31")
    ]
    invoices = installation.rows(
        "select customer_id, billing_period, cast(net_amount as bigint) as net"
        " from marts.fct_invoices order by all"
    )
    assert [tuple(row.values()) for row in invoices] == [
        ("cut", "2026-01", 30),
        ("east", "2026-01", 3),
        ("kept", "2026-01", 7),
        ("moved", "2026-01", 4),
        ("moved", "2026-02", 5),
        ("voided", "2026-01", 1),
        ("west", "2026-01", 3),
    ]
    moved = installation.rows(
        "select customer_id, cast(usage_date as varchar) as usage_date"
        " from marts.fct_usage_daily where customer_id in ('east', 'moved', 'west')"
        " order by all"
    )
    assert [tuple(row.values()) for row in moved] == [
        ("east", "2026-01-15"),
        ("east", "2026-01-16"),
        ("moved", "2026-01-21"),
        ("moved", "2026-02-01"),
        ("west", "2026-01-16"),
        ("west", "2026-01-17"),
    ]


def test_a_changed_filter_or_band_meters_its_days_again(
    tmp_path: Path, dbt_folder: Path
) -> None:
    """A customer would be billed by the filter of the day on which his usage landed.

    The bound of a size goes from 10 to 20, the night ends at 7 instead of 6, and what was "a"
    is all but "a" by now. Nothing happens to what nobody looks at.
    """
    world = Scenario()
    world.subscriber("used")
    world.meter("used", "use")
    world.meter("big", "pack", "count", filter="size=big")
    world.meter("night", "light", "count", filter="shift=night")
    world.meter("kind", "call", "count", filter="kind=a")
    weight = {"event_type": "pack", "dimension": "size", "property": "weight"}
    days = {"dimension": "shift", "days": "mon|tue|wed|thu|fri|sat|sun"}

    def bands(bound: str, end: str) -> None:
        world.tables["dimension_bands"] = [
            weight | {"up_to": bound, "band": "small"},
            weight | {"up_to": "", "band": "big"},
        ]
        world.tables["time_bands"] = [
            days | {"from_time": "00:00", "to_time": end, "band": "night"},
            days | {"from_time": end, "to_time": "24:00", "band": "day"},
        ]

    bands("10", "06:00")
    for meter in ("big", "night", "kind"):
        world.price("used", "per_unit", charge=meter, meter_code=meter, unit_price="1")
    for day, event_type, values in [
        ("05", "use", {}),
        ("06", "pack", {"weight": ("10", "10.0", "20", "20.5")}),
        ("07", "light", {"at": ("05:59:59", "06:00:00", "06:59:59", "07:00:00")}),
        ("08", "call", {"kind": ("a", "b", "c")}),
    ]:
        for name, texts in values.items():
            for text in texts:
                at = f"2026-01-{day}T{text if name == 'at' else '12:00:00'}Z"
                world.event("used", event_type=event_type, at=at, data={name: text})
        if not values:
            world.event("used", "1", at=f"2026-01-{day}T12:00:00Z")
    installation = build(tmp_path / "data", world, dbt_folder=dbt_folder, tested=False)
    counted = (
        "select meter_code, cast(quantity as bigint) as quantity from marts.fct_usage_daily"
        " order by meter_code"
    )
    before = installation.rows(counted)
    assert [tuple(row.values()) for row in before] == [
        *(("big", 2), ("kind", 1), ("night", 1), ("used", 1))
    ]

    bands("20", "07:00")
    world.meters[3] = dict(world.meters[3]) | {"filter": "kind!=a"}
    installation.write_price_book(world)
    installation.bill()
    after = installation.rows(counted)
    assert [tuple(row.values()) for row in after] == [
        *(("big", 1), ("kind", 2), ("night", 3), ("used", 1))
    ]
    numbers = grown_days(
        installation, "select event_date, max(metering_number) from %s group by all"
    )
    assert sorted(str(day) for day, number in numbers if number == 2) == [
        *("2026-01-06", "2026-01-07", "2026-01-08")
    ]
