"""The documents of a billing period: invoices and credit notes, and the page to review them.

Reads the marts only, and holds no billing rule: every amount shown was decided there.
`records` reads, a few invoices at a time, and adds up the lines of long ones; `formatting`
writes numbers and dates in the customer's language, `view` makes the strings of one page,
`exact_form` its JSON and the lines of a long one as CSV, `period_index` the review page;
`fonts` knows what a PDF can show, `store` puts files in place and `render` ties them together.
No Dagster imports.
"""

from dagster_project.lib.documents.exact_form import read_head
from dagster_project.lib.documents.fonts import letters_without_font
from dagster_project.lib.documents.render import (
    DocumentsOfIssue,
    RenderedDocument,
    render_period,
)
from dagster_project.lib.documents.store import (
    DocumentConflictError,
    not_rendered,
    unfinished_periods,
)

__all__ = [
    "DocumentConflictError",
    "DocumentsOfIssue",
    "RenderedDocument",
    "letters_without_font",
    "not_rendered",
    "read_head",
    "render_period",
    "unfinished_periods",
]
