"""The ``meterhouse`` command: a thin layer over the Dagster jobs.

What belongs here: arguments, progress, the tables at the end. What is done is in the jobs, so
that the same work runs from the Dagster UI.
"""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dagster_project.lib import status as status_reading
from dagster_project.lib.findings import FINDINGS
from dagster_project.lib.process_group import run_group
from dagster_project.lib.publishing import DATABASE
from dagster_project.lib.settings import PROJECT_ROOT, Settings, check_period
from dagster_project.price_commands import prices, quote
from dagster_project.runner import (
    FailedCheck,
    RunFailedError,
    UnreadFilesError,
    last_failed_checks,
    open_instance,
    prepare,
    refuse_early,
    run_job,
)

_DEMO_ISSUED = ("2026-01", "2026-02")
_DEMO_DRAFTED = "2026-03"
# Bound to the real output: what jobs print is turned away from it.
console = Console(file=sys.stdout)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--verbose", is_flag=True, help="Show every log line, and a traceback on failure."
)
def cli(verbose: bool) -> None:
    """From raw usage files to issued invoices.

    Directories and prices are set by METERHOUSE_* variables; docs/running.md lists them.
    """
    if not verbose:
        warnings.filterwarnings("ignore")


cli.add_command(prices)
cli.add_command(quote)


def _is_verbose() -> bool:
    return "--verbose" in sys.argv


def _settings(*requests: tuple[str, str]) -> Settings:
    """The settings of the installation, in which the jobs asked for must be possible."""
    settings = Settings.from_environment()
    for job, period in requests:
        refuse_early(settings, job, period)
    prepare(settings)
    return settings


def _period(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    try:
        return check_period(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


_period_option = click.option(
    "--period", required=True, metavar="YYYY-MM", callback=_period, help="Billing period."
)


@contextmanager
def _progress(title: str) -> Iterator[Callable[[str], None]]:
    """One line that changes on a terminal; one line per step in a log."""
    if console.is_terminal:
        with console.status(title) as line:
            yield lambda text: line.update(Text(f"{title}: {text}"))
    else:
        last = ""

        def report(text: str) -> None:
            nonlocal last
            if text != last and not text.startswith("dbt: "):
                console.print(
                    f"{title}: {text}", markup=False, highlight=False, soft_wrap=True
                )
            last = text

        yield report


def _run(job: str, period: str | None = None) -> list[FailedCheck]:
    title = f"{job} {period}" if period else job
    with _progress(title) as report, ExitStack() as stack:
        if not _is_verbose():
            # dbt prints a line for each model; the progress line says as much.
            stack.enter_context(
                redirect_stdout(stack.enter_context(Path(os.devnull).open("w")))
            )
        report("starting Dagster ...")
        return run_job(job, period, report)


def _run_and_show(
    job: str, period: str | None, show: Callable[[list[FailedCheck]], None]
) -> None:
    """Run a job, then show what it did; what it could not open is said after that."""
    try:
        checks = _run(job, period)
    except UnreadFilesError as error:
        show(error.warnings)
        raise
    show(checks)


@cli.command()
def ingest() -> None:
    """Load whatever is new in the landing directory."""
    settings = _settings()
    before = status_reading.last_load(settings)

    def show(checks: list[FailedCheck]) -> None:
        _print_loads(settings, before)
        _print_unread_columns(settings, before)
        _print_warnings(checks)

    _run_and_show("ingest", None, show)


@cli.command()
@_period_option
def bill(period: str) -> None:
    """Draft the invoices of a period: ingest, build, check."""
    _run_period("bill", period)


@cli.command()
@_period_option
def issue(period: str) -> None:
    """Bill a period, then number, freeze and render its invoices."""
    _run_period("issue", period)


def _run_period(job: str, period: str) -> None:
    settings = _settings((job, period))
    before = status_reading.last_load(settings)

    def show(_checks: list[FailedCheck]) -> None:
        _print_unread_columns(settings, before, is_checked=True)
        _print_periods(settings, [period])
        _print_earlier_periods(settings, period)
        _print_findings(settings, period)

    try:
        _run_and_show(job, period, show)
    except RunFailedError as error:
        # What stopped the run is in the marts that it has built.
        if any(f" on {kind.mart}" in str(error) for kind in FINDINGS.values()):
            _print_findings(settings, period)
        raise


@cli.command()
def status() -> None:
    """Show events, drafts, issued, blocked checks and money by period."""
    settings = _settings()
    _print_periods(settings, None)


@cli.command()
@click.option("--events", default=1_000_000, show_default=True, help="Sample events to make.")
def demo(events: int) -> None:
    """Bill made-up usage: two months issued, one drafted."""
    from dagster_project.lib.sample import write_sample

    settings = _settings(("issue", _DEMO_ISSUED[0]), ("bill", _DEMO_DRAFTED))
    with _progress("sample") as report:
        report(f"writing {events:,} events to {settings.landing_dir}")
        write_sample(settings.landing_dir, events)
    for period in _DEMO_ISSUED:
        _run("issue", period)
    _run("bill", _DEMO_DRAFTED)
    _print_periods(settings, None)
    _print_findings(settings, _DEMO_DRAFTED)
    places = Table(title="Where everything is", show_header=False)
    for name, place in (
        ("Invoices", settings.documents_dir / _DEMO_ISSUED[-1] / "index.html"),
        ("Drafts", settings.documents_dir / _DEMO_DRAFTED / "index.html"),
        ("Marts for BI", settings.publish_dir / DATABASE),
        ("Marts as Parquet", settings.publish_dir / "parquet"),
        ("Data Docs", settings.data_docs_dir / "index.html"),
        ("Dagster UI", "make ui, then http://localhost:3000"),
    ):
        places.add_row(name, str(place))
    console.print(places, soft_wrap=True)


@cli.command()
@click.option("--port", default=3000, show_default=True)
@click.option(
    "--ends-with-parent",
    is_flag=True,
    help="End also when the program that started this command does; for make.",
)
def ui(port: int, ends_with_parent: bool) -> None:
    """Run the Dagster UI with its sensors and schedules, all of it until this ends."""
    _settings()
    # Whatever died while no daemon ran is said now.
    open_instance().dispose()
    dagster = Path(sys.executable).with_name("dagster")
    workspace = PROJECT_ROOT / "workspace.yaml"
    arguments = [str(dagster), "dev", "-w", str(workspace), "-p", str(port)]
    path = f"{dagster.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    raise SystemExit(
        run_group(
            arguments,
            PROJECT_ROOT,
            {**os.environ, "PATH": path},
            ends_with_parent=ends_with_parent,
        )
    )


@cli.command("diff-engines")
@_period_option
def diff_engines(period: str) -> None:
    """Bill what landed on DuckDB and on Spark, apart from the warehouse, and compare."""
    from dagster_project.lib.engine_diff import bill_on_both, differing_rows

    settings = _settings(("bill", period))
    with (
        _progress("diff-engines") as report,
        TemporaryDirectory() as folder,
        ExitStack() as stack,
    ):
        if not _is_verbose():
            stack.enter_context(
                redirect_stdout(stack.enter_context(Path(os.devnull).open("w")))
            )
        warehouses = bill_on_both(settings, period, Path(folder), report)
        report("comparing the marts")
        rows = differing_rows(*warehouses)
    table = Table("Mart", "Only on", "Row", title="Differing rows")
    for row in rows:
        table.add_row(row.mart, row.engine, row.text)
    if rows:
        console.print(table)
        raise SystemExit(1)
    console.print(f"All marts of {period} are equal on both engines, row by row.")


def _print_loads(settings: Settings, before: int) -> None:
    table = Table("Kind", "Files", "Records", "Events", "Rejected", title="Loaded")
    for row in status_reading.loads_since(settings, before):
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else cell for cell in row))
    if table.row_count:
        console.print(table)
    else:
        console.print("Nothing new in the landing directory.")


def _print_unread_columns(settings: Settings, before: int, is_checked: bool = False) -> None:
    """Name the columns of new accounts files that nobody reads, once.

    Where a run has checked the accounts, those that resemble a known one are warned of anyway.
    """
    others: dict[str, list[str]] = {}
    for file, column, meant in status_reading.unread_columns(settings, before):
        if meant is None:
            others.setdefault(file, []).append(column)
        elif not is_checked:
            why = "there more than once; the first one is read"
            if column != meant:
                why = f"read by nobody; {meant} was probably meant"
            _say(f"Warning: {file}, column {column}: {column} is {why}.")
    for file, columns in others.items():
        _say(f"Note: {file} has columns that nobody reads: {', '.join(columns)}")


def _say(sentence: str) -> None:
    console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _print_periods(settings: Settings, periods: list[str] | None) -> None:
    rows = status_reading.period_rows(settings, periods)
    if not rows:
        console.print("Nothing has been billed yet; run meterhouse bill --period YYYY-MM.")
        return
    table = Table(title="Billing periods", show_lines=True)
    for name in ("Period", "Events by fate", "Drafts", "Issued", "Blocked checks", "Money"):
        table.add_column(
            name,
            justify="right" if name in ("Drafts", "Issued") else "left",
            overflow="fold",
        )
    warnings_of_runs: list[FailedCheck] = []
    with open_instance() as instance:
        for row in rows:
            fates = [f"{count:,} {fate}" for fate, count in (row.events_by_fate or {}).items()]
            # Repeats and rejects belong to no period and are on no invoice.
            has_period = row.period != status_reading.NO_PERIOD
            failed = last_failed_checks(instance, row.period) if has_period else []
            blocked = [check for check in failed if check.is_blocking]
            warnings_of_runs += [check for check in failed if not check.is_blocking]
            table.add_row(
                row.period,
                "\n".join(fates) or "-",
                f"{row.drafts:,}",
                f"{row.issued:,}",
                "\n".join(f"{c.name} on {c.asset}" for c in blocked) or "-",
                "\n".join(row.money) or "-",
            )
    console.print(table)
    if periods is not None:
        marts = {kind.mart for kind in FINDINGS.values()}
        # They have a table of their own.
        _print_warnings([check for check in warnings_of_runs if check.asset not in marts])


def _print_warnings(checks: list[FailedCheck]) -> None:
    for check in checks:
        _say(f"Warning: {check}")


def _print_findings(settings: Settings, period: str) -> None:
    """Say what has to be looked at before anybody is billed, some of each kind."""
    table = Table(title="Before anybody is billed", show_lines=True)
    for name in ("Finding", "Customer", "Meter", "Quantity"):
        # What it is about needs the room of a narrow terminal.
        table.add_column(name, overflow="fold", max_width=16 if console.width >= 100 else 10)
    table.add_column("What", overflow="fold")
    for findings in status_reading.findings_of(settings, period):
        name = findings.code.replace("_", " ")
        for finding in findings.shown:
            cells = (finding.customer, finding.meter, finding.quantity, finding.text)
            blocks = " (blocks an issue)" if finding.is_blocking else ""
            table.add_row(f"{name}{blocks}", *(Text(cell or "-") for cell in cells))
        if findings.count > len(findings.shown):
            mart = FINDINGS[findings.code].mart
            rest = f"{findings.count - len(findings.shown):,} more of them: marts.{mart}"
            table.add_row(name, "...", "", "", rest)
    if table.row_count:
        console.print(table)


def _print_earlier_periods(settings: Settings, period: str) -> None:
    """Adjustments and documents of periods that began earlier, which belong to this month."""
    table = Table(title=f"With {period}, of periods that began earlier")
    table.add_column("Period")
    table.add_column("State")
    for name in ("Adjustments", "Documents", "Credit notes", "Net"):
        table.add_column(name, justify="right")
    for row in status_reading.rows_of_earlier_periods(settings, period):
        table.add_row(
            row.billing_period,
            row.invoice_status,
            f"{row.adjustment_count:,}",
            f"{row.document_count:,}",
            f"{row.credit_note_count:,}",
            f"{row.net_amount} {row.currency_code}",
        )
    if table.row_count:
        console.print(table)


def main() -> None:
    """Run the command; exits 1 with one sentence when something is wrong."""
    try:
        cli()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        if _is_verbose():
            raise
        message = (
            str(error)
            if isinstance(error, (RunFailedError, ValueError, OSError, duckdb.Error))
            else repr(error)
        )
        Console(stderr=True).print("[red]Error:[/red] ", end="")
        Console(stderr=True).print(message, markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(1) from None
