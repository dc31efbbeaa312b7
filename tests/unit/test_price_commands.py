"""What `prices check` and `prices show` tell a person about a price book."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from dagster_project import price_commands
from dagster_project.cli import cli
from dagster_project.lib.price_book import COLUMNS, OPTIONAL_FILES, check_price_book
from dagster_project.lib.price_book.remedies import remedy
from dagster_project.lib.price_book.showing import read_plan, show_plan
from tests.unit.test_price_book import EDITS, SHIPPED, SOUND, write_book

BOOK = SOUND | {
    "prices.csv": SOUND["prices.csv"].replace(
        "fee_1,p,fee,Fee,,flat,9.90,,,,,,arrears,true,services,,,",
        "fee_1,p,fee,Fee,,flat,9.9,,,,,,arrears,true,services,,,\n"
        "call_9,p,calls,Calls,calls,per_unit,1234.5,,,5,7.125,,arrears,,,sub_1,2026-01-01,",
    ),
}


@pytest.mark.parametrize(("file", "old", "new", "row", "column", "words"), EDITS)
def test_each_defect_says_how_to_mend_it(
    tmp_path: Path, file: str, old: str, new: str, row: int, column: str, words: str
) -> None:
    """A person who is only told what is wrong has to ask somebody else what would be right."""
    book = SOUND | {file: SOUND[file].replace(old, new)}
    defects = check_price_book(write_book(tmp_path, book))
    assert [str(defect) for defect in defects if not remedy(defect, SHIPPED)] == []


def test_every_defect_is_in_the_table_and_fails_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that goes on after an unsound book would bill with it."""
    book = {
        "prices.csv": BOOK["prices.csv"].replace("9.9,", "9;9,").replace("talk,tiered", "x,t")
    }
    write_book(tmp_path, BOOK | book)
    monkeypatch.setenv("METERHOUSE_PRICING_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    rows: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        price_commands, "_print", lambda tables: rows.extend(r for t in tables for r in t.rows)
    )
    result = CliRunner().invoke(cli, ["prices", "check"])
    assert result.exit_code == 1
    assert [row[:3] for row in rows] == [
        ("prices.csv", "2", "unit_price"),
        ("prices.csv", "6", "meter_code"),
        ("prices.csv", "6", "pricing_model"),
    ]
    assert rows[0][4].startswith("Write digits with a point: 1234.5 or 6.25e-07, no commas.")
    assert rows[1][4].startswith("Use a code of meters.csv, or add this one there.")


def test_a_sound_price_book_passes_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline that checks prices before it ships them must be able to be green."""
    monkeypatch.setenv("METERHOUSE_PRICING_DIR", str(SHIPPED))
    assert CliRunner().invoke(cli, ["prices", "check"]).exit_code == 0


def test_a_warning_is_printed_and_passes_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A feed-in tariff would keep a pipeline red; a minus in error would pass in silence."""
    write_book(tmp_path, BOOK)
    monkeypatch.setenv("METERHOUSE_PRICING_DIR", str(tmp_path))
    printed: list[str] = []
    monkeypatch.setattr(price_commands, "_say", printed.append)
    assert CliRunner().invoke(cli, ["prices", "check"]).exit_code == 0
    warning, sound = printed
    assert warning == (
        "Warning: prices.csv, row 5, column unit_price: unit_price -1 is below zero. "
        "Take the minus away, unless money is to be given back."
    )
    assert sound == f"The price book in {tmp_path} is sound."


def test_a_plan_of_an_unsound_price_book_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would show a plan that cannot be billed, or a traceback over a number."""
    write_book(tmp_path, BOOK | {"prices.csv": BOOK["prices.csv"].replace("9.9,", "much,")})
    monkeypatch.setenv("METERHOUSE_PRICING_DIR", str(tmp_path))
    result = CliRunner().invoke(cli, ["prices", "show", "p"])
    assert "prices.csv, row 2, column unit_price: 'much'" in str(result.exception)


def test_prices_for_many_units_and_larger_units_are_shown(tmp_path: Path) -> None:
    """0.05 per 60 seconds, read as 0.05 a second, is sixty times as much."""
    meters = [
        "talk,Talk,call,sum,seconds,hour,,,,,3600",
        "calls,Calls,call,count,,thousand,,,,,1E3",
        "disk,Disk,disk,time_weighted,bytes,GiB-hour,,,,,1073741824",
        "rings,Rings,call,sum,seconds,second,,,,,",
    ]
    prices = [
        ("talk", "per_unit", "4.65", ""),
        ("calls", "tiered", "", "10"),
        ("disk", "per_unit", "6.25e-07", ""),
        ("rings", "per_unit", ".05", "60"),
    ]
    book = SOUND | {
        "meters.csv": "\n".join(
            [",".join([*COLUMNS["meters.csv"], "unit_quantity"]), *meters]
        ),
        "prices.csv": "\n".join(
            [",".join([*COLUMNS["prices.csv"], "price_quantity"])]
            + [
                f"{code},p,{code},{code},{code},{model},{price},,,,,,arrears,,,,,,{quantity}"
                for code, model, price, quantity in prices
            ]
        ),
        "price_tiers.csv": "price_id,up_to,unit_price,flat_amount\n"
        "calls,1e4,1e-1,\ncalls,,.05,+2\n",
    }
    book = {file: text for file, text in book.items() if file not in OPTIONAL_FILES}
    assert check_price_book(write_book(tmp_path, book)) == []
    (charges,) = show_plan(read_plan(tmp_path, "p"))
    assert [row[1].replace("\u00a0", " ").split("\n") for row in charges.rows] == [
        ["Talk, in hour", "1 hour = 3,600 seconds", "EUR 4.65 per hour"],
        [
            "Calls, in thousand",
            "1 thousand = 1,000 events",
            "each in its tier:",
            "  above 0 to 10,000: EUR 0.10 per 10 thousand",
            "  above 10,000: EUR 0.05 per 10 thousand, and EUR 2.00",
        ],
        [
            "Disk, in GiB-hour",
            "(time_weighted)",
            "1 GiB-hour = 1,073,741,824 bytes × hours",
            "EUR 0.000000625 per GiB-hour",
        ],
        ["Rings, in second", "EUR 0.05 per 60 second"],
    ]


def test_a_plan_is_shown_as_a_person_reads_it(tmp_path: Path) -> None:
    """Every figure of a price is there, with the decimals of its currency at least."""
    tables = show_plan(read_plan(write_book(tmp_path, BOOK), "p"))
    charges, discounts, commitments = (
        [tuple(cell.replace("\u00a0", " ").split("\n") for cell in row) for row in table.rows]
        for table in tables
    )
    assert tables[0].title == "Plan (p): EUR, billed by the month"
    assert charges == [
        (["Fee", "(fee)"], ["EUR 9.90 a month"], ["in arrears", "by days", "tax: services"]),
        (
            ["Calls", "(calls)", "only for sub_1", "from 2026-01-01"],
            ["Calls, in call", "kind: a or b", "zone: x", "EUR 1,234.50 per call"],
            ["at least EUR 5.00", "at most EUR 7.125", "in arrears", "tax: none"],
        ),
        (
            ["Calls", "(calls)", "from 2025-01-01", "until 2026-02-15"],
            ["Calls, in call", "kind: a or b", "zone: x", "EUR 0.000000000001 per call"],
            ["first 10 free", "in arrears", "tax: none"],
        ),
        (
            ["Calls", "(calls)", "from 2026-02-15"],
            ["Calls, in call", "kind: a or b", "zone: x", "EUR \u22121.00 per call"],
            ["in arrears", "tax: none"],
        ),
        (
            ["Talk", "(talk)", "from 2025-01-01T00:00:00Z"],
            [
                "Talk, in second",
                "each event rounded up to 60, at least 60",
                "each in its tier:",
                "  above 0 to 60: EUR 0.10 per second",
                "  above 60: EUR 0.05 per second, and EUR 1.00",
            ],
            ["in arrears", "tax: none"],
        ),
        (
            ["Packs", "(packs)", "from 2025-01-01"],
            [
                "Calls, in call",
                "kind: a or b",
                "zone: x",
                "EUR 5.00 for each 100 call begun",
            ],
            ["in arrears", "tax: none"],
        ),
    ]
    assert discounts == [
        (
            ["Ten off", "(ten)"],
            ["10%"],
            ["calls"],
            ["from 2026-01-01", "until 2027-01-01", "for 3 periods"],
        ),
        (["Five off", "(five)"], ["EUR 5.00"], ["volume"], [""]),
        (["Free calls", "(free)"], ["100 units"], ["calls"], [""]),
    ]
    assert commitments == [
        (
            ["Volume", "(volume)"],
            ["EUR 100.00 a period, beyond it \u00d7 1.5"],
            ["calls"],
            [""],
        ),
        (
            ["Deal", "(deal)"],
            ["EUR 1,200.00 a term"],
            ["every charge"],
            ["from 2026-01-01", "until 2027-01-01"],
        ),
    ]


def test_bands_say_what_they_mean(tmp_path: Path) -> None:
    """A price for "night" says nothing to whoever does not know when the night begins."""
    prices = SOUND["prices.csv"].replace(",10,,,,arrears", ",10,,,zone=night,arrears")
    hours = "mon|tue|wed|thu|fri|sat|sun"
    book = SOUND | {
        "prices.csv": prices,
        "dimension_bands.csv": (
            "event_type,dimension,property,up_to,band\n"
            "call,kind,seconds,60,short\ncall,kind,seconds,,long\n"
        ),
        "time_bands.csv": (
            "dimension,days,from_time,to_time,band\n"
            f"zone,{hours},00:00,06:00,night\nzone,{hours},06:00,24:00,day\n"
        ),
    }
    (_, bands, *_) = show_plan(read_plan(write_book(tmp_path, book), "p"))
    assert bands.rows == [
        ("zone", "night", "mon, tue, wed, thu, fri, sat, sun: 00:00 to 06:00"),
        ("zone", "day", "mon, tue, wed, thu, fri, sat, sun: 06:00 to 24:00"),
    ]


def test_a_band_that_only_a_meter_looks_at_is_shown(tmp_path: Path) -> None:
    """Nobody could tell from "kind: not short" which calls are counted."""
    meters = SOUND["meters.csv"].replace(
        "kind=a|b;zone=x,zone|kind", "kind!=short;len>=5,zone"
    )
    book = SOUND | {
        "meters.csv": meters,
        "dimension_bands.csv": (
            "event_type,dimension,property,up_to,band\n"
            "call,kind,seconds,60,short\ncall,kind,seconds,,long\n"
        ),
    }
    (prices, bands, *_) = show_plan(read_plan(write_book(tmp_path, book), "p"))
    assert any("kind: not short\nlen: >= 5" in cell for row in prices.rows for cell in row)
    assert [row[:2] for row in bands.rows] == [("kind", "short"), ("kind", "long")]


def test_an_unknown_plan_is_one_sentence(tmp_path: Path) -> None:
    """A traceback would not say which plans there are."""
    with pytest.raises(ValueError, match=r"There is no plan 'q'; the price book has p\."):
        read_plan(write_book(tmp_path, BOOK), "q")
