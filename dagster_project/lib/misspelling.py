"""Which name was probably meant: columns and files that somebody wrote in another way.

What belongs here: comparing names. What is said about one that nobody reads, and whether it
stops anything, is up to whoever reads the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

# What a name may go without, or have more, and still say the same.
_SMALL_WORDS = frozenset(("id", "code", "at", "on", "date", "is"))
_OTHER_WORDS = {"until": "to", "till": "to", "since": "from", "vat": "tax", "zip": "postal"}
_OTHER_WORDS |= {"tz": "timezone"}
# From here on, two whole names and two words of names look like one and the same, and enough
# words of two names do.
_LIKE_NAME, _LIKE_WORD, _ENOUGH_WORDS = 0.8, 0.75, 0.6
_CUT_SHORT = 0.9
_NEAR = 0.6
# As a whole, and word by word.
_MOST = 2.0


def meant_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that a name resembles most, or None when it resembles none.

    Capitals, spaces and signs make no difference, nor does the order of words; words may be
    cut short (``max`` for ``maximum``, ``qty`` for ``quantity``), and some left out.
    """
    return _best({other: _resemblance(name, other) for other in known})


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name to name beside one that cannot be right; None when none is near."""
    names = list(known)
    ratios = {other: _ratio(squeezed(name), squeezed(other)) for other in names}
    near = {other: ratio for other, ratio in ratios.items() if ratio >= _NEAR}
    return meant_name(name, names) or _best(near)


def squeezed(name: str) -> str:
    """The letters and digits of a name, all small."""
    return re.sub(r"[\W_]", "", name.casefold())


def _resemblance(name: str, other: str) -> float:
    """How much two names look alike; 0 when that is too little to be meant."""
    whole = _ratio(squeezed(name), squeezed(other))
    if whole == 1:
        return _MOST
    # A name of small words alone (date) may be short for one that has more (rate_date).
    small = _SMALL_WORDS if set(_words(name)) - _SMALL_WORDS else frozenset()
    words, others = _words(name, small), _words(other, small)
    shared = _shared(words, others) + _shared(others, words)
    by_words = shared / (len(words) + len(others)) if words and others else 0.0
    # What is left of customer_id, one word, is no likeness of customer_type.
    if len(words) > len(others) == 1 and _words(other) != others:
        by_words = 0.0
    # Names of as many words are compared word by word: customer_name is not customer_since.
    is_like = whole >= _LIKE_NAME and len(words) != len(others)
    return whole + by_words if is_like or by_words >= _ENOUGH_WORDS else 0.0


def _best(scores: dict[str, float]) -> str | None:
    found = [other for other, score in scores.items() if score]
    return max(found, key=lambda other: scores[other], default=None)


def _words(name: str, small: frozenset[str] = frozenset()) -> list[str]:
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).casefold()
    words = [_OTHER_WORDS.get(word, word) for word in re.findall(r"[^\W_]+", parted)]
    return [word for word in words if word not in small] or words


def _shared(words: Sequence[str], others: Sequence[str]) -> float:
    return sum(
        max((_word_likeness(word, other) for other in others), default=0.0) for word in words
    )


def _word_likeness(word: str, other: str) -> float:
    ratio = _ratio(word, other)
    short, long = sorted((word, other), key=len)
    letters = iter(long)
    is_cut = len(short) >= 3 and long.startswith(short)
    if not is_cut and len(short) >= 2 and (short[0], short[-1]) == (long[0], long[-1]):
        is_cut = all(letter in letters for letter in short)
    return max(ratio if ratio >= _LIKE_WORD else 0.0, _CUT_SHORT if is_cut else 0.0)


def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()
