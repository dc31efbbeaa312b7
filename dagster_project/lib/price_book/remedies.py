"""How to mend a defect of the price book: what to do, and what the column is for.

What belongs here: advice by the kind of defect. What a column holds is read from the
description in its yml, so that it is written once.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import yaml

from dagster_project.lib.price_book.defects import Defect

_SHARED_BOUND = "Let valid_to of the earlier version be valid_from of the later one."
# Words of a message, and what to do about it; the first that is found counts. Where another
# value is needed, what the column is for helps; elsewhere it would be noise.
_ANOTHER_VALUE: tuple[tuple[str, str], ...] = (
    (r" is empty", "Fill it in."),
    (r" is not in (\w+\.csv)", r"Use a code of \1, or add this one there."),
    (r" is unknown", "Use one of those that are known."),
    (r"not a plain decimal", "Write digits with a point: 1234.5 or 6.25e-07, no commas."),
    (r"more than \d+ d", "Write a number that fits; nothing is rounded on its way in."),
    (r"not above|is below \w+ |takes off more", "Write a number within the bounds."),
    (r"whole number|from 0 to 4", "Write a whole number."),
    (r"neither true nor false", "Write true or false."),
    (
        r"names nothing|not a property=value",
        "Write property=value, pairs joined by ; values by |.",
    ),
    (r"more than one number", "Name one number, or use = for several."),
)
_ANOTHER_PLACE: tuple[tuple[str, str], ...] = (
    (r"save it as CSV in UTF-8", "In a spreadsheet: save as, CSV UTF-8."),
    (r"nobody reads this file", "Rename it, or move it out of the folder of the price book."),
    (r"the column .* is unknown", "Rename the column, or take it out."),
    (r"header has no name", "Name the column, or take it out; mind commas at ends of lines."),
    (r"prorated has no effect", "Write false or nothing; a minimum counts days by itself."),
    (r"is below zero", "Take the minus away, unless money is to be given back."),
    (r" is missing from the price book", "Add the file, with its header at least."),
    (r"the column \w+ is (missing|there)", "Let the header name every column once."),
    (r"no header", "Write the names of the columns into the first line."),
    (
        r"not readable as CSV|has \d+ fields",
        "Put text with commas or quotes in double quotes.",
    ),
    (r"spaces around", "Take the spaces away."),
    (r"has to be empty", "Clear the field."),
    (r"has no tiers", "Add its tiers to price_tiers.csv, or choose another pricing_model."),
    (r"takes no tiers", "Delete the tier, or make the price tiered or volume."),
    (r"needs a meter", "Name the meter that counts what is sold, or make the price flat."),
    (
        r"the unknown operator",
        "Use = or != with values joined by |, or one of > >= < <= with a number.",
    ),
    (r"has a star", "Put the star at the end, or name the value whole."),
    (r"is named \d", "Name it once."),
    (
        r"after the open one|below the tier",
        "Order the rows from the lowest up, the open one last.",
    ),
    (r"last (tier|one) is closed", "Clear up_to of the last row."),
    (r"is already (on|in)|there twice|there is a second", "Change or delete one of the two."),
    (r"phase", "Let each phase begin where the one before ends."),
    (r"overlaps|gap after|are not the same: one is a local", _SHARED_BOUND),
    (r"is not a date", "Write 2026-01-31, or an instant like 2026-01-31T12:00:00Z."),
    (r" is not after ", "Let the span end after it begins."),
    (r"takes usage that the price on row", "Let no event match two filters equally well."),
    (r"is not a dimension of", "Add the property to dimensions of the meter."),
)


def remedy(defect: Defect, descriptions_dir: Path) -> str:
    """Say how to mend a defect.

    Args:
        defect: From the check of the price book.
        descriptions_dir: Folder of the yml files that describe the tables.
    Returns: One or two sentences; what the column is for, where there is no advice.
    """
    if advice := _advice(_ANOTHER_PLACE, defect.message):
        return advice
    descriptions = column_descriptions(descriptions_dir / f"{Path(defect.file).stem}.yml")
    parts = (_advice(_ANOTHER_VALUE, defect.message), descriptions.get(defect.column, ""))
    return " ".join(filter(None, parts))


def _advice(advice: tuple[tuple[str, str], ...], message: str) -> str:
    for words, text in advice:
        if found := re.search(words, message):
            return found.expand(text)
    return ""


@lru_cache(maxsize=64)
def column_descriptions(types: Path) -> dict[str, str]:
    """What each column of a price table holds, by name; nothing for a table without a yml."""
    if not types.exists():
        return {}
    (seed,) = yaml.safe_load(types.read_text("utf-8"))["seeds"]
    return {column["name"]: column["description"] for column in seed["columns"]}
