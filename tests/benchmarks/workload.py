"""What the benchmarks bill: generated usage, accounts and a price book of one plan.

Usage is written by DuckDB from a running number, so that two runs see the same files.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

SUBSCRIPTION_COUNT = 1000
REPEATED_PER_MILLE = 5
INPUT_PRICE = "0.00000055"
OUTPUT_PRICE = "0.00000219"
PROPERTIES = {
    "model": "'model-' || ((h >> 20) % 4)",
    "input_tokens": "((h >> 24) % 8000)::bigint",
    "output_tokens": "((h >> 40) % 2000)::bigint",
}
METER_COLUMNS = (
    "meter_code,meter_name,event_type,aggregation,value_property,unit,filter,"
    "dimensions,rounding_increment,minimum_quantity"
)
CUSTOMER_COLUMNS = (
    "customer_id,customer_name,email,address_line,city,postal_code,country_code,tax_id,"
    "currency_code,locale,timezone,parent_customer_id"
)
PRICE_COLUMNS = (
    "price_id,plan_code,charge_code,charge_name,meter_code,pricing_model,unit_price,"
    "package_size,included_quantity,minimum_amount,maximum_amount,dimension_filter,billed,"
    "prorated,tax_category,subscription_id,valid_from,valid_to"
)


@dataclass(frozen=True)
class Usage:
    """Daily files of one format: `day_count` days from `first_day`, events spread evenly."""

    file_format: str
    event_count: int
    first_day: date
    day_count: int
    prefix: str


def write_price_book(shipped: Path, folder: Path) -> None:
    """Write a price book of two per-unit charges; the rest of it is the shipped one."""
    shutil.copytree(shipped, folder)
    books = {
        "meters.csv": [
            METER_COLUMNS,
            "input_tokens,Input tokens,llm.request,sum,input_tokens,token,,model,,",
            "output_tokens,Output tokens,llm.request,sum,output_tokens,token,,model,,",
        ],
        "plans.csv": ["plan_code,plan_name,currency_code,billing_interval", "ai,AI,USD,month"],
        "prices.csv": [
            PRICE_COLUMNS,
            f"in_1,ai,input,Input,input_tokens,per_unit,{INPUT_PRICE},,,,,,arrears,false,,,,",
            f"out_1,ai,output,Output,output_tokens,per_unit,{OUTPUT_PRICE},,,,,,arrears,false,,,,",
        ],
        "price_tiers.csv": ["price_id,up_to,unit_price,flat_amount"],
    }
    for name, lines in books.items():
        (folder / name).write_text("\n".join(lines) + "\n")


def write_accounts(landing: Path, started_at: date) -> None:
    """Write one customer and one calendar subscription per subject, all in UTC and USD."""
    folder = landing / "accounts"
    folder.mkdir(parents=True)
    customers = [CUSTOMER_COLUMNS]
    subscriptions = [
        "subscription_id,customer_id,plan_code,started_at,ended_at,billing_anchor"
    ]
    for number in range(SUBSCRIPTION_COUNT):
        customers.append(
            f"cus_{number:04},Customer {number},a@example.com,1 Main St,Austin,73301,US,,"
            "USD,en,UTC,"
        )
        subscriptions.append(f"sub_{number:04},cus_{number:04},ai,{started_at},,calendar")
    (folder / "customers.csv").write_text("\n".join(customers) + "\n")
    (folder / "subscriptions.csv").write_text("\n".join(subscriptions) + "\n")


def write_usage(landing: Path, usage: Usage) -> None:
    """Write the daily files; a few events of each are repeated inside the same file."""
    folder = landing / "usage"
    folder.mkdir(parents=True, exist_ok=True)
    daily_count = usage.event_count // usage.day_count
    repeated_count = daily_count * REPEATED_PER_MILLE // 1000
    if usage.file_format == "parquet":
        event_time, options = "event_time", "format parquet, compression zstd"
        properties = ", ".join(f"{value} as {name}" for name, value in PROPERTIES.items())
    else:
        event_time = "strftime(event_time, '%Y-%m-%dT%H:%M:%S.%fZ')"
        options = "format json"
        pairs = ", ".join(f"'{name}': {value}" for name, value in PROPERTIES.items())
        properties = f"{{{pairs}}} as data"
    with duckdb.connect() as connection:
        for index in range(usage.day_count):
            day = usage.first_day + timedelta(days=index)
            # The last rows repeat the first ones.
            connection.execute(
                f"""
                copy (
                    with numbers as (
                        select {index * daily_count} + case
                            when n < {daily_count - repeated_count} then n
                            else n - {daily_count - repeated_count}
                        end as n
                        from range({daily_count}) as numbers(n)
                    ),
                    events as (
                        select
                            *,
                            hash(n) as h,
                            timestamp '{day}' + to_microseconds(
                                (n - {index * daily_count}) * (86400000000 // {daily_count})
                            ) as event_time
                        from numbers
                    )
                    select
                        printf('{usage.prefix}%016x', h) as id,
                        'gateway-' || (h % 4) as source,
                        'llm.request' as type,
                        printf('sub_%04d', (h >> 8) % {SUBSCRIPTION_COUNT}) as subject,
                        {event_time} as time,
                        {properties}
                    from events
                ) to '{folder / f"{usage.prefix}{day}.{usage.file_format}"}' ({options})
                """
            )
