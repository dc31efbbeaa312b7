"""Broken files beside good ones, from landing to invoice: every record has its fate.

The customer uses 5 units at 1; whatever else lands, the bill moves by what is sound alone.
"""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path

import pytest

from tests.harness import Installation, Scenario

SOUND = Decimal(5)


def line(event_id: str, data: str, **changes: str) -> str:
    """An NDJSON line of the customer; `data` is JSON text as it stands."""
    attributes = {"id": event_id, "source": "test", "type": "use", "subject": "sound"}
    attributes |= {"time": "2026-01-10T12:00:00Z"} | changes
    return f'{json.dumps(attributes)[:-1]}, "data": {data}}}'


def file(*lines: str) -> bytes:
    """The bytes of a file of these lines."""
    return "\n".join(lines).encode()


# File, its bytes, the fates and reasons of its records, and the quantity that it bills.
Landed = tuple[str, bytes, dict[tuple[str, str], int], str]
FILES: list[Landed] = [
    (
        "cut.ndjson",
        file(line("cut-1", '{"quantity": 2}'), line("cut-2", '{"quantity": 4}')[:60]),
        {("rated", ""): 1, ("rejected", "malformed"): 1},
        "2",
    ),
    ("empty.ndjson", b"", {}, "0"),
    ("empty.csv", b"", {}, "0"),
    (
        "bom-crlf.csv",
        b"\xef\xbb\xbf"
        + file(
            "id,source,type,subject,time,quantity\r",
            "crlf,test,use,sound,2026-01-10T12:00:00Z,1.25\r",
        ),
        {("rated", ""): 1},
        "1.25",
    ),
    (
        "forty-digits.ndjson",
        line("forty", f'{{"quantity": {"4" * 40}}}').encode(),
        {("rejected", "out_of_range"): 1},
        "0",
    ),
    (
        "nan.ndjson",
        file(line("nan-1", '{"quantity": NaN}'), line("nan-2", '{"quantity": "NaN"}')),
        {("rejected", "malformed"): 1, ("rejected", "invalid_quantity"): 1},
        "0",
    ),
    (
        "1e400.ndjson",
        file(line("e-1", '{"quantity": 1e400}'), line("e-2", '{"quantity": "1e400"}')),
        {("rejected", "out_of_range"): 2},
        "0",
    ),
    (
        "negative.ndjson",
        line("negative", '{"quantity": -0.5}').encode(),
        {("rated", ""): 1},
        "-0.5",
    ),
    (
        "deep.ndjson",
        line("deep", f'{{"quantity": {"[" * 5000}{"]" * 5000}}}').encode(),
        {("rejected", "malformed"): 1},
        "0",
    ),
    (
        "keys.ndjson",
        line("keys", '{"quantity": 1, "quantity": 1}').encode(),
        {("rejected", "malformed"): 1},
        "0",
    ),
    (
        "utf-8.ndjson",
        line("bytes", '{"quantity": 1, "note": "?"}').encode().replace(b"?", b"\xff"),
        {("rejected", "malformed"): 1},
        "0",
    ),
    (
        'it\'s "odd" [ab]*; drop table.ndjson',
        line("path", '{"quantity": 0.25}').encode(),
        {("rated", ""): 1},
        "0.25",
    ),
    (
        "text.ndjson",
        file(
            *(
                line(text, '{"quantity": 1}', subject=text)
                for text in (
                    "'; drop table raw.usage_events; --",
                    "<script>x</script>",
                    "=1+1",
                )
            )
        ),
        {("unknown_subject", ""): 3},
        "0",
    ),
]


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Installation:
    world = Scenario()
    world.meter("used", "use")
    world.subscriber("sound")
    world.event("sound", str(SOUND))
    installation = Installation(tmp_path_factory.mktemp("landed"), dbt_folder)
    installation.write_price_book(world)
    installation.land(world)
    for name, content, _, _ in FILES:
        (installation.landing / "usage" / name).write_bytes(content)
    noise = random.Random(7).randbytes(100_000)
    (installation.landing / "usage" / "noise.ndjson").write_bytes(noise)
    installation.ingest()
    installation.dbt_build()
    return installation


@pytest.mark.parametrize(
    ("name", "content", "fates", "quantity"), FILES, ids=[case[0] for case in FILES]
)
def test_every_record_of_a_broken_file_has_its_fate(
    landed: Installation,
    name: str,
    content: bytes,
    fates: dict[tuple[str, str], int],
    quantity: str,
) -> None:
    rows = landed.rows(
        "select fate, coalesce(reason, '') as reason, sum(event_count)::int as count"
        " from marts.fct_event_fates where source_file = ? group by all",
        [f"usage/{name}"],
    )
    assert {(row["fate"], row["reason"]): row["count"] for row in rows} == fates


def test_noise_is_rejected_whole(landed: Installation) -> None:
    rows = landed.rows(
        "select distinct fate, reason from marts.fct_event_fates where source_file = ?",
        ["usage/noise.ndjson"],
    )
    assert [tuple(row.values()) for row in rows] == [("rejected", "malformed")]


def test_the_bill_is_that_of_the_sound_records(landed: Installation) -> None:
    """One broken file would otherwise change, or stop, the bills of everybody."""
    (invoice,) = landed.rows("select net_amount from marts.fct_invoices")
    expected = SOUND + sum(Decimal(quantity) for _, _, _, quantity in FILES)
    assert invoice["net_amount"] == expected == Decimal(8)
