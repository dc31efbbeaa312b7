"""The bills of the demo that can be worked out by hand, one for each industry.

What belongs here: the shipped price book over the sample, of which only the example customers
are looked at. Lines are ``<period> <line_type> <charge_code> <net amount> <dimensions>``.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dagster_project.lib.sample import write_sample
from tests.harness import LOADED_AT, REPOSITORY, Installation

BILLS = {
    # 9.99 a month. Home: 45 and 61.2 seconds are 60 and 62: 122 x 0.0015 = 0.183. Abroad: 31
    # seconds are 36 x 0.004 = 0.144, 10 are 30 x 0.002 = 0.06, 65 are 66 x 0.01 = 0.66.
    # 11.03 and 19 %, 2.0957, are 13.13.
    "phone": [
        '2026-01 charge abroad_calls 0.06 {"number": "551199887766"}',
        '2026-01 charge abroad_calls 0.14 {"number": "552133445566"}',
        '2026-01 charge abroad_calls 0.66 {"number": "442071234567"}',
        "2026-01 charge home_calls 0.18 {}",
        "2026-01 charge line 9.99 {}",
        "2026-01 total 13.13",
        "2026-02 charge line 9.99 {}",
        "2026-02 total 11.89",
        "2026-03 charge line 9.99 {}",
        "2026-03 total 11.89",
    ],
    # 28 March: 05:30 is night (2), 13:00 day (4). 29 March: 01:30 and 03:30 are night (1.5
    # each), 06:30 is day (3), though it is the same instant as 05:30 was the day before.
    # 7 x 0.32 = 2.24, 5 x 0.21 = 1.05; 15.19 and 2.8861 are 18.08.
    "power": [
        "2026-01 charge standing_charge 11.9 {}",
        "2026-01 total 14.16",
        "2026-02 charge standing_charge 11.9 {}",
        "2026-02 total 14.16",
        '2026-03 charge energy 1.05 {"tariff": "night"}',
        '2026-03 charge energy 2.24 {"tariff": "day"}',
        "2026-03 charge standing_charge 11.9 {}",
        "2026-03 total 18.08",
    ],
    # January: 1200 less 100 free: 1000 x 0.09 + 100 x 0.07 = 97, of 150 committed.
    # February: 1000 x 0.09 + 1500 x 0.07 = 195. March: nothing but the commitment.
    "cloud": [
        "2026-01 charge transfer 97 {}",
        "2026-01 true_up transfer_monthly 53 {}",
        "2026-01 total 178.5",
        "2026-02 charge transfer 195 {}",
        "2026-02 total 232.05",
        "2026-03 true_up transfer_monthly 150 {}",
        "2026-03 total 178.5",
    ],
    # Small: 0.6 + 0.03 + 0.03. Large: 200,001 x 0.000006 = 1.200006, 0.03, 0.09. No tax.
    "ai": [
        '2026-01 charge cached_tokens 0.03 {"size": "large"}',
        '2026-01 charge cached_tokens 0.03 {"size": "small"}',
        '2026-01 charge input_tokens 0.6 {"size": "small"}',
        '2026-01 charge input_tokens 1.2 {"size": "large"}',
        '2026-01 charge output_tokens 0.03 {"size": "small"}',
        '2026-01 charge output_tokens 0.09 {"size": "large"}',
        "2026-01 total 1.98",
    ],
    # (10 x 10 + 4 x 21) / 31 = 5.935483870968 seats: 71.225806, then 4 x 12.
    "seats": [
        "2026-01 charge seats 71.23 {}",
        "2026-01 total 84.76",
        "2026-02 charge seats 48 {}",
        "2026-02 total 57.12",
        "2026-03 charge seats 48 {}",
        "2026-03 total 57.12",
    ],
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Installation:
    """A small sample under the shipped price book."""
    installation = Installation(tmp_path_factory.mktemp("demo"), dbt_folder)
    shutil.copytree(REPOSITORY / "pricing_seeds", installation.pricing)
    write_sample(installation.landing, events=1_000)
    installation.ingest(LOADED_AT)
    installation.dbt_build("2026-03")
    return installation


@pytest.mark.parametrize("name", list(BILLS))
def test_the_bill_is_the_one_worked_out_by_hand(demo: Installation, name: str) -> None:
    rows = demo.rows(
        """
        with

        invoices as (

            select * from marts.fct_invoices where customer_id = ?

        )

        select billing_period, 1 as part, line_type || ' ' || charge_code as title,
            fct_invoice_lines.net_amount as amount, dimension_values
        from invoices
        inner join marts.fct_invoice_lines using (invoice_id)
        union all
        select billing_period, 2, 'total', total_amount, ''
        from invoices
        order by billing_period, part, title, amount
        """,
        [f"cus_example_{name}"],
    )
    assert [
        f"{row['billing_period']} {row['title']} {format(row['amount'].normalize(), 'f')}"
        f" {row['dimension_values']}".rstrip()
        for row in rows
    ] == BILLS[name]
