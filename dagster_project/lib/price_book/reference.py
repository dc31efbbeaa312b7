"""Rules for currencies, tax rates and the seller."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dagster_project.lib.price_book.defects import Defect
from dagster_project.lib.price_book.fields import (
    MONEY_DIGITS,
    decimal,
    one_of,
    refers,
    required,
    unique,
    whole,
)
from dagster_project.lib.price_book.records import Tables, codes
from dagster_project.lib.price_book.versions import check_versions, parse_bound

FACTOR_DIGITS = 6

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


def check_currencies(tables: Tables) -> Iterator[Defect]:
    """Check currencies.csv."""
    rows = tables["currencies.csv"]
    yield from unique(rows, "currency_code")
    for row in rows:
        if row["currency_code"] and not re.fullmatch("[A-Z]{3}", row["currency_code"]):
            message = f"currency_code {row['currency_code']!r} is not three capital letters"
            yield row.defect("currency_code", message)
        if whole(row, "minor_units", 1) not in range(5):
            message = f"minor_units {row['minor_units']!r} is not a number from 0 to 4"
            yield row.defect("minor_units", message)


def check_tax_rates(tables: Tables) -> Iterator[Defect]:
    """Check tax_rates.csv: each row, and the rates of each code; the codes add up."""
    rows = tables["tax_rates.csv"]
    for row in rows:
        yield from required(row, "tax_category", "tax_code", "rate")
        yield from one_of(row, "country_code", COUNTRY_CODES)
        yield from decimal(row, "rate", MONEY_DIGITS, at_least="0")
    yield from check_versions(rows, ("tax_category", "country_code", "tax_code"))


def check_exchange_rates(tables: Tables) -> Iterator[Defect]:
    """Check exchange_rates.csv, which a price book may leave out."""
    currencies = codes(tables, "currencies")
    first: dict[tuple[str, ...], int] = {}
    for row in tables.get("exchange_rates.csv", []):
        yield from required(row, "from_currency", "to_currency", "rate_date", "rate")
        for column in ("from_currency", "to_currency"):
            yield from refers(row, column, currencies, "currencies.csv")
        yield from decimal(row, "rate", FACTOR_DIGITS, above="0")
        bound = parse_bound(row["rate_date"])
        if row["rate_date"] and not (bound and bound.is_local):
            yield row.defect("rate_date", f"{row['rate_date']!r} is not a date (YYYY-MM-DD)")
        key = (row["from_currency"], row["to_currency"], row["rate_date"])
        if key in first:
            message = f"the rate of that day is already on row {first[key]}"
            yield row.defect("rate_date", message)
        first.setdefault(key, row.line)


def check_seller(tables: Tables) -> Iterator[Defect]:
    """Check seller.csv, which a price book may leave out."""
    rows = tables.get("seller.csv")
    if rows is None:
        return
    if not rows:
        yield Defect("seller.csv", 1, "", "there is no seller; one row is needed")
    for row in rows[1:]:
        yield row.defect("seller_name", "there is a second seller; one row is needed")
    for row in rows:
        yield from required(row, "seller_name")
        yield from one_of(row, "country_code", COUNTRY_CODES)
        yield from refers(
            row, "reporting_currency_code", codes(tables, "currencies"), "currencies.csv"
        )
        if whole(row, "payment_terms_days", 4) is None:
            message = f"{row['payment_terms_days']!r} is not a whole number of days"
            yield row.defect("payment_terms_days", message)
