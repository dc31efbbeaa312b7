"""Rules for price phases: months counted from the start of a subscription (ramp deals)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from dagster_project.lib.price_book.defects import Defect
from dagster_project.lib.price_book.fields import whole
from dagster_project.lib.price_book.records import Row

PHASE_COLUMNS = ("phase_from_month", "phase_to_month")
CHARGE_COLUMNS = (
    *("plan_code", "charge_code", "subscription_id"),
    *("dimension_filter", "currency_code"),
)


def check_phases(rows: list[Row]) -> Iterator[Defect]:
    """Check that the phases of each charge follow each other.

    The first may start late (free months) and the last may end (instalments), like versions.
    """
    charges: dict[tuple[str, ...], dict[tuple[int, int | None], Row]] = defaultdict(dict)
    for row in rows:
        broken = [
            column for column in PHASE_COLUMNS if row[column] and whole(row, column, 4) is None
        ]
        for column in broken:
            yield row.defect(column, f"{row[column]!r} is not a whole number of months")
        if not broken:
            start = whole(row, "phase_from_month", 4) or 0
            end = whole(row, "phase_to_month", 4)
            charge = charges[tuple(row[name] for name in CHARGE_COLUMNS)]
            charge.setdefault((start, end), row)
            if end is not None and end <= start:
                message = f"{end} is not after phase_from_month {start}"
                yield row.defect("phase_to_month", message)
    for charge in charges.values():
        yield from _check_sequence(charge)


def _check_sequence(phases: dict[tuple[int, int | None], Row]) -> Iterator[Defect]:
    ordered = sorted(phases, key=lambda phase: (phase[0], phase[1] is None, phase[1] or 0))
    for earlier, later in pairwise(ordered):
        where = f"the phase on row {phases[earlier].line}"
        if earlier[1] is None or later[0] < earlier[1]:
            yield phases[later].defect("phase_from_month", f"the phase overlaps {where}")
        elif later[0] > earlier[1]:
            yield phases[later].defect("phase_from_month", f"there is a gap after {where}")
