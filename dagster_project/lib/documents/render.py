"""Render the documents of a billing period, or of what is being issued, and put them in place.

Holds the order of work and the template engines; wording is in `view`, files in `store`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
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

from dagster_project.lib.documents.exact_form import write_csv, write_json
from dagster_project.lib.documents.formatting import choose_language, read_labels
from dagster_project.lib.documents.kept_drafts import KeptDrafts
from dagster_project.lib.documents.period_index import build_index
from dagster_project.lib.documents.records import (
    INVOICES,
    Invoice,
    InvoiceLine,
    ListedInvoice,
    batches,
    line_pages,
    list_invoices,
    read_invoices,
)
from dagster_project.lib.documents.store import (
    LONG_SUFFIXES,
    SUFFIXES,
    DocumentConflictError,
    finish,
    issued_hash,
    open_staging,
    put_in_place,
    safe_name,
)
from dagster_project.lib.documents.view import build_view, make_breakable

_PERIOD = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_REPORT_EVERY = 50
# The lines of a long invoice are attached to its PDF up to this size, which is some 300,000 of
# them; making the PDF takes three times as much memory. Beyond it they are beside it alone.
ATTACHED_BYTES = 64 * 2**20
_LONGEST_REASON = 300

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RenderedDocument:
    """An invoice of the period and where its files are.

    `total_amount` is in `currency_code`; `is_written` is False for an issued document that was
    in place already. One with a `reason` could not be rendered and has no files.
    """

    invoice_id: str
    invoice_number: str | None
    invoice_status: str
    document_type: str
    customer_id: str
    currency_code: str
    total_amount: Decimal
    folder: Path
    stem: str
    is_written: bool
    reason: str | None

    @property
    def html_path(self) -> Path:
        """The page."""
        return self.folder / f"{self.stem}.html"

    @property
    def pdf_path(self) -> Path:
        """The same for printing."""
        return self.folder / f"{self.stem}.pdf"

    @property
    def json_path(self) -> Path:
        """The same for machines."""
        return self.folder / f"{self.stem}.json"


@dataclass(frozen=True, slots=True)
class _Job:
    """Files to write: which of which invoice, and where."""

    entry: ListedInvoice
    stem: str
    suffixes: tuple[str, ...]
    staging: Path


def render_period(
    connection: duckdb.DuckDBPyConnection,
    period: str,
    documents_dir: Path,
    templates: Path,
    report: Report = lambda _: None,
) -> list[RenderedDocument]:
    """Replace the drafts of a month, add the documents newly issued with it, renew the index.

    Nothing in the period's folder changes before every document has been rendered. The same
    marts give the same bytes. An invoice that cannot be rendered has no document and is named
    on the index with the reason; all others have theirs.

    Args:
        connection: Warehouse with the marts; read only.
        period: Billing period, 'YYYY-MM'.
        documents_dir: Holds one folder per billing period.
        templates: Folder with `invoice.html.j2`, `invoice.typ`, `index.html.j2`, `labels/`,
            and optionally `fonts/` for scripts that the built-in PDF fonts lack.
        report: Told what is done, one sentence at a time.
    Returns: One record per invoice, by customer, currency and number.
    Raises: ValueError for a period that is not 'YYYY-MM' or labels that do not match;
        DocumentConflictError if an issued document on disk is not the one in the ledger;
        OSError if a file cannot be written.
    """
    if not _PERIOD.fullmatch(period):
        raise ValueError(f"Billing period {period!r} is not of the form YYYY-MM.")
    invoices = list_invoices(connection, period)
    stems = _file_stems(invoices)
    folder = documents_dir / period
    listed = list(zip(invoices, stems, strict=True))
    missing = [_missing_suffixes(folder, *pair) for pair in listed]
    staging = open_staging(folder)
    renderer = _Renderer(templates)
    jobs = [
        _Job(*pair, suffixes, staging)
        for pair, suffixes in zip(listed, missing, strict=True)
        if suffixes
    ]
    reasons = _render(connection, jobs, renderer, INVOICES, report)
    renderer.write_index(staging, build_index(connection, period, listed, reasons))
    put_in_place(staging, folder)
    renderer.drafts.remember(folder)
    finish(
        folder,
        (
            f"{job.stem}{suffix}"
            for job in jobs
            for suffix in job.suffixes
            if job.entry.invoice_id not in reasons
        ),
        {
            job.entry.invoice_id: _sentence(job, reason)
            for job in jobs
            if (reason := reasons.get(job.entry.invoice_id))
        },
    )
    if unchanged := len(invoices) - len(jobs):
        report(f"{unchanged} issued documents of {period} were in place and stay as they are.")
    written = {job.entry.invoice_id for job in jobs}
    return [
        RenderedDocument(
            invoice_id=entry.invoice_id,
            invoice_number=entry.invoice_number,
            invoice_status=entry.invoice_status,
            document_type=entry.document_type,
            customer_id=entry.customer_id,
            currency_code=entry.currency_code,
            total_amount=entry.total_amount,
            folder=folder,
            stem=stem,
            is_written=entry.invoice_id in written and entry.invoice_id not in reasons,
            reason=reasons.get(entry.invoice_id),
        )
        for entry, stem in listed
    ]


class DocumentsOfIssue:
    """The documents of one issue: rendered with the numbers to be given, before they are.

    Until `put_in_place` nobody sees them. A run killed before it leaves invoices whose
    documents `render_period` makes, byte by byte the same.
    """

    def __init__(
        self, documents_dir: Path, templates: Path, report: Report = lambda _: None
    ) -> None:
        self._documents_dir, self._report = documents_dir, report
        self._renderer = _Renderer(templates)
        self._stagings: dict[str, Path] = {}
        self._staged: dict[str, _Job] = {}

    def render(self, connection: duckdb.DuckDBPyConnection, invoices: str) -> dict[str, str]:
        """Render what has not been rendered under its number yet.

        Args:
            connection: In the transaction that is going to issue.
            invoices: The table of what is about to be issued, in the columns of the mart.
        Returns: Why an invoice cannot be rendered, by invoice_id.
        Raises: DocumentConflictError if another document has the number of one of them;
            OSError if a file cannot be written.
        """
        listed = list_invoices(connection, None, invoices)
        jobs = []
        for entry, stem in zip(listed, _file_stems(listed), strict=True):
            staged = self._staged.get(entry.invoice_id)
            if staged and staged.stem == stem:
                continue
            if staged:
                _remove(staged)
            folder = self._documents_dir / entry.month
            if folder.name not in self._stagings:
                self._stagings[folder.name] = open_staging(folder, issuing=True)
            missing = _missing_suffixes(folder, entry, stem)
            job = _Job(entry, stem, missing, self._stagings[folder.name])
            self._staged[entry.invoice_id] = job
            jobs.append(job)
        reasons = _render(connection, jobs, self._renderer, invoices, self._report)
        return {
            invoice_id: _sentence(self._staged.pop(invoice_id), reason)
            for invoice_id, reason in reasons.items()
        }

    def put_in_place(self) -> None:
        """Show the documents, once their invoices are in the ledger."""
        for period, staging in self._stagings.items():
            put_in_place(staging, self._documents_dir / period)


def _render(
    connection: duckdb.DuckDBPyConnection,
    jobs: Sequence[_Job],
    renderer: _Renderer,
    invoices: str,
    report: Report,
) -> dict[str, str]:
    """Write all files, a few invoices at a time.

    Returns: Why an invoice cannot be rendered, by invoice_id.
    """
    by_id = {job.entry.invoice_id: job for job in jobs}
    periods = ", ".join(sorted({job.entry.month for job in jobs}))
    reasons: dict[str, str] = {}
    count = 0

    def work(invoice: Invoice) -> tuple[str, str | None]:
        job = by_id[invoice.row.invoice_id]

        def all_lines() -> Iterable[InvoiceLine]:
            if not invoice.is_long:
                return invoice.lines
            pages = line_pages(connection, invoice.row.invoice_id)
            return (line for page in pages for line in page)

        return invoice.row.invoice_id, renderer.try_to_write(job, invoice, all_lines)

    # The PDF engine works outside the interpreter lock, so threads share the processors.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for batch in batches(job.entry for job in jobs):
            read = read_invoices(connection, batch, invoices)
            short = pool.map(work, [invoice for invoice in read if not invoice.is_long])
            # One after the other once those have ended, since they read on.
            done = [*short, *map(work, [invoice for invoice in read if invoice.is_long])]
            for invoice_id, reason in done:
                count += 1
                if reason:
                    reasons[invoice_id] = reason
                if count % _REPORT_EVERY == 0 or count == len(jobs):
                    report(f"Rendered {count} of {len(jobs)} documents of {periods}.")
    return reasons


def _sentence(job: _Job, reason: str) -> str:
    """Name an invoice and why it has no document."""
    entry = job.entry
    return (
        f"customer {entry.customer_id}, {entry.month}, {entry.currency_code}"
        f" has no document: {reason}"
    )


def _file_stems(invoices: Sequence[ListedInvoice]) -> list[str]:
    """Name the files of each invoice; a second draft of one customer gets a number."""
    stems: list[str] = []
    taken: set[str] = set()
    for entry in invoices:
        if entry.invoice_status == "issued":
            if not entry.invoice_number:
                raise ValueError(f"Issued invoice {entry.invoice_id} has no number.")
            stem = safe_name(entry.invoice_number)
        else:
            stem = f"draft-{safe_name(entry.customer_id)}-{safe_name(entry.currency_code)}"
        unique, copies = stem, 1
        while unique in taken:
            copies += 1
            unique = f"{stem}-{copies}"
        if unique != stem and entry.invoice_status == "issued":
            raise ValueError(f"Invoice number {entry.invoice_number} was given twice.")
        taken.add(unique)
        stems.append(unique)
    return stems


def _missing_suffixes(folder: Path, entry: ListedInvoice, stem: str) -> tuple[str, ...]:
    """Say which files to write: all of a draft, none of what was issued before."""
    suffixes = LONG_SUFFIXES if entry.is_long else SUFFIXES
    if entry.invoice_status != "issued":
        return suffixes
    placed = issued_hash(folder, stem)
    if placed is None:
        return suffixes
    if placed != str(entry.content_hash):
        raise DocumentConflictError(
            f"{folder.name}/{stem}.json was issued with content {placed}, but the ledger has"
            f" {entry.content_hash} for {entry.invoice_number}; an issued invoice never"
            " changes, so move the old documents away if they belong to another installation."
        )
    return tuple(suffix for suffix in suffixes if not (folder / f"{stem}{suffix}").exists())


def _remove(job: _Job) -> None:
    for suffix in LONG_SUFFIXES:
        (job.staging / f"{job.stem}{suffix}").unlink(missing_ok=True)


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
        self.drafts = KeptDrafts(templates)

    def try_to_write(
        self, job: _Job, invoice: Invoice, lines: Callable[[], Iterable[InvoiceLine]]
    ) -> str | None:
        """Write the wanted files of one invoice, all of them or none.

        Args:
            job: What to write and where.
            invoice: What is printed.
            lines: Gives all lines, from the first, each time it is called.
        Returns: Why it cannot be rendered, if so.
        Raises: OSError, MemoryError or duckdb.Error, of which another invoice may die as well.
        """
        try:
            self._write(job, invoice, lines)
        except (OSError, MemoryError, duckdb.Error):
            raise
        # A document may break in ways that nobody has thought of; it breaks for itself alone.
        except BaseException as error:
            # What the PDF engine does instead of raising is outside of Exception.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            self._compilers = local()
            _remove(job)
            text = " ".join(f"{type(error).__name__}: {error}".split())
            return text[:_LONGEST_REASON]
        return None

    def _write(
        self, job: _Job, invoice: Invoice, lines: Callable[[], Iterable[InvoiceLine]]
    ) -> None:
        view = build_view(invoice, choose_language(invoice.row.locale, self._labels))
        view["content_hash"] = invoice.row.content_hash or ""
        attachment = job.staging / f"{job.stem}.csv"
        if invoice.is_long:
            with attachment.open("w", encoding="utf-8", newline="") as file:
                write_csv(file, lines(), invoice.row.minor_units)
            is_attached = attachment.stat().st_size <= ATTACHED_BYTES
            view["summary"] |= {"file": attachment.name, "is_attached": is_attached}
        for suffix in job.suffixes:
            path = job.staging / f"{job.stem}{suffix}"
            if suffix == ".html":
                path.write_text(self._invoice.render(invoice=view), encoding="utf-8")
            elif suffix == ".pdf":
                self._write_pdf(path, invoice, view, attachment)
            elif suffix == ".json":
                with path.open("w", encoding="utf-8") as file:
                    write_json(file, invoice, lines())
        if ".csv" not in job.suffixes:
            attachment.unlink(missing_ok=True)

    def write_index(self, staging: Path, index: dict[str, Any]) -> None:
        """Write the review page into the staging folder."""
        stream = self._index.stream(index=index)
        stream.enable_buffering(100)
        with (staging / "index.html").open("wb") as file:
            stream.dump(file, encoding="utf-8")

    def _write_pdf(
        self, path: Path, invoice: Invoice, view: dict[str, Any], attachment: Path
    ) -> None:
        # The clock would make two renderings of one invoice differ.
        instant: datetime = invoice.row.issued_at or invoice.row.period_to
        timestamp = int(instant.replace(tzinfo=UTC).timestamp())
        inputs = {"invoice": json.dumps(make_breakable(view), ensure_ascii=False)}
        if invoice.is_long and view["summary"]["is_attached"]:
            inputs["lines"] = attachment.read_text(encoding="utf-8")
        if invoice.row.invoice_status != "issued" and self.drafts.place(
            path, f"{timestamp} {json.dumps(inputs)}"
        ):
            return
        path.write_bytes(self._pdf(inputs, timestamp))
        self.drafts.note(path)

    def _pdf(self, inputs: dict[str, str], timestamp: int) -> bytes:
        compiler = getattr(self._compilers, "compiler", None)
        if compiler is None:
            compiler = typst.Compiler(
                self._typst_source, font_paths=self._font_paths, ignore_system_fonts=True
            )
            self._compilers.compiler = compiler
        pdf = compiler.compile(format="pdf", sys_inputs=inputs, timestamp=timestamp)
        if not isinstance(pdf, bytes):
            raise TypeError("A PDF is one document, not a page each.")
        return pdf
