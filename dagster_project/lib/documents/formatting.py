"""Numbers, money, dates and labels in the customer's language.

Everything starts from `Decimal` and stays one until it is text; no amount is rounded here, so
a figure finer than its currency is shown with all its digits rather than hidden.
"""

from __future__ import annotations

import tomllib
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, localcontext
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton
from babel.numbers import format_decimal

# Twice the widest warehouse decimal: Python's own 28 digits would round a large quantity.
_EXACT = Context(prec=80)
_NO_BREAK_SPACE = "\u00a0"
_FALLBACK_LANGUAGE = "en"
# No name needs more; the PDF engine takes a kilobyte for each letter of one that does.
_LONGEST_TEXT = 2000
# Marks that reorder text could make one name look like another on a signed document.
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True)
class Language:
    """How one customer reads: labels, number format, date format."""

    code: str
    labels: dict[str, str]
    number_locale: Locale
    date_locale: Locale

    def label(self, key: str, **values: str) -> str:
        """Fill a label; braces inside the values stay as they are."""
        return self.labels[key].format(**values)

    def number(self, value: Decimal, minimum_decimals: int = 0) -> str:
        """Format all significant digits, without zeros beyond `minimum_decimals`."""
        plain = plain_decimal(value, minimum_decimals)
        decimals = len(plain.partition(".")[2])
        pattern = _pattern(self.number_locale, decimals)
        with localcontext(_EXACT):
            text = format_decimal(
                Decimal(plain), pattern, self.number_locale, decimal_quantization=False
            )
        return text.replace("-", "\u2212")

    def money(self, amount: Decimal, currency_code: str, minor_units: int) -> str:
        """Format an amount with its currency code, on the locale's side of it."""
        number = self.number(amount, minor_units)
        standard = self.number_locale.currency_formats["standard"].pattern
        # The code, not the symbol: "$" names a dozen currencies, a signed page must name one.
        parts = (
            (currency_code, number) if _symbol_is_first(standard) else (number, currency_code)
        )
        return _NO_BREAK_SPACE.join(parts)

    def percent(self, rate: Decimal) -> str:
        """Format a rate given in percent: 19 gives '19 %' in German, '19%' in English."""
        pattern = self.number_locale.percent_formats[None].pattern
        space = _NO_BREAK_SPACE if pattern.rstrip("%") != pattern.rstrip("%").rstrip() else ""
        return f"{self.number(rate)}{space}%"

    def date(self, day: date) -> str:
        """Format a calendar day."""
        return format_date(day, "medium", self.date_locale)

    def month(self, billing_period: str) -> str:
        """Name a billing period: '2025-12' gives 'December 2025'."""
        first = datetime(int(billing_period[:4]), int(billing_period[5:7]), 1, tzinfo=UTC)
        return str(format_skeleton("yMMMM", first, locale=self.date_locale))

    def span(self, start: datetime, end: datetime, zone: ZoneInfo) -> str:
        """Format a half-open span of UTC instants with both days inclusive, in local time.

        A bound which is not local midnight keeps its time, because there a price changed
        inside the day and the day alone would belong to two lines.
        """
        local_start, local_end = to_local(start, zone), to_local(end, zone)
        first = self.date(local_start.date())
        if not _is_midnight(local_start):
            first += f" {local_start:%H:%M}"
        if _is_midnight(local_end):
            last = self.date(local_end.date() - timedelta(days=1))
        else:
            last = f"{self.date(local_end.date())} {local_end:%H:%M}"
        return first if first == last else f"{first} \u2013 {last}"


def read_labels(folder: Path) -> dict[str, dict[str, str]]:
    """Read `labels/<language>.toml`.

    Returns: Labels by language code.
    Raises: ValueError if a language lacks a label of English or has one English does not know.
    """
    labels = {
        path.stem: tomllib.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.toml"))
    }
    expected = set(labels.get(_FALLBACK_LANGUAGE, {}))
    for code, texts in labels.items():
        if differing := sorted(expected ^ set(texts)):
            raise ValueError(f"labels/{code}.toml and labels/en.toml differ in {differing}.")
    if not expected:
        raise ValueError("labels/en.toml is missing or empty.")
    return labels


def choose_language(locale_name: str | None, labels: dict[str, dict[str, str]]) -> Language:
    """Choose labels and formats for a customer's locale column.

    A language without labels is written in English with day-month-year dates, and keeps its
    own number format; a locale nobody knows is English altogether.
    """
    number_locale = _parse_locale(locale_name)
    code = number_locale.language
    if code in labels:
        return Language(code, labels[code], number_locale, number_locale)
    return Language(
        _FALLBACK_LANGUAGE, labels[_FALLBACK_LANGUAGE], number_locale, Locale("en", "GB")
    )


def plain_decimal(value: Decimal, minimum_decimals: int = 0) -> str:
    """Write a decimal exactly, without exponent or needless zeros: 12.340000 gives '12.34'."""
    text = format(value, "f")
    whole, _, decimals = text.partition(".")
    decimals = decimals.rstrip("0").ljust(minimum_decimals, "0")
    if not whole.strip("-0") and not decimals.strip("0"):
        whole = "0"
    return f"{whole}.{decimals}" if decimals else whole


def to_local(instant: datetime, zone: ZoneInfo) -> datetime:
    """Turn a naive UTC instant into local time."""
    return instant.replace(tzinfo=UTC).astimezone(zone)


def find_zone(name: str | None) -> ZoneInfo:
    """Find a time zone; an unknown one is UTC, which is how its periods were cut."""
    try:
        return ZoneInfo(name or "UTC")
    # It looks for a file of that name, which may be too long or a folder.
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def clean_text(text: str | None) -> str:
    """Make a name from outside printable.

    Returns: The text without control or reordering marks, with single spaces, and cut where it
        is longer than anybody reads.
    """
    text = text or ""
    kept = (
        " " if unicodedata.category(mark) in ("Cc", "Zl", "Zp") else mark
        for mark in text[:_LONGEST_TEXT]
        if mark not in _REORDERING
    )
    return " ".join("".join(kept).split()) + ("\u2026" if len(text) > _LONGEST_TEXT else "")


@lru_cache(maxsize=256)
def _parse_locale(name: str | None) -> Locale:
    """Parse 'pt-BR' or 'pt_BR', falling back to the language alone, then to English."""
    wanted = (name or "").strip().replace("_", "-")
    for candidate in (wanted, wanted.partition("-")[0]):
        try:
            return Locale.parse(candidate, sep="-")
        except (ValueError, UnknownLocaleError, TypeError):
            continue
    return Locale("en")


@lru_cache(maxsize=1024)
def _pattern(locale: Locale, decimals: int) -> str:
    """Give the locale's grouping with a fixed number of decimals."""
    whole = str(locale.decimal_formats[None].pattern).split(";")[0].partition(".")[0]
    return f"{whole}.{'0' * decimals}" if decimals else whole


def _symbol_is_first(pattern: str) -> bool:
    """Tell whether a currency pattern puts the currency before the number."""
    return pattern.find("\u00a4") < pattern.find("0")


def _is_midnight(instant: datetime) -> bool:
    return (instant.hour, instant.minute, instant.second, instant.microsecond) == (0, 0, 0, 0)
