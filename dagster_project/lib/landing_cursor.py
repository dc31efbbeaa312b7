"""What the landing sensor decides, as a function of its cursor and the listing alone."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class LandingDecision:
    """Whether to load, under which run key, and the cursor to keep.

    The run key is made from the names of the files, so that the same files never start a
    second run, on whatever clock and after whatever restart.
    """

    run_key: str | None
    cursor: str
    file_count: int


def decide_load(cursor: str | None, listing: Iterable[str]) -> LandingDecision:
    """Decide whether files have landed since the cursor was set.

    Args:
        cursor: What the last decision returned, or None at the first.
        listing: Paths of landed files relative to the landing directory, in any order.
    Returns: A decision to load when the listing is not empty and differs from the cursor's.
    """
    names = sorted(set(listing))
    digest = hashlib.sha256("\x00".join(names).encode("utf-8", "surrogateescape")).hexdigest()
    run_key = digest if names and digest != cursor else None
    return LandingDecision(run_key=run_key, cursor=digest, file_count=len(names))
