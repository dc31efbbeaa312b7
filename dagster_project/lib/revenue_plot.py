"""A bar chart of invoiced amounts as SVG text, for the metadata of the invoice assets."""

import base64
from collections.abc import Sequence
from decimal import Decimal
from html import escape

_WIDTH, _BAR_HEIGHT, _GAP, _LABEL_WIDTH = 640, 22, 8, 150


def draw_amounts(title: str, rows: Sequence[tuple[str, Decimal]], currency_code: str) -> str:
    """Draw one bar for each label, in the order given.

    Args:
        title: Shown above the bars.
        rows: Label and amount in ``currency_code``; a negative one has another colour.
        currency_code: Written after each amount.
    Returns: An SVG document.
    """
    largest = max((abs(amount) for _, amount in rows), default=Decimal(0)) or Decimal(1)
    room = _WIDTH - _LABEL_WIDTH - 170
    parts = []
    for index, (label, amount) in enumerate(rows):
        top = 34 + index * (_BAR_HEIGHT + _GAP)
        width = int(abs(amount) * room / largest)
        colour = "#2f6f6b" if amount >= 0 else "#b3543f"
        parts.append(
            f'<text x="{_LABEL_WIDTH - 8}" y="{top + 15}" text-anchor="end">'
            f"{escape(label)}</text>"
            f'<rect x="{_LABEL_WIDTH}" y="{top}" width="{width}" height="{_BAR_HEIGHT}"'
            f' rx="2" fill="{colour}"/>'
            f'<text x="{_LABEL_WIDTH + width + 6}" y="{top + 15}">'
            f"{amount:,} {escape(currency_code)}</text>"
        )
    height = 40 + len(rows) * (_BAR_HEIGHT + _GAP)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}"'
        f' font-family="sans-serif" font-size="12" fill="#222">'
        f'<rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="12" y="20" font-size="14" font-weight="bold">{escape(title)}</text>'
        f"{''.join(parts)}</svg>"
    )


def as_markdown_image(svg: str, alternative: str) -> str:
    """An SVG as a markdown image that carries its own data."""
    data = base64.b64encode(svg.encode("utf-8")).decode("ascii")
    return f"![{alternative}](data:image/svg+xml;base64,{data})"
