"""Which letters a PDF can show: what no font has is an empty box there, and right in HTML."""

import unicodedata
from pathlib import Path

# Scripts of the fonts inside the PDF engine, by the first word of the names of their letters.
_SCRIPTS = {
    *("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "GEORGIAN", "HEBREW", "ARABIC", "LAO"),
    *("FEMININE", "MASCULINE", "MICRO"),
}


def letters_without_font(text: str, templates: Path) -> str:
    """Letters of scripts that the built-in fonts lack, each once and in order.

    Args:
        text: Anything that is printed.
        templates: Folder of the templates. None are lacking once its `fonts/` has a file,
            since somebody has then chosen fonts.
    """
    if any((templates / "fonts").glob("*")):
        return ""
    return "".join(
        letter
        for letter in sorted(set(text))
        if letter.isalpha() and unicodedata.name(letter, "?").split()[0] not in _SCRIPTS
    )
