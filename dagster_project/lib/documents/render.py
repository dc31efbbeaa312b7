"""Render the documents of one billing period and put them in place.

Holds the order of work and the template engines; wording is in `view`, files in `store`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from threading import local
from typing import Any

import duckdb
import jinja2
import typst
from jinja2.sandbox import SandboxedEnvironment

from dagster_project.lib.documents.exact_form import to_json
from dagster_project.lib.documents.formatting import choose_language, read_labels
from dagster_project.lib.documents.period_index import build_index
from dagster_project.lib.documents.records import (
    Invoice,
    read_invoices,
    read_previous_invoices,
)
from dagster_project.lib.documents.store import (
    SUFFIXES,
    DocumentConflictError,
    issued_hash,
    open_staging,
    put_in_place,
    safe_name,
)
from dagster_project.lib.documents.view import build_view, make_breakable

_PERIOD = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_REPORT_EVERY = 50


@dataclass(frozen=True)
class RenderedDocument:
    """An invoice of the period and where its files are.

    `total_amount` is in `currency_code`; `is_written` is False for an issued document that was
    in place already.
    """

    invoice_id: str
    invoice_number: str | None
    invoice_status: str
    document_type: str
    customer_id: str
    currency_code: str
    total_amount: Decimal
    html_path: Path
    pdf_path: Path
    json_path: Path
    is_written: bool


def render_period(
    connection: duckdb.DuckDBPyConnection,
    period: str,
    documents_dir: Path,
    templates: Path,
    report: Callable[[str], None] = lambda _: None,
) -> list[RenderedDocument]:
    """Replace the drafts of a billing period, add the documents newly issued, renew the index.

    Nothing in the period's folder changes before every document has been rendered. The same
    marts give the same bytes.

    Args:
        connection: Warehouse with the marts; read only.
        period: Billing period, 'YYYY-MM'.
        documents_dir: Holds one folder per billing period.
        templates: Folder with `invoice.html.j2`, `invoice.typ`, `index.html.j2`, `labels/`,
            and optionally `fonts/` for scripts that the built-in PDF fonts lack.
        report: Told what is done, one sentence at a time.
    Returns: One record per invoice, by customer, currency and number.
    Raises: ValueError for a period that is not 'YYYY-MM' or labels that do not match;
        DocumentConflictError if an issued document on disk is not the one in the ledger.
    """
    if not _PERIOD.fullmatch(period):
        raise ValueError(f"Billing period {period!r} is not of the form YYYY-MM.")
    invoices = read_invoices(connection, period)
    previous = read_previous_invoices(connection, period)
    stems = _file_stems(invoices)
    folder = documents_dir / period
    missing = [_missing_suffixes(folder, *pair) for pair in zip(invoices, stems, strict=True)]
    staging = open_staging(folder)
    renderer = _Renderer(templates)
    work = [job for job in zip(invoices, stems, missing, strict=True) if job[2]]
    # The PDF engine works outside the interpreter lock, so threads share the processors.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        done = pool.map(lambda job: renderer.write(staging, *job), work)
        for count, _ in enumerate(done, start=1):
            if count % _REPORT_EVERY == 0 or count == len(work):
                report(f"Rendered {count} of {len(work)} documents of {period}.")
    renderer.write_index(staging, build_index(period, invoices, stems, previous))
    drafts = [
        stem
        for invoice, stem in zip(invoices, stems, strict=True)
        if invoice.row.invoice_status != "issued"
    ]
    put_in_place(staging, folder, drafts)
    if unchanged := len(invoices) - len(work):
        report(f"{unchanged} issued documents of {period} were in place and stay as they are.")
    return [
        RenderedDocument(
            invoice_id=invoice.row.invoice_id,
            invoice_number=invoice.row.invoice_number,
            invoice_status=invoice.row.invoice_status,
            document_type=invoice.row.document_type,
            customer_id=invoice.row.customer_id,
            currency_code=invoice.row.currency_code,
            total_amount=invoice.row.total_amount,
            html_path=folder / f"{stem}.html",
            pdf_path=folder / f"{stem}.pdf",
            json_path=folder / f"{stem}.json",
            is_written=bool(suffixes),
        )
        for invoice, stem, suffixes in zip(invoices, stems, missing, strict=True)
    ]


def _file_stems(invoices: Sequence[Invoice]) -> list[str]:
    """Name the files of each invoice; a second draft of one customer gets a number."""
    stems: list[str] = []
    taken: set[str] = set()
    for invoice in invoices:
        row = invoice.row
        if row.invoice_status == "issued":
            if not row.invoice_number:
                raise ValueError(f"Issued invoice {row.invoice_id} has no number.")
            stem = safe_name(row.invoice_number)
        else:
            stem = f"draft-{safe_name(row.customer_id)}-{safe_name(row.currency_code)}"
        unique, copies = stem, 1
        while unique in taken:
            copies += 1
            unique = f"{stem}-{copies}"
        if unique != stem and row.invoice_status == "issued":
            raise ValueError(f"Invoice number {row.invoice_number} was given twice.")
        taken.add(unique)
        stems.append(unique)
    return stems


def _missing_suffixes(folder: Path, invoice: Invoice, stem: str) -> tuple[str, ...]:
    """Say which files to write: all of a draft, none of what was issued before."""
    row = invoice.row
    if row.invoice_status != "issued":
        return SUFFIXES
    placed = issued_hash(folder, stem)
    if placed is None:
        return SUFFIXES
    if placed != str(row.content_hash):
        raise DocumentConflictError(
            f"{folder.name}/{stem}.json was issued with content {placed}, but the ledger has"
            f" {row.content_hash} for {row.invoice_number}; an issued invoice never changes,"
            " so move the old documents away if they belong to another installation."
        )
    return tuple(suffix for suffix in SUFFIXES if not (folder / f"{stem}{suffix}").exists())


class _Renderer:
    """Templates read once; one PDF compiler per thread, because it is not shared safely."""

    def __init__(self, templates: Path) -> None:
        self._labels = read_labels(templates / "labels")
        environment = SandboxedEnvironment(
            loader=jinja2.FileSystemLoader(templates),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._invoice = environment.get_template("invoice.html.j2")
        self._index = environment.get_template("index.html.j2")
        self._typst_source = templates / "invoice.typ"
        fonts = templates / "fonts"
        self._font_paths = [fonts] if fonts.is_dir() else []
        self._compilers = local()

    def write(
        self, staging: Path, invoice: Invoice, stem: str, suffixes: Sequence[str]
    ) -> None:
        """Write the wanted files of one invoice into the staging folder."""
        view = build_view(invoice, choose_language(invoice.row.locale, self._labels))
        view["content_hash"] = invoice.row.content_hash or ""
        for suffix in suffixes:
            path = staging / f"{stem}{suffix}"
            if suffix == ".html":
                path.write_text(self._invoice.render(invoice=view), encoding="utf-8")
            elif suffix == ".pdf":
                path.write_bytes(self._pdf(invoice, view))
            else:
                path.write_text(to_json(invoice), encoding="utf-8")

    def write_index(self, staging: Path, index: dict[str, Any]) -> None:
        """Write the review page into the staging folder."""
        text = self._index.render(index=index)
        (staging / "index.html").write_text(text, encoding="utf-8")

    def _pdf(self, invoice: Invoice, view: dict[str, Any]) -> bytes:
        compiler = getattr(self._compilers, "compiler", None)
        if compiler is None:
            compiler = typst.Compiler(
                self._typst_source, font_paths=self._font_paths, ignore_system_fonts=True
            )
            self._compilers.compiler = compiler
        # The clock would make two renderings of one invoice differ.
        instant: datetime = invoice.row.issued_at or invoice.row.period_to
        pdf = compiler.compile(
            format="pdf",
            sys_inputs={"invoice": json.dumps(make_breakable(view), ensure_ascii=False)},
            timestamp=int(instant.replace(tzinfo=UTC).timestamp()),
        )
        if not isinstance(pdf, bytes):
            raise TypeError("A PDF is one document, not a page each.")
        return pdf
