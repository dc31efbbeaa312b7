"""Patterns of paths: ``?`` is a letter, ``*`` any letters but ``/``, ``**`` any letters.

What belongs here: whether a path fits one, and whether a path could fit two. Folders that
``**/`` stands for may be none at all.
"""

from __future__ import annotations

import re
from functools import cache

_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|.", re.DOTALL)
_REGULAR = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}

_ANY = ("*", "**")


def pattern_matches(pattern: str, path: str) -> bool:
    """Tell whether all of a path fits a pattern."""
    regular = "".join(
        _REGULAR.get(token, re.escape(token)) for token in _TOKEN.findall(pattern)
    )
    return re.fullmatch(regular, path, re.DOTALL) is not None


def literal_length(pattern: str) -> int:
    """How many letters of a pattern stand for themselves."""
    return sum(token not in _REGULAR for token in _TOKEN.findall(pattern))


def patterns_overlap(one: str, other: str) -> bool:
    """Tell whether there can be a path that fits both; ``**/`` is taken for ``**`` here."""
    left, right = (_TOKEN.findall(pattern.replace("**/", "**")) for pattern in (one, other))

    @cache
    def meet(i: int, j: int) -> bool:
        if i == len(left) or j == len(right):
            return all(token in _ANY for token in left[i:] + right[j:])
        a, b = left[i], right[j]
        # What takes any letters may end here, or take what stands opposite.
        if a in _ANY:
            return meet(i + 1, j) or ((a, b) != ("*", "/") and meet(i, j + 1))
        if b in _ANY:
            return meet(i, j + 1) or ((b, a) != ("*", "/") and meet(i + 1, j))
        fits = a == b or ("?" in (a, b) and "/" not in (a, b))
        return fits and meet(i + 1, j + 1)

    return meet(0, 0)
