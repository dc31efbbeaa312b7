"""Numbers as rate cards write them: 6.25e-07, 1E3, +5 and .5 as well as 1234.5.

What belongs here: reading one exactly and writing it plainly. What it may be is up to its
column.
"""

from __future__ import annotations

import re
from decimal import Decimal

# A longer exponent is no price; it would only fill the memory.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_PLAIN = re.compile(r"-?(0|[1-9]\d*)(\.\d{1,12})?", re.ASCII)


def exact_number(text: str) -> Decimal | None:
    """The exact value of a text, or None when it is no number."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def plain_number(text: str) -> str:
    """A number with digits, a point and a minus at most, which every engine reads exactly.

    What is no number, or empty, is left as it is.
    """
    value = None if _PLAIN.fullmatch(text) else exact_number(text)
    if value is None:
        return text
    plain = f"{value:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain
