"""The soundness check of a price book, run before anything is rated.

Reads the CSV files of a price book as text and names every defect with its file, line and
column. Only what the files alone can tell belongs here: accounts and usage are not known,
and nothing is priced.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

AGGREGATIONS = ("count", "sum", "max", "unique_count")
LATER_AGGREGATIONS = ("min", "latest", "time_weighted", "percentile_95")
PRICING_MODELS = ("flat", "per_unit", "tiered", "volume", "package")
LATER_PRICING_MODELS = ("percentage", "dynamic")
TIERED_MODELS = ("tiered", "volume")
MONEY_DIGITS, QUANTITY_DIGITS, DECIMAL_PLACES = 14, 26, 12

# ISO 3166-1 alpha-2, and XK, under which Kosovo is invoiced in practice.
COUNTRY_CODES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ
    BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM
    DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS
    GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN
    KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ
    MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM
    PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV
    SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI
    VN VU WF WS XK YE YT ZA ZM ZW
    """.split()  # noqa: SIM905 - a quarter of the lines of a list
)

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "meters.csv": (
        "meter_code", "meter_name", "event_type", "aggregation", "value_property", "unit",
        "filter", "dimensions", "rounding_increment", "minimum_quantity",
    ),
    "plans.csv": ("plan_code", "plan_name", "currency_code", "billing_interval"),
    "prices.csv": (
        "price_id", "plan_code", "charge_code", "charge_name", "meter_code", "pricing_model",
        "unit_price", "package_size", "included_quantity", "minimum_amount",
        "maximum_amount", "dimension_filter", "billed", "prorated", "tax_category",
        "subscription_id", "valid_from", "valid_to",
    ),
    "price_tiers.csv": ("price_id", "up_to", "unit_price", "flat_amount"),
    "currencies.csv": ("currency_code", "minor_units"),
    "tax_rates.csv": (
        "tax_category", "country_code", "tax_code", "rate", "valid_from", "valid_to",
    ),
    "seller.csv": (
        "seller_name", "address_line", "city", "postal_code", "country_code", "tax_id",
        "email", "payment_terms_days", "payment_details",
    ),
}  # fmt: skip
# Ours, not the contract's: a price book written by its letter has neither. What is left out is
# empty in the warehouse (lib/dbt_project.py).
OPTIONAL_FILES = frozenset({"seller.csv"})
OPTIONAL_COLUMNS: Mapping[str, tuple[str, ...]] = {}

_DECIMAL = re.compile(r"(-?)(\d+)(?:\.(\d+))?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?([Zz]|[+-]\d{2}:\d{2})?"
)


@dataclass(frozen=True)
class Defect:
    """One thing wrong in one place; ``row`` is the line in the file, the header being 1.

    ``column`` is empty when the defect is the whole row's or file's.
    """

    file: str
    row: int
    column: str
    message: str

    def __str__(self) -> str:
        column = f", column {self.column}" if self.column else ""
        return f"{self.file}, row {self.row}{column}: {self.message}."


@dataclass(frozen=True)
class _Row:
    """One record: the line on which it starts, and its fields as written."""

    file: str
    line: int
    fields: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        if column in OPTIONAL_COLUMNS.get(self.file, ()):
            return self.fields.get(column, "")
        return self.fields[column]

    def defect(self, column: str, message: str) -> Defect:
        return Defect(self.file, self.line, column, message)


@dataclass(frozen=True)
class _Bound:
    """An end of a validity: a local date (midnight where the customer is) or an instant."""

    is_local: bool
    at: datetime


def check_price_book(folder: Path) -> list[Defect]:
    """Name everything that makes a price book unsafe to rate with.

    Args:
        folder: Holds the CSV files of the contract; other files are not looked at.
    Returns: Defects ordered by file, row and column; empty when the book is sound. Rules
        that compare files are checked only once every file and column is there.
    """
    tables: dict[str, list[_Row]] = {}
    defects: list[Defect] = []
    for file in COLUMNS:
        if file in OPTIONAL_FILES and not (folder / file).exists():
            continue
        rows, found = _read(folder / file)
        tables[file] = rows
        defects += found
    if not defects:
        defects += _check_meters(tables["meters.csv"])
        defects += _check_plans(tables["plans.csv"], _codes(tables, "currencies"))
        defects += _check_prices(tables)
        defects += _check_tiers(tables["price_tiers.csv"], tables["prices.csv"])
        defects += _check_currencies(tables["currencies.csv"])
        defects += _check_tax_rates(tables["tax_rates.csv"])
        if "seller.csv" in tables:
            defects += _check_seller(tables["seller.csv"])
    order = list(COLUMNS)
    unique = dict.fromkeys(defects)
    return sorted(unique, key=lambda d: (order.index(d.file), d.row, d.column, d.message))


def _read(path: Path) -> tuple[list[_Row], list[Defect]]:
    """Read one file, keeping the line on which each record starts."""
    file = path.name
    if not path.is_file():
        return [], [Defect(file, 1, "", f"{file} is missing from the price book")]
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return [], [Defect(file, line, "", "the text is not UTF-8")]
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[_Row] = []
    defects: list[Defect] = []
    header: list[str] | None = None
    line = 1
    try:
        for fields in reader:
            if header is None:
                header = fields
                defects += _check_header(file, header)
            elif fields:
                defects += _check_shape(file, line, header, fields)
                rows.append(_Row(file, line, dict(zip(header, fields, strict=False))))
            line = reader.line_num + 1
    except csv.Error as error:
        defects.append(Defect(file, line, "", f"the row is not readable as CSV ({error})"))
    if header is None:
        defects.append(Defect(file, 1, "", "the file has no header"))
    return rows, defects


def _check_header(file: str, header: list[str]) -> Iterator[Defect]:
    for column in COLUMNS[file]:
        if column not in header:
            yield Defect(file, 1, column, f"the column {column} is missing")
    for column, times in Counter(header).items():
        if times > 1:
            yield Defect(file, 1, column, f"the column {column} is there {times} times")


def _check_shape(
    file: str, line: int, header: list[str], fields: list[str]
) -> Iterator[Defect]:
    if len(fields) != len(header):
        message = f"the row has {len(fields)} fields, the header {len(header)}"
        yield Defect(file, line, "", message)
    for column, field in zip(header, fields, strict=False):
        if field != field.strip():
            yield Defect(file, line, column, f"{field!r} has spaces around it")


def _codes(tables: Mapping[str, list[_Row]], name: str) -> frozenset[str]:
    """The values of a file's first column, which is what other files refer to."""
    file = f"{name}.csv"
    return frozenset(row[COLUMNS[file][0]] for row in tables[file])


# Rules for one field ------------------------------------------------------------------


def _required(row: _Row, *columns: str) -> Iterator[Defect]:
    for column in columns:
        if not row[column]:
            yield row.defect(column, f"{column} is empty")


def _empty(row: _Row, reason: str, *columns: str) -> Iterator[Defect]:
    for column in columns:
        if row[column]:
            yield row.defect(column, f"{column} has to be empty {reason}")


def _unsupported(row: _Row, *columns: str) -> Iterator[Defect]:
    for column in columns:
        if row[column]:
            yield row.defect(column, f"{column} is not supported yet")


def _one_of(
    row: _Row, column: str, known: Iterable[str], later: Iterable[str] = ()
) -> Iterator[Defect]:
    code = row[column]
    if not code:
        yield row.defect(column, f"{column} is empty")
    elif code in later:
        yield row.defect(column, f"{column} {code!r} is not supported yet")
    elif code not in known:
        yield row.defect(column, f"{column} {code!r} is unknown")


def _refers(row: _Row, column: str, known: frozenset[str], where: str) -> Iterator[Defect]:
    if row[column] and row[column] not in known:
        yield row.defect(column, f"{column} {row[column]!r} is not in {where}")


def _unique(rows: list[_Row], column: str) -> Iterator[Defect]:
    first: dict[str, int] = {}
    for row in rows:
        yield from _required(row, column)
        if row[column] and row[column] in first:
            message = f"{column} {row[column]!r} is already on row {first[row[column]]}"
            yield row.defect(column, message)
        first.setdefault(row[column], row.line)


def _number(row: _Row, column: str) -> Decimal | None:
    """The exact value of a field, or None when it is empty or not a plain decimal."""
    return Decimal(row[column]) if _DECIMAL.fullmatch(row[column]) else None


def _decimal(
    row: _Row, column: str, digits: int, *, above: str = "", at_least: str = ""
) -> Iterator[Defect]:
    """Refuse what DECIMAL(digits + 12, 12) cannot hold exactly, or what is out of bounds."""
    text = row[column]
    if not text:
        return
    match = _DECIMAL.fullmatch(text)
    if not match or not text.isascii():
        yield row.defect(column, f"{text!r} is not a plain decimal number")
        return
    if len(match[2].lstrip("0")) > digits:
        yield row.defect(column, f"{text} has more than {digits} digits before the point")
    if len(match[3] or "") > DECIMAL_PLACES:
        yield row.defect(column, f"{text} has more than {DECIMAL_PLACES} decimal places")
    if above and Decimal(text) <= Decimal(above):
        yield row.defect(column, f"{column} {text} is not above {above}")
    if at_least and Decimal(text) < Decimal(at_least):
        yield row.defect(column, f"{column} {text} is below {at_least}")


def _bound(text: str) -> _Bound | None:
    """Parse an end of a validity; None when it is empty or not a date or instant."""
    try:
        if _DATE.fullmatch(text):
            return _Bound(True, datetime.fromisoformat(text).replace(tzinfo=UTC))
        if _INSTANT.fullmatch(text):
            at = datetime.fromisoformat(text.upper())
            return _Bound(False, (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        return None
    return None


def _names(row: _Row, column: str) -> Iterator[Defect]:
    """Check property names joined by ``|``."""
    if not row[column]:
        return
    names = row[column].split("|")
    if any(not name.strip() for name in names):
        yield row.defect(column, f"{row[column]!r} names nothing between its bars")
    yield from _exact(row, column, names)
    for name, times in Counter(names).items():
        if name and times > 1:
            yield row.defect(column, f"{name!r} is named {times} times")


def _exact(row: _Row, column: str, names: Iterable[str]) -> Iterator[Defect]:
    for name in names:
        if name.strip() and name != name.strip():
            yield row.defect(column, f"{name!r} has spaces around it")


def _filter(row: _Row, column: str) -> Iterator[Defect]:
    """Check ``property=value`` pairs joined by ``;``, alternatives by ``|``."""
    if not row[column]:
        return
    properties: list[str] = []
    for pair in row[column].split(";"):
        name, equals, values = pair.partition("=")
        if not pair.strip():
            yield row.defect(column, f"{row[column]!r} names nothing beside a semicolon")
            continue
        if not equals:
            yield row.defect(column, f"{pair!r} is not a property=value pair")
            continue
        if not name.strip():
            yield row.defect(column, f"{pair!r} names nothing before its equals sign")
        if any(not value.strip() for value in values.split("|")):
            yield row.defect(column, f"{pair!r} names nothing as a value")
        yield from _exact(row, column, [name, *values.split("|")])
        properties.append(name)
    for name, times in Counter(properties).items():
        if name and times > 1:
            yield row.defect(column, f"{name!r} is named {times} times, and both must hold")


# Rules for one file -------------------------------------------------------------------


def _check_meters(rows: list[_Row]) -> Iterator[Defect]:
    yield from _unique(rows, "meter_code")
    for row in rows:
        yield from _required(row, "meter_name", "event_type", "unit")
        yield from _one_of(row, "aggregation", AGGREGATIONS, LATER_AGGREGATIONS)
        if row["aggregation"] in AGGREGATIONS and row["aggregation"] != "count":
            yield from _required(row, "value_property")
        yield from _filter(row, "filter")
        yield from _names(row, "dimensions")
        yield from _decimal(row, "rounding_increment", QUANTITY_DIGITS, above="0")
        yield from _decimal(row, "minimum_quantity", QUANTITY_DIGITS, at_least="0")


def _check_plans(rows: list[_Row], currencies: frozenset[str]) -> Iterator[Defect]:
    yield from _unique(rows, "plan_code")
    for row in rows:
        yield from _required(row, "plan_name", "currency_code")
        yield from _refers(row, "currency_code", currencies, "currencies.csv")
        yield from _one_of(row, "billing_interval", ("month",), ("quarter", "year"))


def _check_prices(tables: Mapping[str, list[_Row]]) -> Iterator[Defect]:
    rows = tables["prices.csv"]
    plans, meters = _codes(tables, "plans"), _codes(tables, "meters")
    categories = _codes(tables, "tax_rates")
    yield from _unique(rows, "price_id")
    for row in rows:
        yield from _required(row, "plan_code", "charge_code", "charge_name")
        yield from _refers(row, "plan_code", plans, "plans.csv")
        yield from _refers(row, "meter_code", meters, "meters.csv")
        yield from _refers(row, "tax_category", categories, "tax_rates.csv")
        yield from _one_of(row, "billed", ("arrears",), ("advance",))
        if row["prorated"].lower() not in ("", "true", "false"):
            message = f"prorated {row['prorated']!r} is neither true nor false"
            yield row.defect("prorated", message)
        yield from _unsupported(row, "minimum_amount", "maximum_amount", "dimension_filter")
        yield from _check_price_model(row)
    yield from _check_versions(rows, ("plan_code", "charge_code", "subscription_id"))


def _check_price_model(row: _Row) -> Iterator[Defect]:
    """Check that a price carries what its pricing model needs and nothing it ignores."""
    model = row["pricing_model"]
    yield from _one_of(row, "pricing_model", PRICING_MODELS, LATER_PRICING_MODELS)
    yield from _decimal(row, "unit_price", MONEY_DIGITS)
    yield from _decimal(row, "package_size", QUANTITY_DIGITS, above="0")
    yield from _decimal(row, "included_quantity", QUANTITY_DIGITS, at_least="0")
    if model not in PRICING_MODELS:
        return
    if model == "flat":
        yield from _empty(row, "for a flat price", "meter_code", "included_quantity")
    elif not row["meter_code"]:
        yield row.defect("meter_code", f"a {model} price needs a meter")
    if model in TIERED_MODELS:
        yield from _empty(row, f"for a {model} price, its tiers carry it", "unit_price")
    else:
        yield from _required(row, "unit_price")
    if model == "package":
        yield from _required(row, "package_size")
    else:
        yield from _empty(row, f"for a {model} price", "package_size")


def _check_versions(rows: list[_Row], key: tuple[str, ...]) -> Iterator[Defect]:
    """Check dates, and that the versions of one thing follow each other without a hole."""
    groups: dict[tuple[str, ...], list[_Row]] = defaultdict(list)
    for row in rows:
        broken = [
            column
            for column in ("valid_from", "valid_to")
            if row[column] and _bound(row[column]) is None
        ]
        for column in broken:
            message = f"{row[column]!r} is not a date (YYYY-MM-DD) or an RFC 3339 instant"
            yield row.defect(column, message)
        if not broken:
            groups[tuple(row[column] for column in key)].append(row)
            yield from _check_span(row)
    for versions in groups.values():
        # An empty valid_from comes first; the line number breaks ties.
        versions.sort(key=lambda row: (_starts_at(row), row.line))
        for earlier, later in pairwise(versions):
            yield from _check_succession(earlier, later)


def _starts_at(row: _Row) -> datetime:
    bound = _bound(row["valid_from"])
    return bound.at if bound else datetime.min.replace(tzinfo=UTC)


def _check_span(row: _Row) -> Iterator[Defect]:
    start, end = _bound(row["valid_from"]), _bound(row["valid_to"])
    if start and end and end.at <= start.at:
        message = f"{row['valid_to']} is not after valid_from {row['valid_from']}"
        yield row.defect("valid_to", message)


def _check_succession(earlier: _Row, later: _Row) -> Iterator[Defect]:
    """Consecutive versions share the bound: where one ends the next one begins."""
    end, start = _bound(earlier["valid_to"]), _bound(later["valid_from"])
    where = f"the version on row {earlier.line}"
    if end is None:
        yield later.defect("valid_from", f"the version overlaps {where}, which never ends")
    elif start is None:
        yield later.defect("valid_from", f"the version overlaps {where}: both begin at once")
    elif end.is_local != start.is_local and abs(end.at - start.at).days < 2:
        message = (
            f"{later['valid_from']} and the end of {where}, {earlier['valid_to']}, are not "
            "the same: one is a local date, the other an instant"
        )
        yield later.defect("valid_from", message)
    elif start.at < end.at:
        message = f"the version overlaps {where}, which ends on {earlier['valid_to']}"
        yield later.defect("valid_from", message)
    elif start.at > end.at:
        message = f"there is a gap after {where}, which ends on {earlier['valid_to']}"
        yield later.defect("valid_from", message)


def _check_tiers(rows: list[_Row], prices: list[_Row]) -> Iterator[Defect]:
    models = {price["price_id"]: price["pricing_model"] for price in prices}
    price_ids = frozenset(models)
    tiers: dict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        yield from _required(row, "price_id", "unit_price")
        yield from _refers(row, "price_id", price_ids, "prices.csv")
        yield from _decimal(row, "up_to", QUANTITY_DIGITS, above="0")
        yield from _decimal(row, "unit_price", MONEY_DIGITS)
        yield from _decimal(row, "flat_amount", MONEY_DIGITS)
        model = models.get(row["price_id"], "")
        if model in PRICING_MODELS and model not in TIERED_MODELS:
            yield row.defect("price_id", f"{row['price_id']!r} is {model} and takes no tiers")
        tiers[row["price_id"]].append(row)
    for price in prices:
        if price["pricing_model"] in TIERED_MODELS and price["price_id"] not in tiers:
            message = f"the {price['pricing_model']} price has no tiers in price_tiers.csv"
            yield price.defect("pricing_model", message)
    for group in tiers.values():
        yield from _check_tier_order(group)


def _check_tier_order(rows: list[_Row]) -> Iterator[Defect]:
    """Tiers are written from the lowest up, and only the last is open."""
    for lower, upper in pairwise(rows):
        low, high = _number(lower, "up_to"), _number(upper, "up_to")
        if not lower["up_to"]:
            message = f"the tier comes after the open one on row {lower.line}"
            yield upper.defect("up_to", message)
        elif low is not None and high is not None and high == low:
            yield upper.defect("up_to", f"{upper['up_to']} is already on row {lower.line}")
        elif low is not None and high is not None and high < low:
            message = f"{upper['up_to']} is below the tier before it, {lower['up_to']}"
            yield upper.defect("up_to", message)
    if rows[-1]["up_to"]:
        message = "the last tier is closed, and usage above it has no price"
        yield rows[-1].defect("up_to", message)


def _check_currencies(rows: list[_Row]) -> Iterator[Defect]:
    yield from _unique(rows, "currency_code")
    for row in rows:
        if row["currency_code"] and not re.fullmatch("[A-Z]{3}", row["currency_code"]):
            message = f"currency_code {row['currency_code']!r} is not three capital letters"
            yield row.defect("currency_code", message)
        if row["minor_units"] not in tuple("01234"):
            message = f"minor_units {row['minor_units']!r} is not a number from 0 to 4"
            yield row.defect("minor_units", message)


def _check_tax_rates(rows: list[_Row]) -> Iterator[Defect]:
    for row in rows:
        yield from _required(row, "tax_category", "tax_code", "rate")
        yield from _one_of(row, "country_code", COUNTRY_CODES)
        yield from _decimal(row, "rate", MONEY_DIGITS, at_least="0")
    yield from _check_versions(rows, ("tax_category", "country_code"))


def _check_seller(rows: list[_Row]) -> Iterator[Defect]:
    if not rows:
        yield Defect("seller.csv", 1, "", "there is no seller; one row is needed")
    for row in rows[1:]:
        yield row.defect("seller_name", "there is a second seller; one row is needed")
    for row in rows:
        yield from _required(row, "seller_name")
        yield from _one_of(row, "country_code", COUNTRY_CODES)
        if not re.fullmatch(r"[0-9]{1,4}", row["payment_terms_days"]):
            message = f"{row['payment_terms_days']!r} is not a whole number of days"
            yield row.defect("payment_terms_days", message)
