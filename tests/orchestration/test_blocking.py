"""What a blocking check finds stops an issue, through Dagster, until it is dealt with."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb

from tests.command.command import prepare, run
from tests.harness import Scenario

PERIOD = ("--period", "2026-01")


def test_what_blocks_an_issue_stops_it_until_it_is_dealt_with(tmp_path: Path) -> None:
    """A meter that was down is a bill too small, and an absurd reading one too large.

    The outage stops drafts as well. Once it is acknowledged the sound customer has a draft. A
    file that cannot be opened, and then the charge out of range, still stop the issue, and so
    does usage of nobody, which the price book has block. Without the file, drafts are made and
    shown, and yet the run has failed.
    """
    world = Scenario()
    world.meter("used", "use")
    world.plan("plan")
    world.price("plan", "per_unit", meter_code="used", unit_price="1")
    for name in ("absurd", "sound"):
        world.customer(name)
        world.subscription(name, plan_code="plan")
    world.event("absurd", "1e20", at="2026-01-05T00:00:00Z")
    world.event("nobody", "3", at="2026-01-06T00:00:00Z")
    world.tables["checks"] = [{"check_code": "usage_of_nobody", "blocks": "true"}]
    for number in range(14):
        day = date(2026, 1, 1) + timedelta(days=number)
        for _ in range(0 if day.day == 10 else 20):
            world.event("sound", "1", at=f"{day}T12:00:00Z")
    installation = prepare(tmp_path, world)
    outage = run(installation, "bill", *PERIOD)
    assert outage.code == 1, outage
    assert "usage_has_no_outage on fct_usage_daily: event_type use, usage_day 2026-01-10" in (
        outage.error
    )
    assert not (tmp_path / "documents").exists()

    (installation.pricing / "quality_acknowledgements.csv").write_text(
        "event_type,silent_from,silent_to,reason,acknowledged_by\n"
        "use,2026-01-10,2026-01-11,data centre flooded,CFO\n"
    )
    broken = installation.landing / "usage" / "broken.ndjson.gz"
    broken.write_bytes(b"no gzip")
    loaded = run(installation, "ingest")
    assert loaded.code == 1, loaded
    assert "usage/broken.ndjson.gz" in loaded.error
    unread = run(installation, "issue", *PERIOD)
    assert unread.code == 1, unread
    assert "every_landed_file_was_loaded on raw/load_files: usage/broken.ndjson.gz" in (
        unread.error
    )
    drafted = run(installation, "bill", *PERIOD)
    assert drafted.code == 1, drafted
    assert drafted.error.startswith(
        "Error: Could not be opened, will be tried again: usage/br"
    )
    assert "Billing periods" in drafted.output
    assert (tmp_path / "published/meterhouse.duckdb").exists()
    assert "Warning: every_landed_file_was_loaded" in drafted.output
    broken.unlink()
    assert (tmp_path / "documents/2026-01/draft-sound-EUR.html").exists()
    assert "Warning: charges_are_in_range on fct_charge_exceptions" in drafted.output
    assert "Before anybody is billed" in drafted.output
    # A cell of the table is folded.
    assert "usage of nobody" in drafted.output
    assert "(blocks an" in drafted.output
    blocked = run(installation, "issue", *PERIOD)
    assert blocked.code == 1, blocked
    assert "customer absurd, subscription absurd, charge usage, 2026-01" in blocked.error
    (issued,) = installation.rows("select count(*) as count from ledger.issued_invoices")
    assert issued["count"] == 0
    blocking = run(installation, "status").output
    assert "charges_are_in_range" in blocking
    assert "all_usage_has_a_subscription" in blocking


# Breaks the PDF of one customer in every process that finds it on its path.
BROKEN = """
import typst

working = typst.Compiler


class Compiler:
    def __init__(self, *arguments, **named):
        self.compiler = working(*arguments, **named)

    def compile(self, **named):
        if "Customer broken" in named["sys_inputs"]["invoice"]:
            raise RuntimeError("no such letter")
        return self.compiler.compile(**named)


typst.Compiler = Compiler
"""


def test_an_invoice_without_a_document_is_left_out_and_said(tmp_path: Path) -> None:
    """Numbers would be given to what nobody can send, or nobody would be invoiced at all."""
    world = Scenario()
    world.meter("used", "use")
    for name in ("a", "broken", "c"):
        world.subscriber(name)
        world.event(name, "1")
    installation = prepare(tmp_path / "data", world)
    (tmp_path / "sitecustomize.py").write_text(BROKEN)
    issued = run(installation, "issue", *PERIOD, PYTHONPATH=str(tmp_path))
    assert issued.code == 1, issued
    assert (
        "invoices_have_documents on published_marts: not issued: customer broken, 2026-01, EUR"
        " has no document: RuntimeError: no such letter"
    ) in issued.error
    documents = installation.folder / "documents/2026-01"
    assert {path.stem for path in documents.glob("*.pdf")} == {"INV-000001", "INV-000002"}
    # Everybody else is on the published copy.
    published = installation.folder / "published/meterhouse.duckdb"
    with duckdb.connect(str(published), read_only=True) as reader:
        shown = reader.execute(
            "select customer_id, invoice_number from marts.fct_invoices order by 1"
        ).fetchall()
    assert shown == [("a", "INV-000001"), ("broken", None), ("c", "INV-000002")]
