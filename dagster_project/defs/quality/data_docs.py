"""Data Docs: readable without a network, and one index over all billing periods.

What belongs here: what is done to the static site after Great Expectations has written it.
"""

import json
import re
from html import escape
from pathlib import Path

# Great Expectations fetches Bootstrap and charts from public servers; offline its pages are
# bare text. These few rules stand in for them and nothing is fetched.
_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; color: #1c2430; }
body { margin: 24px auto; max-width: 1100px; padding: 0 16px; }
h1 { font-size: 22px; } a { color: #1f5fbf; }
table { border-collapse: collapse; margin: 8px 0 20px; }
th, td { border: 1px solid #d8dde4; padding: 4px 10px; text-align: left; vertical-align: top; }
th { background: #f3f5f8; }
.failed { color: #a3240f; font-weight: 600; }
.passed { color: #1c6b3a; }
.modal, .btn, .navbar-brand, footer, img { display: none; }
.row { display: block; } ul { padding-left: 20px; }
"""
_FETCHED = re.compile(
    r"<link[^>]*href=\"https://[^>]*>|<script[^>]*src=\"https://[^>]*>\s*</script>"
    r"|<img[^>]*src=\"https://[^>]*>",
    re.IGNORECASE,
)
_SUMMARY = "summary.json"


def finish_site(site: Path, failures: dict[str, int]) -> None:
    """Make the result pages of one period readable offline, and note them for the index.

    Args:
        site: Folder of the period's site.
        failures: Number of failed expectations by suite that had rows to look at.
    """
    summary = {}
    for page in sorted(site.glob("validations/*/**/*.html")):
        text = _FETCHED.sub("", page.read_text(encoding="utf-8"))
        style = f"<style>{_STYLE}</style></head>"
        page.write_text(text.replace("</head>", style, 1), encoding="utf-8")
        suite = page.relative_to(site).parts[1]
        summary[suite] = [failures[suite], page.relative_to(site.parent).as_posix()]
    (site / _SUMMARY).write_text(json.dumps(summary), encoding="utf-8")


def write_index(data_docs: Path) -> Path:
    """Write ``index.html`` over every period that has a site, the newest first."""
    summaries = {
        path.parent.name: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(data_docs.glob(f"*/{_SUMMARY}"), reverse=True)
    }
    suites = list(dict.fromkeys(name for summary in summaries.values() for name in summary))
    heads = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in suites)
    rows = "".join(
        f"<tr><td>{escape(period)}</td>"
        + "".join(_cell(*summary.get(name, (None, ""))) for name in suites)
        + "</tr>"
        for period, summary in summaries.items()
    )
    index = data_docs / "index.html"
    staged = data_docs / ".index.html"
    staged.write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Data Docs</title><style>{_STYLE}</style></head>"
        "<body><h1>Data quality by billing period</h1>"
        f"<table><tr><th>Period</th>{heads}</tr>{rows}</table></body></html>\n",
        encoding="utf-8",
    )
    staged.replace(index)
    return index


def _cell(failure_count: int | None, page: str) -> str:
    """The result of a suite, linked to its page; nothing where it had no rows."""
    if failure_count is None:
        return "<td>no usage</td>"
    state = "failed" if failure_count else "passed"
    return f'<td><a class="{state}" href="{escape(page)}">{state}</a></td>'
