"""The documents of a billing period: invoices and credit notes, and the page to review them.

Reads the marts only, and holds no billing rule: every amount shown was decided there.
`records` reads, `formatting` writes numbers and dates in the customer's language, `view` makes
the strings of one page, `exact_form` its JSON, `period_index` the review page; `fonts` knows
what a PDF can show, `store` puts files in place and `render` ties them together. No Dagster
imports.
"""

from dagster_project.lib.documents.fonts import letters_without_font
from dagster_project.lib.documents.render import RenderedDocument, render_period
from dagster_project.lib.documents.store import DocumentConflictError

__all__ = [
    "DocumentConflictError",
    "RenderedDocument",
    "letters_without_font",
    "render_period",
]
