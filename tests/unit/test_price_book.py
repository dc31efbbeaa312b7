"""Each defect of a price book is found where it is; the shipped book has none.

The books are small and edited as text, so that the expected line can be counted by eye.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from dagster_project.lib.dbt_project import seed_columns
from dagster_project.lib.price_book import (
    COLUMNS,
    OPTIONAL_FILES,
    Defect,
    check_price_book,
    examine_price_book,
)
from dagster_project.lib.price_book.records import OPTIONAL_COLUMNS

SHIPPED = Path(__file__).parents[2] / "pricing_seeds"

# prices.csv: line 2 flat, 3 and 4 two versions, 5 tiered, 6 package.
SOUND = {
    "meters.csv": """\
meter_code,meter_name,event_type,aggregation,value_property,unit,filter,dimensions,\
rounding_increment,minimum_quantity
calls,Calls,call,count,,call,kind=a|b;zone=x,zone|kind,,
talk,Talk,call,sum,seconds,second,,,60,60
""",
    "plans.csv": "plan_code,plan_name,currency_code,billing_interval\np,Plan,EUR,month\n",
    "prices.csv": """\
price_id,plan_code,charge_code,charge_name,meter_code,pricing_model,unit_price,package_size,\
included_quantity,minimum_amount,maximum_amount,dimension_filter,billed,prorated,\
tax_category,subscription_id,valid_from,valid_to
fee_1,p,fee,Fee,,flat,9.90,,,,,,arrears,true,services,,,
call_1,p,calls,Calls,calls,per_unit,0.000000000001,,10,,,,arrears,false,,,2025-01-01,2026-02-15
call_2,p,calls,Calls,calls,per_unit,-1,,,,,,arrears,,,,2026-02-15,
talk_1,p,talk,Talk,talk,tiered,,,,,,,arrears,false,,,2025-01-01T00:00:00Z,
pack_1,p,packs,Packs,calls,package,5,100,,,,,arrears,false,,,2025-01-01,
""",
    "price_tiers.csv": """\
price_id,up_to,unit_price,flat_amount
talk_1,60,0.1,
talk_1,,0.05,1
""",
    "currencies.csv": "currency_code,minor_units\nEUR,2\nJPY,0\n",
    "tax_rates.csv": """\
tax_category,country_code,tax_code,rate,valid_from,valid_to
services,DE,DE-VAT,19,,2026-01-01
services,DE,DE-VAT,20.5,2026-01-01,
""",
    "seller.csv": """\
seller_name,address_line,city,postal_code,country_code,tax_id,email,payment_terms_days,\
payment_details
Seller,Street 1,Berlin,10115,DE,,,14,
""",
    "quality_acknowledgements.csv": """\
event_type,silent_from,silent_to,reason,acknowledged_by
call,2026-01-20,2026-01-21T06:00:00Z,flood,CFO
""",
    "discounts.csv": """\
discount_code,discount_name,discount_kind,discount_percent,discount_amount,free_quantity,\
currency_code,plan_code,charge_code,valid_from,valid_to,period_count
ten,Ten off,percentage,10,,,,p,calls,2026-01-01,2027-01-01,3
five,Five off,fixed,,5,,EUR,,volume,,,
free,Free calls,free_units,,,100,,,calls,,,
""",
    "exchange_rates.csv": """\
from_currency,to_currency,rate_date,rate
JPY,EUR,2026-01-01,0.0065
JPY,EUR,2026-02-01,0.007
""",
    "commitments.csv": """\
commitment_code,commitment_name,commitment_interval,commitment_amount,currency_code,\
plan_code,charge_code,overage_factor,tax_category,valid_from,valid_to
volume,Volume,period,100,EUR,p,calls,1.5,services,,
deal,Deal,term,1200,EUR,p,,,,2026-01-01,2027-01-01
""",
}

# (file, old text, new text, line, column, words of the message)
EDITS = [
    ("meters.csv", "call,count", "call,median", 2, "aggregation", "unknown"),
    ("meters.csv", "call,count,", "call,latest,", 2, "value_property", "is empty"),
    ("meters.csv", "call,count,", "call,max,", 2, "value_property", "is empty"),
    ("meters.csv", "call,count,", "call,unique_count,", 2, "value_property", "is empty"),
    ("meters.csv", "sum,seconds", "sum,", 3, "value_property", "is empty"),
    ("meters.csv", "kind=a|b", "kind", 2, "filter", "not a property=value pair"),
    ("meters.csv", "kind=a|b", "kind=a|", 2, "filter", "names nothing"),
    ("meters.csv", "kind=a|b", "kind=", 2, "filter", "names nothing"),
    ("meters.csv", "kind=a|b", "=a", 2, "filter", "names nothing"),
    ("meters.csv", "zone=x,", "zone=x;,", 2, "filter", "names nothing"),
    ("meters.csv", "zone=x", "kind=c", 2, "filter", "2 times"),
    ("meters.csv", "kind=a|b", "kind=a| b", 2, "filter", "spaces around"),
    ("meters.csv", "kind=a|b", "kind=a\x01|b", 2, "filter", "control character"),
    ("meters.csv", "kind=a|b", "kind==a", 2, "filter", "unknown operator =="),
    ("meters.csv", "kind=a|b", "kind=~a", 2, "filter", "unknown operator =~"),
    ("meters.csv", "kind=a|b", "kind!!=a", 2, "filter", "unknown operator !!="),
    ("meters.csv", "kind=a|b", "kind<>a", 2, "filter", "unknown operator <>"),
    ("meters.csv", "kind=a|b", "kind=>5|6", 2, "filter", "unknown operator =>"),
    ("meters.csv", "kind=a|b", "kind~a", 2, "filter", "not a property=value pair"),
    ("meters.csv", "kind=a|b", "kind!=", 2, "filter", "names nothing as a value"),
    ("meters.csv", "kind=a|b", "!=a", 2, "filter", "names nothing before its !="),
    ("meters.csv", "kind=a|b", "kind!= a", 2, "filter", "spaces around"),
    ("meters.csv", "kind=a|b", "kind!=a*b", 2, "filter", "not at its end"),
    ("meters.csv", "kind=a|b", "kind>a", 2, "filter", "not a plain decimal"),
    ("meters.csv", "kind=a|b", "kind>=5*", 2, "filter", "not a plain decimal"),
    ("meters.csv", "kind=a|b", "kind>", 2, "filter", "names nothing as a value"),
    ("meters.csv", "kind=a|b", "kind<5|6", 2, "filter", "more than one number"),
    ("meters.csv", "kind=a|b", "kind<=1e-13", 2, "filter", "12 decimal places"),
    ("meters.csv", "kind=a|b", "kind<=1e26", 2, "filter", "26 digits"),
    ("meters.csv", "kind=a|b", "kind>1;kind>2", 2, "filter", "named 2 times with >"),
    ("meters.csv", "zone|kind", "zone|ki\tnd", 2, "dimensions", "control character"),
    ("meters.csv", "zone|kind", "zone||kind", 2, "dimensions", "names nothing"),
    ("meters.csv", "zone|kind", "zone|zone", 2, "dimensions", "2 times"),
    ("meters.csv", ",60,60", ",0,60", 3, "rounding_increment", "not above 0"),
    ("meters.csv", ",60,60", ",-1,60", 3, "rounding_increment", "not above 0"),
    ("meters.csv", ",60,60", ",60,-1", 3, "minimum_quantity", "below 0"),
    ("meters.csv", "talk,Talk", "calls,Talk", 3, "meter_code", "already on row 2"),
    ("meters.csv", "talk,Talk", "talk,", 3, "meter_name", "is empty"),
    ("plans.csv", "EUR", "XXX", 2, "currency_code", "not in currencies.csv"),
    ("plans.csv", "EUR", "", 2, "currency_code", "is empty"),
    ("plans.csv", "month", "week", 2, "billing_interval", "unknown"),
    ("plans.csv", "month\n", "month\np,Again,EUR,month\n", 3, "plan_code", "on row 2"),
    ("prices.csv", "call_2,p", "call_1,p", 4, "price_id", "already on row 3"),
    ("prices.csv", "fee_1,p", "fee_1,q", 2, "plan_code", "not in plans.csv"),
    ("prices.csv", "Packs,calls", "Packs,faxes", 6, "meter_code", "not in meters.csv"),
    ("prices.csv", "services", "energy", 2, "tax_category", "not in tax_rates.csv"),
    ("prices.csv", "Talk,talk,tiered", "Talk,talk,stairs", 5, "pricing_model", "unknown"),
    ("prices.csv", "calls,package", "calls,dynamic", 6, "package_size", "has to be empty"),
    ("prices.csv", "Packs,calls", "Packs,", 6, "meter_code", "needs a meter"),
    ("prices.csv", "Fee,,flat", "Fee,calls,flat", 2, "meter_code", "has to be empty"),
    ("prices.csv", "flat,9.90", "flat,", 2, "unit_price", "is empty"),
    ("prices.csv", "flat,9.90", "flat,NaN", 2, "unit_price", "not a plain decimal"),
    ("prices.csv", "flat,9.90", "flat,1e", 2, "unit_price", "not a plain decimal"),
    ("prices.csv", "flat,9.90", "flat,.", 2, "unit_price", "not a plain decimal"),
    ("prices.csv", "flat,9.90", "flat,--5", 2, "unit_price", "not a plain decimal"),
    ("prices.csv", "flat,9.90", "flat,1_000", 2, "unit_price", "not a plain decimal"),
    ("prices.csv", "flat,9.90", "flat,1e-13", 2, "unit_price", "12 decimal places"),
    ("prices.csv", "flat,9.90", "flat,1.5E-12", 2, "unit_price", "12 decimal places"),
    ("prices.csv", "flat,9.90", "flat,1e14", 2, "unit_price", "14 digits"),
    ("prices.csv", "flat,9.90", "flat,9e999", 2, "unit_price", "14 digits"),
    ("prices.csv", ",10,,,,arrears,false", ",10,,,,arrears,TRUE", 3, "prorated", "no effect"),
    (
        "prices.csv",
        "tiered,,,,,,,arrears,false",
        "tiered,,,,,,,arrears,true",
        5,
        "prorated",
        "no effect on a sum",
    ),
    ("prices.csv", "flat,9.90", "flat,٣", 2, "unit_price", "not a plain decimal"),
    ("prices.csv", "flat,9.90", 'flat,"9,90"', 2, "unit_price", "not a plain decimal"),
    ("prices.csv", "flat,9.90", "flat,0.0000000000001", 2, "unit_price", "12 decimal places"),
    ("prices.csv", "flat,9.90", "flat,100000000000000", 2, "unit_price", "14 digits"),
    ("prices.csv", ",,10,", f",,{10**26},", 3, "included_quantity", "26 digits"),
    ("prices.csv", ",,10,", ",,1e26,", 3, "included_quantity", "26 digits"),
    ("prices.csv", ",,10,", ",,-10,", 3, "included_quantity", "below 0"),
    ("prices.csv", "tiered,", "tiered,1", 5, "unit_price", "has to be empty"),
    ("prices.csv", "package,5,100", "package,5,", 6, "package_size", "is empty"),
    ("prices.csv", "package,5,100", "package,5,0", 6, "package_size", "not above 0"),
    ("prices.csv", "flat,9.90,", "flat,9.90,7", 2, "package_size", "has to be empty"),
    ("prices.csv", ",,10,,,,", ",,10,-5,,,", 3, "minimum_amount", "below 0"),
    ("prices.csv", ",,10,,,,", ",,10,,x,,", 3, "maximum_amount", "not a plain decimal"),
    ("prices.csv", ",,10,,,,", ",,10,5,4.99,,", 3, "maximum_amount", "below minimum_amount"),
    ("prices.csv", ",,10,,,,", ",,10,,,a=b,", 3, "dimension_filter", "not a dimension"),
    ("prices.csv", ",,10,,,,", ",,10,,,zone,", 3, "dimension_filter", "not a property=value"),
    ("prices.csv", ",,10,,,,", ",,10,,,zone=a*b,", 3, "dimension_filter", "not at its end"),
    ("prices.csv", ",,10,,,,", ",,10,,,zone=<5,", 3, "dimension_filter", "operator =<"),
    ("prices.csv", ",,10,,,,", ",,10,,,zone<=x,", 3, "dimension_filter", "plain decimal"),
    ("prices.csv", ",,10,,,,", ",,10,,,a!=b,", 3, "dimension_filter", "not a dimension"),
    ("prices.csv", ",,10,,,,arrears", ",,10,,,,advance", 3, "billed", "before it happens"),
    ("prices.csv", "arrears,true", "later,true", 2, "billed", "unknown"),
    ("prices.csv", "arrears,true", "arrears,maybe", 2, "prorated", "neither true nor false"),
    ("prices.csv", ",2026-02-15,\n", ",2026-02-16,\n", 4, "valid_from", "gap"),
    ("prices.csv", ",2026-02-15,\n", ",2026-02-14,\n", 4, "valid_from", "overlaps"),
    ("prices.csv", ",2026-02-15,\n", ",,\n", 3, "valid_from", "overlaps"),
    ("prices.csv", ",2026-02-15\n", ",\n", 4, "valid_from", "never ends"),
    ("prices.csv", ",2026-02-15,\n", ",2026-02-15T00:00Z,\n", 4, "valid_from", "local date"),
    ("prices.csv", "2025-01-01,2026-02-15", "2025-01-01,2024-01-01", 3, "valid_to", "after"),
    ("prices.csv", "2025-01-01,2026-02-15", "2026-02-15,2026-02-15", 3, "valid_to", "after"),
    ("prices.csv", ",2026-02-15,\n", ",2026-02-30,\n", 4, "valid_from", "not a date"),
    ("prices.csv", ",2026-02-15,\n", ",15.02.2026,\n", 4, "valid_from", "not a date"),
    ("prices.csv", "fee_1,p,fee,Fee,", "fee_1,p,fee, Fee,", 2, "charge_name", "spaces"),
    ("price_tiers.csv", "talk_1,,", "talk_1,90,", 3, "up_to", "last one is closed"),
    ("price_tiers.csv", "talk_1,,", "talk_1,60,0,\ntalk_1,,", 3, "up_to", "already on row 2"),
    ("price_tiers.csv", "talk_1,,", "talk_1,9.5,0,\ntalk_1,,", 3, "up_to", "below the tier"),
    ("price_tiers.csv", "talk_1,60", "talk_1,", 3, "up_to", "after the open one"),
    ("price_tiers.csv", "talk_1,60", "talk_1,0", 2, "up_to", "not above 0"),
    ("price_tiers.csv", "talk_1,60", "talk_9,60", 2, "price_id", "not in prices.csv"),
    ("price_tiers.csv", "0.05,1\n", "0.05,1\npack_1,,1,\n", 4, "price_id", "takes no tiers"),
    ("price_tiers.csv", "0.05,1", ",1", 3, "unit_price", "is empty"),
    ("price_tiers.csv", "0.05,1", "0.05,inf", 3, "flat_amount", "not a plain decimal"),
    ("currencies.csv", "JPY", "EUR", 3, "currency_code", "already on row 2"),
    ("currencies.csv", "JPY", "yen", 3, "currency_code", "three capital letters"),
    ("currencies.csv", "JPY,0", "JPY,", 3, "minor_units", "from 0 to 4"),
    ("tax_rates.csv", "DE,DE-VAT,20.5", "DD,DD-VAT,20.5", 3, "country_code", "unknown"),
    ("tax_rates.csv", "20.5", "", 3, "rate", "is empty"),
    ("tax_rates.csv", "20.5", "-1", 3, "rate", "below 0"),
    ("tax_rates.csv", ",2026-01-01,\n", ",2026-01-02,\n", 3, "valid_from", "gap"),
    ("tax_rates.csv", ",2026-01-01,\n", ",2025-01-01,\n", 3, "valid_from", "overlaps"),
    ("seller.csv", "10115,DE", "10115,XX", 2, "country_code", "unknown"),
    ("seller.csv", ",14,", ",soon,", 2, "payment_terms_days", "whole number"),
    ("seller.csv", "Seller,", ",", 2, "seller_name", "is empty"),
    ("quality_acknowledgements.csv", ",flood", ",", 2, "reason", "is empty"),
    ("quality_acknowledgements.csv", ",CFO", ",", 2, "acknowledged_by", "is empty"),
    ("quality_acknowledgements.csv", "2026-01-20", "soon", 2, "silent_from", "not a date"),
    ("quality_acknowledgements.csv", "2026-01-20", "2026-01-22", 2, "silent_to", "not after"),
    ("discounts.csv", "five,Five", "ten,Five", 3, "discount_code", "already on row 2"),
    ("discounts.csv", "Ten off", "", 2, "discount_name", "is empty"),
    ("discounts.csv", "percentage", "percent", 2, "discount_kind", "unknown"),
    ("discounts.csv", "percentage,10,", "percentage,,", 2, "discount_percent", "is empty"),
    (
        "discounts.csv",
        "percentage,10,",
        "percentage,101,",
        2,
        "discount_percent",
        "everything",
    ),
    ("discounts.csv", "percentage,10,", "percentage,0,", 2, "discount_percent", "not above 0"),
    ("discounts.csv", "percentage,10,", "percentage,10,1", 2, "discount_amount", "be empty"),
    ("discounts.csv", "fixed,,5,,EUR", "fixed,,5,,", 3, "currency_code", "is empty"),
    ("discounts.csv", "fixed,,5,,EUR", "fixed,,5,,XXX", 3, "currency_code", "currencies.csv"),
    (
        "discounts.csv",
        "fixed,,5,",
        "fixed,,0.00001,",
        3,
        "discount_amount",
        "4 decimal places",
    ),
    ("discounts.csv", ",p,calls", ",q,calls", 2, "plan_code", "not in plans.csv"),
    ("discounts.csv", ",p,calls", ",p,faxes", 2, "charge_code", "not in plan p"),
    ("discounts.csv", "100,,,calls", "100,,,", 4, "charge_code", "is empty"),
    ("discounts.csv", "2026-01-01", "2028-01-01", 2, "valid_to", "not after"),
    ("discounts.csv", "2026-01-01", "soon", 2, "valid_from", "not a date"),
    ("discounts.csv", ",3\n", ",0\n", 2, "period_count", "whole number"),
    ("exchange_rates.csv", "JPY,EUR,2026-01", "XXX,EUR,2026-01", 2, "from_currency", "not in"),
    ("exchange_rates.csv", "0.0065", "0", 2, "rate", "not above 0"),
    ("exchange_rates.csv", "2026-01-01", "2026-02-01", 3, "rate_date", "already on row 2"),
    ("exchange_rates.csv", "2026-01-01", "2026-01-01T00:00Z", 2, "rate_date", "not a date"),
    ("commitments.csv", "deal,Deal", "volume,Deal", 3, "commitment_code", "on row 2"),
    ("commitments.csv", "deal,Deal", "fee,Deal", 3, "commitment_code", "code of a charge"),
    ("commitments.csv", "period,100", "month,100", 2, "commitment_interval", "unknown"),
    ("commitments.csv", "period,100", "period,0", 2, "commitment_amount", "not above 0"),
    ("commitments.csv", "100,EUR,p", "100,XXX,p", 2, "currency_code", "not in currencies.csv"),
    ("commitments.csv", "100,EUR,p", "100,EUR,", 2, "subscription_id", "neither"),
    ("commitments.csv", "calls,1.5", "faxes,1.5", 2, "charge_code", "not in plan p"),
    ("commitments.csv", "calls,1.5", "calls,-1", 2, "overage_factor", "below 0"),
    ("commitments.csv", "1.5,services", "1.5,energy", 2, "tax_category", "not in tax_rates"),
    ("commitments.csv", "2026-01-01,2027-01-01", "2026-01-01,", 3, "valid_to", "is empty"),
]


def write_book(folder: Path, book: dict[str, str]) -> Path:
    for file, text in book.items():
        (folder / file).write_text(text, encoding="utf-8")
    return folder


def test_the_shipped_price_book_is_sound() -> None:
    """A book that refuses itself would bill nobody."""
    assert [str(defect) for defect in check_price_book(SHIPPED)] == []


def test_the_shipped_price_book_has_the_columns_that_it_must_have_in_order() -> None:
    """Tools that write price books by position would fill the wrong columns."""
    for file, columns in COLUMNS.items():
        if file in OPTIONAL_FILES and not (SHIPPED / file).exists():
            continue
        header = (SHIPPED / file).read_text(encoding="utf-8").splitlines()[0].split(",")
        assert tuple(header[: len(columns)]) == columns, file
        assert set(header[len(columns) :]) <= set(OPTIONAL_COLUMNS.get(file, ())), file


def test_a_sound_price_book_has_no_defects(tmp_path: Path) -> None:
    """A sound book that is refused stops the billing of a whole company."""
    assert [str(defect) for defect in check_price_book(write_book(tmp_path, SOUND))] == []


@pytest.mark.parametrize(("file", "old", "new", "row", "column", "words"), EDITS)
def test_a_defect_is_found_where_it_is(
    tmp_path: Path, file: str, old: str, new: str, row: int, column: str, words: str
) -> None:
    """A price that is wrong in the book is wrong on every invoice."""
    assert SOUND[file].count(old) == 1, "the edit has to be unambiguous"
    book = SOUND | {file: SOUND[file].replace(old, new)}
    defects = check_price_book(write_book(tmp_path, book))
    places = [(d.file, d.row, d.column) for d in defects if words in d.message]
    assert (file, row, column) in places, [str(defect) for defect in defects]


@pytest.mark.parametrize("model", ["tiered", "volume"])
def test_a_tiered_price_without_tiers_is_found(tmp_path: Path, model: str) -> None:
    """Usage would be metered and then priced by nothing."""
    book = SOUND | {
        "prices.csv": SOUND["prices.csv"].replace("talk,tiered", f"talk,{model}"),
        "price_tiers.csv": "price_id,up_to,unit_price,flat_amount\n",
    }
    (defect,) = check_price_book(write_book(tmp_path, book))
    assert (defect.file, defect.row, defect.column) == ("prices.csv", 5, "pricing_model")


@pytest.mark.parametrize("file", [file for file in COLUMNS if file not in OPTIONAL_FILES])
def test_a_missing_file_or_column_is_found(tmp_path: Path, file: str) -> None:
    """The build would stop later, in a query that says nothing about price books."""
    write_book(tmp_path, SOUND)
    column = COLUMNS[file][-1]
    (tmp_path / file).write_text(SOUND[file].replace(column, "other", 1), encoding="utf-8")
    assert Defect(file, 1, column, f"the column {column} is missing") in check_price_book(
        tmp_path
    )
    (tmp_path / file).unlink()
    assert [(d.file, d.row) for d in check_price_book(tmp_path)] == [(file, 1)]


def test_a_price_book_may_lack_what_is_optional(tmp_path: Path) -> None:
    """The least that docs/input_format.md asks for has no seller, discounts or commitments."""
    book = {file: text for file, text in SOUND.items() if file not in OPTIONAL_FILES}
    write_book(tmp_path, book)
    assert check_price_book(tmp_path) == []


def test_rows_are_lines_of_the_file(tmp_path: Path) -> None:
    """Blank lines and line breaks within quotes would send the reader to a wrong line."""
    plans = (
        "plan_code,plan_name,currency_code,billing_interval\n"
        '\np,"Plan\nwith two lines",EUR,month\nq,Plan,XXX,month\n'
    )
    (defect,) = check_price_book(write_book(tmp_path, SOUND | {"plans.csv": plans}))
    assert (defect.row, defect.column) == (5, "currency_code")
    assert str(defect) == (
        "plans.csv, row 5, column currency_code: currency_code 'XXX' is not in currencies.csv."
    )


def test_text_that_is_not_csv_is_found(tmp_path: Path) -> None:
    """An unreadable file has to stop the build with a sentence, not with a traceback."""
    write_book(tmp_path, SOUND)
    latin = SOUND["plans.csv"].encode() + b"q,Pl\xe4n,EUR,month\n"
    (tmp_path / "plans.csv").write_bytes(latin)
    (defect,) = check_price_book(tmp_path)
    assert defect.row == 3
    assert defect.message == (
        "the text is not UTF-8 but perhaps Latin-1, as in 'q,Plän,EUR,month'; "
        "save it as CSV in UTF-8 with commas between the columns"
    )
    text = SOUND["plans.csv"] + "q,Plan,EUR\n"
    (tmp_path / "plans.csv").write_text(text, encoding="utf-8")
    assert [defect.row for defect in check_price_book(tmp_path)] == [3]


def test_a_plan_has_all_its_charges_in_each_of_its_currencies(tmp_path: Path) -> None:
    """A customer who pays in yen would use the others for nothing."""
    prices = SOUND["prices.csv"].replace("valid_to\n", "valid_to,currency_code\n", 1)
    lines = [line if "price_id" in line else f"{line}," for line in prices.splitlines()]
    lines.append("fee_2,p,fee,Fee,,flat,1200,,,,,,arrears,true,services,,,,JPY")
    book = SOUND | {"prices.csv": "\n".join(lines) + "\n"}
    defects = check_price_book(write_book(tmp_path, book))
    assert {(d.row, d.column) for d in defects} == {
        (row, "currency_code") for row in (3, 4, 5, 6)
    }


@pytest.mark.parametrize(
    ("model", "quantity", "words"),
    [
        *((model, "60", "") for model in ("per_unit", "tiered", "volume")),
        *(("per_unit", wrong, "not above 0") for wrong in ("0", "-60")),
        ("tiered", "many", "not a plain decimal"),
        *((model, "60", "empty") for model in ("flat", "package", "percentage", "dynamic")),
    ],
)
def test_a_price_may_be_for_a_number_of_units(
    tmp_path: Path, model: str, quantity: str, words: str
) -> None:
    """What nothing divides would charge sixty times as much as the rate card says."""
    tiered = model in ("tiered", "volume")
    book = {file: text for file, text in SOUND.items() if file not in OPTIONAL_FILES} | {
        "prices.csv": ",".join([*COLUMNS["prices.csv"], "price_quantity"])
        + f"\none,p,talk,Talk,{'' if model == 'flat' else 'talk'},{model},"
        f"{'' if tiered else '0.05'},{'1' if model == 'package' else ''},"
        f",,,,arrears,,,,,,{quantity}\n",
        "price_tiers.csv": ",".join(COLUMNS["price_tiers.csv"])
        + ("\none,,0.05,\n" if tiered else "\n"),
    }
    defects = check_price_book(write_book(tmp_path, book))
    assert [(d.row, d.column) for d in defects] == [(2, "price_quantity")] * bool(words)
    assert all(words in defect.message for defect in defects)


@pytest.mark.parametrize(("quantity", "sound"), [("3600", True), ("", True), ("0", False)])
def test_a_meter_may_count_in_larger_units(tmp_path: Path, quantity: str, sound: bool) -> None:
    """Hours of no seconds would be a division by zero for everybody."""
    first, *rows = SOUND["meters.csv"].splitlines()
    meters = [f"{first},unit_quantity", *(f"{row},{quantity}" for row in rows)]
    book = SOUND | {"meters.csv": "\n".join(meters) + "\n"}
    defects = check_price_book(write_book(tmp_path, book))
    places = {(d.file, d.column) for d in defects}
    assert places == (set() if sound else {("meters.csv", "unit_quantity")})


def _with_column(text: str, name: str, value: str = "") -> str:
    """The same table with a column more."""
    first, *rows = text.splitlines()
    return "\n".join([f"{first},{name}", *(f"{row},{value}" for row in rows)]) + "\n"


@pytest.mark.parametrize(
    ("file", "name", "words"),
    [
        ("prices.csv", "prorate", "'prorate' is unknown; prorated was probably meant"),
        ("prices.csv", "max_amount", "; maximum_amount was probably meant"),
        ("prices.csv", "amount_minimum", "; minimum_amount was probably meant"),
        ("prices.csv", "price_qty", "; price_quantity was probably meant"),
        ("prices.csv", "phase_from_mnth", "; phase_from_month was probably meant"),
        ("prices.csv", "Prorated", "; it has to be written prorated"),
        ("prices.csv", "valid from", "; it has to be written valid_from"),
        ("prices.csv", " tax_category", "; it has to be written tax_category"),
        ("prices.csv", "Billing-Interval", "; it has to be written billing_interval"),
        ("prices.csv", "colour", "'colour' is unknown; known are price_id, plan_code, "),
        ("prices.csv", "", "the header has no name for column 19"),
        ("prices.csv", " ", "the header has no name for column 19"),
        ("prices.csv", "prorated", "the column prorated is there 2 times"),
        ("meters.csv", "units_quantity", "; unit_quantity was probably meant"),
        ("plans.csv", "tax_incl", "; tax_included was probably meant"),
        ("price_tiers.csv", "flat_amt", "; flat_amount was probably meant"),
        ("currencies.csv", "minor_unit", "; minor_units was probably meant"),
        ("tax_rates.csv", "country", "; country_code was probably meant"),
        ("seller.csv", "phone", "'phone' is unknown; known are "),
        ("quality_acknowledgements.csv", "reasons", "; reason was probably meant"),
        ("discounts.csv", "discount_maximum", "; discount_amount was probably meant"),
        ("commitments.csv", "overage", "; overage_factor was probably meant"),
        ("exchange_rates.csv", "date", "; rate_date was probably meant"),
    ],
)
def test_a_column_that_nobody_reads_is_refused(
    tmp_path: Path, file: str, name: str, words: str
) -> None:
    """A fee would be charged whole, 31.00 for 21.00, because of one letter."""
    # More than an integer holds: the engine would take it for a number of its own choice.
    book = SOUND | {file: _with_column(SOUND[file], name, "2147483648")}
    defects = check_price_book(write_book(tmp_path, book))
    found = [(d.file, d.row) for d in defects if words in d.message]
    assert found == [(file, 1)], [str(defect) for defect in defects]


def test_what_else_is_wrong_is_named_beside_a_column_that_nobody_reads(tmp_path: Path) -> None:
    """Who mends one defect after the other runs the command once for each."""
    prices = SOUND["prices.csv"].replace("flat,9.90", "flat,much")
    book = SOUND | {"prices.csv": _with_column(prices, "prorate")}
    defects = check_price_book(write_book(tmp_path, book))
    assert [defect.column for defect in defects] == ["prorate", "unit_price"]


@pytest.mark.parametrize(
    ("name", "is_refused", "words"),
    [
        ("price.csv", True, "nobody reads this file; prices.csv was probably meant"),
        ("meter.csv", True, "meters.csv was probably meant"),
        ("Plans.csv", True, "plans.csv was probably meant"),
        ("prices_eu.csv", True, "prices.csv was probably meant"),
        ("timebands.csv", True, "time_bands.csv was probably meant"),
        ("holidays.CSV", True, "holidays.csv was probably meant"),
        ("time_bands.xlsx", True, "time_bands.csv was probably meant"),
        ("notes.csv", False, "nobody reads this file; the tables are meters, "),
        # The spreadsheet of a table that is there, and what is no table.
        ("prices.xlsx", None, ""),
        ("prices.yml", None, ""),
        (".prices.csv.swp", None, ""),
        ("README.md", None, ""),
    ],
)
def test_a_file_that_nobody_reads_is_pointed_out(
    tmp_path: Path, name: str, is_refused: bool | None, words: str
) -> None:
    """A discount in a file with a letter missing would be granted to nobody."""
    (write_book(tmp_path, SOUND) / name).write_text("x,y\n1,2\n")
    findings = examine_price_book(tmp_path)
    named = [(defect.file, True) for defect in findings.defects]
    named += [(warning.file, False) for warning in findings.warnings if not warning.column]
    assert named == ([] if is_refused is None else [(name, is_refused)])
    assert any(words in found.message for found in (*findings.defects, *findings.warnings))


@pytest.mark.parametrize(
    ("file", "change", "sentence"),
    [
        *(
            (
                file,
                lambda text, mark=mark: text.replace(",", mark).encode(),
                f"the columns are parted by {name}; save it as CSV in UTF-8 with commas",
            )
            for file in ("currencies.csv", "prices.csv", "seller.csv")
            for mark, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars"))
            if (file, mark) != ("prices.csv", "|")
        ),
        *(
            (
                "prices.csv",
                lambda text, code=code: text.encode(code),
                "is not UTF-8 but UTF-16",
            )
            for code in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")
        ),
        (
            "plans.csv",
            lambda text: text.replace("Plan", "Größe").encode("cp1252"),
            "the text is not UTF-8 but perhaps Latin-1, as in 'p,Größe,EUR,month'; save it as",
        ),
        *(
            (file, lambda text: text.split("\n", 1)[1].encode(), "the file has no header: its")
            for file in ("plans.csv", "prices.csv", "price_tiers.csv", "currencies.csv")
        ),
        (
            "plans.csv",
            lambda text: b"sep=,\n" + text.encode(),
            "first line, 'sep=,', names no",
        ),
        (
            "plans.csv",
            lambda text: text.replace("p,Plan,EUR,month", "p;Plan;EUR;month").encode(),
            "the header is parted by commas and the rows by semicolons",
        ),
        ("plans.csv", lambda text: b"PK\x03\x04" + bytes(9), "is a spreadsheet or an archive"),
        ("plans.csv", lambda text: gzip.compress(text.encode()), "the file is compressed"),
        ("plans.csv", lambda text: b"", "the file has no header"),
        ("plans.csv", lambda text: b"\n\n", "the file has no header"),
    ],
)
def test_a_file_that_is_not_what_it_seems_is_one_sentence(
    tmp_path: Path, file: str, change: Callable[[str], bytes], sentence: str
) -> None:
    """Eighteen columns listed as missing say nothing about a semicolon."""
    write_book(tmp_path, SOUND)
    (tmp_path / file).write_bytes(change(SOUND[file]))
    (defect,) = check_price_book(tmp_path)
    assert (defect.file, defect.column) == (file, "")
    assert sentence in defect.message


def test_a_byte_order_mark_and_other_line_ends_are_no_defect(tmp_path: Path) -> None:
    """Spreadsheets write both."""
    for file, text in SOUND.items():
        (tmp_path / file).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert [str(defect) for defect in check_price_book(tmp_path)] == []


@pytest.mark.parametrize(
    "number",
    ["6.25e-07", "1E3", "+5", ".5", "5.", "1e-12", "0.9e14", "1.50000000000000", "0e0"],
)
def test_numbers_are_written_as_rate_cards_have_them(tmp_path: Path, number: str) -> None:
    """Rates typed anew from a rate card would be mistyped."""
    prices = SOUND["prices.csv"].replace("flat,9.90", f"flat,{number}")
    assert check_price_book(write_book(tmp_path, SOUND | {"prices.csv": prices})) == []


def test_a_price_below_zero_warns_and_is_not_refused(tmp_path: Path) -> None:
    """A minus that was not meant pays the customer, one that was is a feed-in tariff."""
    fees = "fee_2,p,cut,Cut,talk,percentage,-2.5,,,,,,arrears,,,,,,-0.10"
    prices = _with_column(SOUND["prices.csv"], "event_fee") + f"{fees}\n"
    tiers = SOUND["price_tiers.csv"].replace("0.1,", "-0.1,").replace("0.05,1", "0.05,-1e-3")
    book = SOUND | {"prices.csv": prices, "price_tiers.csv": tiers}
    findings = examine_price_book(write_book(tmp_path, book))
    assert [str(defect) for defect in findings.defects] == []
    assert [(w.file, w.row, w.column, w.message) for w in findings.warnings] == [
        ("prices.csv", 4, "unit_price", "unit_price -1 is below zero"),
        ("prices.csv", 7, "event_fee", "event_fee -0.10 is below zero"),
        ("prices.csv", 7, "unit_price", "unit_price -2.5 is below zero"),
        ("price_tiers.csv", 2, "unit_price", "unit_price -0.1 is below zero"),
        ("price_tiers.csv", 3, "flat_amount", "flat_amount -1e-3 is below zero"),
    ]


@pytest.mark.parametrize(
    ("aggregation", "is_sound"),
    [
        *((name, True) for name in ("max", "min", "latest", "unique_count", "percentile_95")),
        ("time_weighted", True),
        *((name, False) for name in ("count", "sum")),
    ],
)
def test_prorated_is_refused_where_it_has_no_effect(
    tmp_path: Path, aggregation: str, is_sound: bool
) -> None:
    """A discount for half a month would be promised and not given."""
    meters = SOUND["meters.csv"].replace("call,count,", f"call,{aggregation},user")
    prices = SOUND["prices.csv"].replace("arrears,,,,2026", "arrears,true,,,2026")
    book = SOUND | {"meters.csv": meters, "prices.csv": prices}
    defects = check_price_book(write_book(tmp_path, book))
    places = [(d.file, d.row, d.column) for d in defects]
    assert places == ([] if is_sound else [("prices.csv", 4, "prorated")])


def test_every_column_of_the_price_book_has_a_type() -> None:
    """The engine would guess it from the rows: a number above 2^31 stops the build."""
    for file, columns in COLUMNS.items():
        types = SHIPPED / f"{file.removesuffix('.csv')}.yml"
        (seed,) = yaml.safe_load(types.read_text("utf-8"))["seeds"]
        known = {*columns, *OPTIONAL_COLUMNS.get(file, ())}
        assert known == set(seed["config"]["column_types"]) == set(seed_columns(types)), file


def test_two_taxes_of_one_category_are_not_an_overlap(tmp_path: Path) -> None:
    """They add up, as those of a province and of its state do."""
    book = SOUND | {"tax_rates.csv": SOUND["tax_rates.csv"] + "services,DE,CITY,1,,\n"}
    assert check_price_book(write_book(tmp_path, book)) == []


def test_a_negotiated_price_is_not_an_overlap(tmp_path: Path) -> None:
    """It replaces the charge of the plan, so both are in force at once."""
    line = "call_9,p,calls,Calls,calls,per_unit,1,,,,,,arrears,false,,sub_1,2025-06-01,\n"
    book = SOUND | {"prices.csv": SOUND["prices.csv"] + line}
    assert check_price_book(write_book(tmp_path, book)) == []


@pytest.mark.parametrize(
    ("one", "other", "is_overlap"),
    [
        ("zone=55*", "zone=5511*", False),
        ("zone=55*|44*", "zone=5511*|1*", False),
        ("zone=55", "zone=55*", False),
        ("zone=a|b", "zone=c", False),
        ("zone=a|b", "zone=b|c", True),
        ("zone=55*", "zone=55*|1*", True),
        ("zone=a;kind=x", "zone=a;kind=y", False),
        ("zone=a;kind=x", "zone=a", True),
        ("zone=a", "kind=x", True),
        ("zone=55*;kind=x*", "zone=5511*;kind=xy*", False),
        ("zone=55*;kind=xy*", "zone=5511*;kind=x*", True),
        ("zone=30", "zone=30.0|3", True),
        ("zone=30", "zone=3*", False),
        ("zone!=eu", "zone=eu", False),
        ("zone!=eu", "zone=us|eu", False),
        ("zone!=eu", "zone=5*", False),
        ("zone!=eu", "zone=*", True),
        ("zone!=eu", "zone!=us", True),
        ("zone!=eu", "kind!=x", True),
        ("zone>=60", "zone<60", False),
        ("zone>60;zone<=90", "zone>90", False),
        ("zone>60;zone<=90", "zone>=90", True),
        ("zone>60", "zone=60", False),
        ("zone>60", "zone!=70", True),
        ("zone=6*;zone<60", "zone=6*;zone>=60", False),
        ("zone=55*;zone!=5511", "zone=55*|1*", True),
        ("zone>60;kind=x", "zone>70;kind=y", False),
        ("zone>60;kind=x", "zone>70;kind=x*", False),
    ],
)
def test_filters_of_a_charge_that_take_the_same_usage_are_found(
    tmp_path: Path, one: str, other: str, is_overlap: bool
) -> None:
    """Which of two prices an event pays would be a matter of chance."""
    line = "{0}_1,p,rated,Rated,calls,per_unit,1,,,,,{1},arrears,,,,2025-01-01,2026-01-01\n"
    rows = line.format("a", one) + line.format("b", other) + line.format("c", "")
    book = SOUND | {"prices.csv": SOUND["prices.csv"] + rows}
    found = [(d.row, d.column) for d in check_price_book(write_book(tmp_path, book))]
    assert found == ([(8, "dimension_filter")] if is_overlap else [])


@pytest.mark.parametrize(
    "rule",
    [
        *("kind!=a|b", "kind=a*", "kind>=1e3;kind<.5", "zone=55*;zone!=5511*", "kind!=<1K"),
        *("kind=a!b|c>d", "kind=<1K|>1K"),
    ],
)
def test_a_filter_may_be_written_so(tmp_path: Path, rule: str) -> None:
    """A value is a text, whatever signs it has; a band may well be named <1K."""
    meters = SOUND["meters.csv"].replace("kind=a|b;zone=x", rule)
    assert check_price_book(write_book(tmp_path, SOUND | {"meters.csv": meters})) == []


@pytest.mark.parametrize(
    ("fields", "column", "words"),
    [
        ("percentage,0.12345678901,,,,,", "unit_price", "more than 10 decimal places"),
        ("percentage,1,5,0.3,,,", "included_quantity", "has to be empty"),
        ("percentage,,,0.3,,,", "unit_price", "is empty"),
        ("percentage,1,,,1.5,,", "free_event_count", "not a whole number"),
        ("percentage,1,,,,2,1", "event_maximum_amount", "below the event_minimum_amount 2"),
        ("per_unit,1,,0.3,,,", "event_fee", "has to be empty"),
        ("percentage,1,,0.3,,,", "event_fee", ""),
        ("dynamic,,5,,,,", "unit_price", ""),
    ],
)
def test_what_a_price_asks_of_each_event_is_checked(
    tmp_path: Path, fields: str, column: str, words: str
) -> None:
    """A bound that nothing reads would be missing on every invoice."""
    model, unit_price, included, *events = fields.split(",")
    empty = ",,,,,,,,,,,,,,,,,"
    lines = SOUND["prices.csv"].splitlines()
    rows = [lines[0] + ",event_fee,free_event_count,event_minimum_amount,event_maximum_amount"]
    rows += [line + ",,,," for line in lines[1:]]
    price = f"f_1,p,f,F,talk,{model},{unit_price},,{included},,,,arrears,,,,,"
    assert price.count(",") == empty.count(",")
    rows.append(",".join([price, *events]))
    book = SOUND | {"prices.csv": "\n".join(rows) + "\n"}
    if not words:
        assert check_price_book(write_book(tmp_path, book)) == []
        return
    found = check_price_book(write_book(tmp_path, book))
    assert [d.column for d in found if words in d.message] == [column], found


BANDS = {
    "dimension_bands.csv": """\
event_type,dimension,property,up_to,band
call,zone,seconds,60,short
call,zone,seconds,,long
""",
    "time_bands.csv": """\
dimension,days,from_time,to_time,band
kind,mon|tue|wed|thu|fri,00:00,08:00,low
kind,mon|tue|wed|thu|fri,08:00,24:00,high
kind,sat|sun|holiday,00:00,24:00,low
""",
    "holidays.csv": "dimension,holiday_date,holiday_name\nkind,2026-01-01,New Year\n",
}


@pytest.mark.parametrize(
    ("file", "old", "new", "row", "column"),
    [
        ("holidays.csv", "kind", "kind", 0, ""),
        ("dimension_bands.csv", ",60,", ",,", 3, "up_to"),
        ("dimension_bands.csv", "seconds,,", "minutes,,", 3, "property"),
        ("dimension_bands.csv", "call,zone,seconds,60", "call,no,seconds,60", 2, "dimension"),
        ("time_bands.csv", "fri,00:00", "fri,00:30", 2, "from_time"),
        ("time_bands.csv", "fri,08:00", "fri,07:59", 3, "from_time"),
        ("time_bands.csv", "fri,08:00", "fri,8", 3, "from_time"),
        ("time_bands.csv", "08:00,24:00", "08:00,23:00", 3, "to_time"),
        ("time_bands.csv", "kind,sat", "kind,sat,00:00,00:00,none\nkind,sat", 4, "to_time"),
        ("time_bands.csv", "sat|sun|", "sat|", 4, "to_time"),
        ("time_bands.csv", "sat|sun|", "sat|son|", 4, "days"),
        ("time_bands.csv", "kind,sat", "zone,sat", 4, "dimension"),
        ("holidays.csv", "2026-01-01", "1.1.2026", 2, "holiday_date"),
        ("holidays.csv", "kind", "zone", 2, "dimension"),
    ],
)
def test_bands_cover_every_size_and_every_minute_once(
    tmp_path: Path, file: str, old: str, new: str, row: int, column: str
) -> None:
    """An event in a gap would have no price, one in two bands would have two."""
    book = SOUND | BANDS
    found = check_price_book(
        write_book(tmp_path, book | {file: BANDS[file].replace(old, new, 1)})
    )
    places = [(d.file, d.row, d.column) for d in found]
    assert (file, row, column) in places if row else not places, found


@pytest.mark.parametrize(
    ("phases", "row", "column", "words"),
    [
        (("0,3", "3,"), 0, "", ""),
        ((",3", "3,12", "12,"), 0, "", ""),
        (("3,12",), 0, "", ""),
        (("0,3", "4,"), 8, "phase_from_month", "gap"),
        (("0,3", "2,"), 8, "phase_from_month", "overlaps"),
        (("0,3", "3,3"), 8, "phase_to_month", "not after"),
        (("0,x", "3,"), 7, "phase_to_month", "whole number"),
    ],
)
def test_phases_follow_each_other(
    tmp_path: Path, phases: tuple[str, ...], row: int, column: str, words: str
) -> None:
    """A month without a phase would be free, one in two phases would be paid twice."""
    lines = SOUND["prices.csv"].splitlines()
    rows = [lines[0] + ",phase_from_month,phase_to_month", *(f"{row},," for row in lines[1:])]
    for number, phase in enumerate(phases):
        rows.append(f"r_{number},p,ramp,Ramp,,flat,1,,,,,,arrears,,,,,,{phase}")
    book = SOUND | {"prices.csv": "\n".join(rows) + "\n"}
    found = check_price_book(write_book(tmp_path, book))
    places = [(d.row, d.column) for d in found if words in d.message]
    assert (row, column) in places if row else not found, found
