"""From drafts to what a customer and a BI tool may see: issuing, documents, publishing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import dagster as dg
import duckdb

from dagster_project.defs.partitions import billing_months, has_ended, one_run
from dagster_project.defs.quality.verdict import UNREAD_FILES, verdict
from dagster_project.defs.resources import (
    ISSUE_JOB,
    OWNERS,
    WAREHOUSE_POOL,
    WarehouseResource,
    settings,
)
from dagster_project.defs.warehouse.assets import NO_UNIT_TESTS
from dagster_project.lib.documents import (
    DocumentsOfIssue,
    letters_without_font,
    not_rendered,
    read_head,
    render_period,
    unfinished_periods,
)
from dagster_project.lib.first_period import first_month_of_invoices, note_period
from dagster_project.lib.invoice_summary import (
    earlier_periods,
    invoice_counts,
    money_by_currency,
    net_by_period,
    preview_table,
)
from dagster_project.lib.publishing import publish_marts
from dagster_project.lib.revenue_plot import as_markdown_image, draw_amounts
from dagster_project.lib.settings import TEMPLATES_DIR

_CHECKED_MARTS = [
    "fct_invoices",
    "fct_invoice_lines",
    "fct_invoice_line_tiers",
    "fct_invoice_taxes",
    "fct_credit_applications",
    "fct_credit_ledger",
    "fct_usage_daily",
    "fct_event_fates",
]


NOT_ISSUED = "Invoices are issued by a whole run of the job issue, after all of its checks."
# Their checks stand before an issue alone: drafts of everybody else can be made and read.
_ISSUE_GUARDS = [
    "fct_account_exceptions",
    "fct_charge_exceptions",
    "fct_usage_findings",
    "fct_invoice_findings",
]


# So many of what was left out are named in a run's metadata.
_NAMED = 20


@dg.asset(
    deps=[*_CHECKED_MARTS, *_ISSUE_GUARDS],
    partitions_def=billing_months,
    backfill_policy=one_run,
    group_name="invoicing",
    kinds={"python", "duckdb"},
    owners=OWNERS,
    pool=WAREHOUSE_POOL,
)
def issued_invoices(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """Number and freeze the drafts up to each billing month; nothing is ever issued twice.

    Documents are rendered before anything is numbered. What cannot be rendered stays a draft.

    The blocking checks of every mart stand before it, which they do in a whole run of the job
    alone. Materialized together with other assets it issues nothing and says so, that they
    can be made; by itself, and in a part of the job, it refuses. After an issue the invoicing
    models and the marts are built again, so that readers see the drafts as issued.
    """
    periods = context.partition_keys
    issued_now: int | None = None
    left_out: list[str] = []
    if context.run.job_name != ISSUE_JOB and len(context.job_def.nodes) > 1:
        context.log.warning(NOT_ISSUED)
    else:
        issued_now, left_out = _issue(context, warehouse, periods)
    with warehouse.get_connection() as connection:
        counts = [invoice_counts(connection, period) for period in periods]
        billed = _billed(connection, periods)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(count.get("issued", 0) for count in counts),
            "issued_now": issued_now or 0,
            "left_out": left_out[:_NAMED],
            "left_out_count": len(left_out),
            "billed": billed,
            **({"not_issued": NOT_ISSUED} if issued_now is None else {}),
        }
    )


def _issue(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, periods: Sequence[str]
) -> tuple[int, list[str]]:
    """How many were issued, and why others were not."""
    for period in periods:
        if not has_ended(period):
            raise dg.Failure(f"{period} has not ended.", allow_retries=False)
    run, steps = context.run, {node.name for node in context.job_def.nodes}
    is_part = run.asset_selection or set(run.step_keys_to_execute or steps) != steps
    if run.job_name != ISSUE_JOB or is_part:
        raise dg.Failure(NOT_ISSUED, allow_retries=False)
    total = 0
    left_out: list[str] = []
    for period in periods:
        documents = DocumentsOfIssue(settings.documents_dir, TEMPLATES_DIR, context.log.info)
        issued_at = datetime.now(UTC).replace(tzinfo=None)
        issue = warehouse.issue(period, issued_at, documents.render)
        documents.put_in_place()
        context.log.info(f"Issued {issue.count} documents of {period}.")
        total += issue.count
        left_out += issue.left_out.values()
        if issue.count:
            # What the bill before it has found settled stays so.
            selection = ["--select", "path:models/invoicing path:models/marts"]
            selection += ["--exclude", "inv_settled_periods"]
            warehouse.run_dbt(["build", *selection, *NO_UNIT_TESTS], period)
    return total, left_out


def _billed(connection: duckdb.DuckDBPyConnection, periods: Sequence[str]) -> list[str]:
    # Amounts go out as text: float metadata would show cents that nobody was charged.
    return [
        f"{amount} {code}" if len(periods) == 1 else f"{period}: {amount} {code}"
        for period in periods
        for code, amount in money_by_currency(connection, period).items()
    ]


@dg.asset(
    deps=[*_CHECKED_MARTS, issued_invoices],
    partitions_def=billing_months,
    backfill_policy=one_run,
    group_name="invoicing",
    kinds={"jinja2", "python"},
    owners=OWNERS,
    pool=WAREHOUSE_POOL,
)
def invoice_documents(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """Replace the drafts of each billing month and add its newly issued documents.

    So it does in the months that a killed issue, or a document that could not be rendered, has
    left unfinished.
    """
    periods, folder = context.partition_keys, settings.documents_dir
    # What is shown of the run is of its last month.
    period = periods[-1]
    with warehouse.get_connection() as connection:
        for other in unfinished_periods(folder):
            if other not in periods:
                render_period(connection, other, folder, TEMPLATES_DIR, context.log.info)
        documents = [
            document
            for each in periods
            for document in render_period(
                connection, each, folder, TEMPLATES_DIR, context.log.info
            )
        ]
        # What was a draft of a month before and has been issued with one of these.
        for each in periods:
            for row in earlier_periods(connection, each):
                if next((folder / row.billing_period).glob("draft-*"), None):
                    render_period(connection, row.billing_period, folder, TEMPLATES_DIR)
        billed = _billed(connection, periods)
        preview = preview_table(connection, period)
        plots = [
            as_markdown_image(
                draw_amounts(
                    f"Net revenue, {code}", net_by_period(connection, period, code), code
                ),
                f"Net revenue by billing month in {code}",
            )
            for code in money_by_currency(connection, period)
        ]
    issued = sum(document.invoice_status == "issued" for document in documents)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(documents),
            "issued": issued,
            "drafts": len(documents) - issued,
            "billed": billed,
            "preview": dg.MetadataValue.md(preview),
            "revenue": dg.MetadataValue.md("\n\n".join(plots) or "No invoices yet."),
            "folder": dg.MetadataValue.path(folder / period),
        }
    )


def _document_files(periods: Sequence[str]) -> list[Path]:
    return [
        path
        for period in periods
        for path in sorted((settings.documents_dir / period).glob("[!.]*.json"))
    ]


@dg.asset_check(
    asset=invoice_documents,
    blocking=True,
    partitions_def=billing_months,
    description="The documents on disk and the marts show the same invoices and totals.",
)
def documents_equal_marts(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
) -> dg.AssetCheckResult:
    """Compare the JSON form of every document with the marts, amount by amount."""
    with warehouse.get_connection() as connection:
        expected = {
            invoice_id: (number, total, due)
            for invoice_id, number, total, due in connection.execute(
                "select invoice_id, invoice_number, total_amount, due_amount"
                " from marts.fct_invoices"
                " where coalesce(issue_period, billing_period) = any(?)"
                " and invoice_id not in (select unnest(?::varchar[]))",
                [list(context.partition_keys), list(not_rendered(settings.documents_dir))],
            ).fetchall()
        }
    found = {}
    for path in _document_files(context.partition_keys):
        document = read_head(path)
        found[document["invoice_id"]] = (
            document["invoice_number"],
            Decimal(document["total_amount"]),
            Decimal(document["due_amount"]),
        )
    different = sorted(
        invoice_id
        for invoice_id in expected.keys() | found.keys()
        if expected.get(invoice_id) != found.get(invoice_id)
    )
    examples = [
        f"{invoice_id}: marts {expected.get(invoice_id)}, document {found.get(invoice_id)}"
        for invoice_id in different[:5]
    ]
    return dg.AssetCheckResult(
        passed=not different,
        description="; ".join(examples) or None,
        metadata={"documents": len(found), "different": len(different)},
    )


@dg.asset_check(
    asset=invoice_documents,
    partitions_def=billing_months,
    description="A font has every letter of the documents; a PDF shows others as empty boxes.",
    # With it, the run is known to live.
    required_resource_keys={"warehouse"},
)
def letters_have_a_font(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Look for scripts that the fonts of the PDF engine lack, document by document."""
    lacking = {}
    for path in _document_files(context.partition_keys):
        with path.open(encoding="utf-8") as file:
            # A piece at a time, since one document may have any number of lines.
            found = {
                letter
                for piece in iter(lambda: file.read(2**20), "")
                for letter in letters_without_font(piece, TEMPLATES_DIR)
            }
        if found:
            lacking[path.stem] = "".join(sorted(found))
    name, letters = next(iter(lacking.items()), ("", ""))
    more = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
    return dg.AssetCheckResult(
        passed=not lacking,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{name}: no font for {letters[:20]}{more};"
        f" put one that has them into {TEMPLATES_DIR.name}/fonts"
        if lacking
        else None,
        metadata={"documents": len(lacking)},
    )


@dg.asset(
    deps=[*_CHECKED_MARTS, invoice_documents],
    partitions_def=billing_months,
    backfill_policy=one_run,
    check_specs=[
        dg.AssetCheckSpec(
            name="drafts_hold_every_landed_file",
            asset="published_marts",
            blocking=True,
            description="No landed file is missing in what was billed and published.",
        )
    ],
    group_name="marts",
    kinds={"duckdb", "parquet"},
    owners=OWNERS,
    pool=WAREHOUSE_POOL,
)
def published_marts(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """Replace the published copy of the marts in one step, once the checks have passed."""
    with warehouse.get_connection() as connection:
        build = publish_marts(connection, settings.publish_dir)
        note_period(settings, first_month_of_invoices(connection))
        unread = [text for text, _ in connection.execute(UNREAD_FILES).fetchall()]
    context.log.info("Published a new build." if build.is_new else "The marts are unchanged.")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(build.row_counts.values()),
            "tables": [f"{name}: {count}" for name, count in build.row_counts.items()],
            "is_new_build": build.is_new,
            "folder": dg.MetadataValue.path(settings.publish_dir),
        },
        # All that could be done is done; a run that ended well would hide what is missing.
        check_results=[
            verdict(unread, stops=True, check_name="drafts_hold_every_landed_file")
        ],
    )


@dg.asset_check(
    asset=published_marts,
    blocking=True,
    partitions_def=billing_months,
    description="Every invoice has its documents; one that cannot be rendered is not issued.",
)
def invoices_have_documents(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Name what this run did not issue, and what has no document, after serving all others."""
    lacking = list(not_rendered(settings.documents_dir).values())
    event = context.instance.get_latest_materialization_event(dg.AssetKey("issued_invoices"))
    if event and event.run_id == context.run.run_id and event.asset_materialization:
        left_out = event.asset_materialization.metadata["left_out"].value
        lacking = [*(f"not issued: {sentence}" for sentence in left_out), *lacking]
    more = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
    return dg.AssetCheckResult(
        passed=not lacking,
        description=f"{lacking[0]}{more}" if lacking else None,
        metadata={"lacking": len(lacking)},
    )
