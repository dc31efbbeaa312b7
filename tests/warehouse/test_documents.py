"""Documents of a billing period, rendered from marts built by hand in an in-memory DuckDB."""

# ruff: noqa: DTZ001 -- the marts hold UTC without a zone

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_type_hints

import duckdb
import pytest

from dagster_project.lib import spark_warehouse
from dagster_project.lib.documents import (
    DocumentConflictError,
    DocumentsOfIssue,
    not_rendered,
    records,
    render_period,
    unfinished_periods,
)
from dagster_project.lib.documents.formatting import (
    choose_language,
    clean_text,
    find_zone,
    plain_decimal,
    read_labels,
)
from dagster_project.lib.documents.period_index import describe_change
from dagster_project.lib.documents.records import (
    InvoiceCredit,
    InvoiceRow,
    InvoiceTax,
    InvoiceTier,
    LineRow,
    list_invoices,
    previous_period,
    read_invoices,
)
from dagster_project.lib.documents.store import open_staging, put_in_place, safe_name
from dagster_project.lib.documents.view import build_view, make_breakable
from dagster_project.lib.invoice_summary import net_by_period
from dagster_project.lib.issuing import Issue, issue_period
from dagster_project.lib.spark_warehouse import SparkWarehouse

TEMPLATES = Path(__file__).parents[2] / "invoice_templates"
PERIOD = "2026-01"
TABLES: dict[str, type] = {
    "fct_invoices": InvoiceRow,
    "fct_invoice_lines": LineRow,
    "fct_invoice_line_tiers": InvoiceTier,
    "fct_invoice_taxes": InvoiceTax,
    "fct_credit_applications": InvoiceCredit,
}
SCALES = {"quantity": "38, 12", "exact_amount": "38, 24", "unit_price": "26, 12"}
BERLIN = (datetime(2025, 12, 31, 23), datetime(2026, 1, 31, 23))
UTC_MONTH = (datetime(2026, 1, 1), datetime(2026, 2, 1))
SELLER = {
    "seller_name": "Meterhouse GmbH",
    "seller_address_line": "Torstraße 1",
    "seller_city": "Berlin",
    "seller_postal_code": "10119",
    "seller_country_code": "DE",
    "seller_tax_id": "DE999999999",
    "seller_email": "billing@meterhouse.example",
    "seller_payment_details": "IBAN DE02 1203 0000 0000 2020 51, BIC BYLADEM1001",
    "payment_terms_days": 14,
}


def sql_type(name: str, hint: Any) -> str:
    """Give the column type the marts promise for a field."""
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    kind = next(kind for kind in kinds if kind is not type(None))
    if kind is Decimal:
        if name == "tier_from" or name == "tier_up_to" or name.endswith("quantity"):
            return "decimal(38, 12)"
        return f"decimal({SCALES.get(name, '28, 6')})"
    return {datetime: "timestamp", int: "integer", bool: "boolean"}.get(kind, "varchar")


class Marts:
    """Marts under construction: invoices in, rows out."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("set TimeZone = 'UTC'; create schema marts;")
        for table, record in TABLES.items():
            columns = ", ".join(
                f"{name} {sql_type(name, hint)}"
                for name, hint in get_type_hints(record).items()
            )
            self.connection.execute(f"create table marts.{table} ({columns})")

    def insert(self, table: str, **values: Any) -> None:
        names = [field.name for field in fields(TABLES[table])]
        assert set(values) <= set(names), set(values) - set(names)
        marks = ", ".join("?" for _ in names)
        self.connection.execute(
            f"insert into marts.{table} values ({marks})", [values.get(name) for name in names]
        )

    def invoice(
        self,
        invoice_id: str,
        lines: list[dict[str, Any]],
        taxes: list[tuple[str | None, str, str, str]] = (),  # type: ignore[assignment]
        **values: Any,
    ) -> None:
        """Add an invoice; amounts are added up from its lines and taxes."""
        net = sum((Decimal(line["net_amount"]) for line in lines), Decimal(0))
        tax = sum((Decimal(entry[3]) for entry in taxes), Decimal(0))
        defaults: dict[str, Any] = {
            "invoice_id": invoice_id,
            "invoice_status": "issued" if values.get("invoice_number") else "draft",
            "document_type": "invoice",
            "billing_period": PERIOD,
            "period_from": UTC_MONTH[0],
            "period_to": UTC_MONTH[1],
            "minor_units": 2,
            "net_amount": net,
            "tax_amount": tax,
            "total_amount": net + tax,
            "due_amount": net + tax,
            "issued_at": datetime(2026, 2, 3, 9) if values.get("invoice_number") else None,
            "content_hash": f"hash-of-{invoice_id}",
            "has_flags": bool(values.get("flags")),
            "flags": "",
            "locale": "en",
            "timezone": "UTC",
            **SELLER,
        }
        invoice = {**defaults, **values}
        self.insert("fct_invoices", **invoice)
        for number, line in enumerate(lines, start=1):
            line = dict(line)
            for tier_number, tier in enumerate(line.pop("tiers", []), start=1):
                self.insert(
                    "fct_invoice_line_tiers",
                    invoice_id=invoice_id,
                    line_number=number,
                    tier_number=tier_number,
                    **tier,
                )
            self.insert(
                "fct_invoice_lines",
                **{
                    "invoice_id": invoice_id,
                    "line_number": number,
                    "line_type": "charge",
                    "subscription_id": f"sub-{invoice['customer_id']}",
                    "pricing_model": "per_unit",
                    "dimension_values": "{}",
                    "period_from": invoice["period_from"],
                    "period_to": invoice["period_to"],
                    "exact_amount": line["net_amount"],
                    "currency_code": invoice["currency_code"],
                    **line,
                },
            )
        for tax_code, rate, taxable, amount in taxes:
            self.insert(
                "fct_invoice_taxes",
                invoice_id=invoice_id,
                tax_code=tax_code,
                tax_category="standard",
                tax_rate=rate,
                taxable_amount=taxable,
                tax_amount=amount,
            )


def tier(low: str, high: str | None, quantity: str, price: str, flat: str, exact: str) -> dict:
    """Write a tier in the order of the price book."""
    return {
        "tier_from": low,
        "tier_up_to": high,
        "quantity": quantity,
        "unit_price": price,
        "flat_amount": flat,
        "exact_amount": exact,
    }


def build_sample() -> Marts:
    """A month with every kind of document, and part of the month before."""
    marts = Marts()
    marts.invoice(
        "i-de",
        [
            {
                "charge_name": "API-Aufrufe",
                "charge_code": "api_calls",
                "pricing_model": "tiered",
                "quantity": "1234567.5",
                "included_quantity": "1000",
                "unit": "Aufrufe",
                "net_amount": "1084.57",
                "exact_amount": "1084.5675",
                "dimension_values": '{"region": "eu", "class": "=cmd()", "model": null}',
                "tiers": [
                    tier("0", "1000000", "1000000", "0.0009", "50", "950"),
                    tier("1000000", None, "233567.5", "0.000575", "0", "134.3013125"),
                ],
            },
            {
                "charge_name": "Speicher",
                "quantity": "512.25",
                "unit": "GiB-Monate",
                "unit_price": "23",
                "price_quantity": "1000",
                "net_amount": "11.78",
                "period_from": datetime(2025, 12, 31, 23),
                "period_to": datetime(2026, 1, 15, 11),
            },
            {
                "charge_name": "Nachrichten",
                "pricing_model": "package",
                "quantity": "1501",
                "unit": "Nachrichten",
                "unit_price": "4.5",
                "net_amount": "9.00",
            },
            {
                "charge_name": "Grundgebühr",
                "pricing_model": "flat",
                "quantity": "1",
                # Our own word, which the document has in the customer's language.
                "unit": "period",
                "unit_price": "49",
                "net_amount": "49.00",
            },
            {
                "charge_name": "API-Aufrufe",
                "line_type": "adjustment",
                "description": "Differenz nach verspäteter Nutzung",
                "quantity": "-1200",
                "unit": "Aufrufe",
                "net_amount": "-1.08",
                "adjusted_billing_period": "2025-12",
            },
        ],
        [("DE-19", "19", "1104.27", "209.81"), ("DE-7", "7", "49.00", "3.43")],
        invoice_number="INV-2026-000001",
        customer_id="acme-de",
        customer_name="Bücher & Söhne GmbH",
        customer_email="buchhaltung@acme.example",
        customer_address_line="Lange Straße 12",
        customer_city="München",
        customer_postal_code="80331",
        customer_country_code="DE",
        customer_tax_id="DE123456789",
        currency_code="EUR",
        locale="de",
        timezone="Europe/Berlin",
        period_from=BERLIN[0],
        period_to=BERLIN[1],
    )
    marts.invoice(
        "i-us",
        [
            {
                "charge_name": f"Compute, size {number}",
                "quantity": f"{number * 1000}.125",
                "unit": "vCPU-hours",
                "unit_price": "0.000001234567",
                "net_amount": f"{number}.10",
            }
            for number in range(1, 61)
        ],
        [("CA-SALES", "8.25", "1836", "151.47")],
        invoice_number="INV-2026-000002",
        customer_id="globex",
        customer_name="Globex Corporation",
        customer_country_code="US",
        currency_code="USD",
        locale="en-US",
        timezone="America/Los_Angeles",
        period_from=datetime(2026, 1, 1, 8),
        period_to=datetime(2026, 2, 1, 8),
        due_amount=Decimal("1000"),
    )
    marts.invoice(
        "i-br",
        [
            {
                "charge_name": "Mensagens",
                "quantity": "98765.4321",
                "unit": "mensagens",
                "unit_price": "0.05",
                "net_amount": "4938.27",
            }
        ],
        customer_id="loja brasil/são paulo",
        customer_name="Loja Brasil Ltda.",
        customer_country_code="BR",
        customer_tax_id="12.345.678/0001-95",
        currency_code="BRL",
        locale="pt-BR",
        timezone="America/Sao_Paulo",
        period_from=datetime(2026, 1, 1, 3),
        period_to=datetime(2026, 2, 1, 3),
        flags="No tax rate for standard in BR; Net amount is 3 times that of the month before",
    )
    marts.invoice(
        "i-jp",
        [
            {
                "charge_name": "Requests",
                "quantity": "10000",
                "unit": "requests",
                "unit_price": "1.2",
                "net_amount": "12000",
            }
        ],
        [("JP-10", "10", "12000", "1200")],
        customer_id="tokyo",
        customer_name="東京電算株式会社",
        customer_country_code="JP",
        currency_code="JPY",
        minor_units=0,
        locale="ja-JP",
        timezone="Asia/Tokyo",
        period_from=datetime(2025, 12, 31, 15),
        period_to=datetime(2026, 1, 31, 15),
    )
    marts.invoice(
        "i-kw",
        [
            {
                "charge_name": "Transfers",
                "quantity": "3",
                "unit": "TB",
                "unit_price": "1234.5678",
                "net_amount": "3703.703",
            }
        ],
        customer_id="gulf",
        customer_name="Gulf Data W.L.L.",
        customer_country_code="KW",
        currency_code="KWD",
        minor_units=3,
        locale="ar-KW",
        timezone="Asia/Kuwait",
        payment_terms_days=0,
    )
    marts.invoice(
        "i-fr",
        [
            {
                "charge_name": "Trafic",
                "quantity": "1234567",
                "unit": "Go",
                "unit_price": "0.01",
                "net_amount": "12345.67",
            }
        ],
        [("FR-20", "20", "12345.67", "2469.13")],
        invoice_number="INV-2026-000003",
        customer_id="fr-1",
        customer_name="L’Étoile & Fils",
        customer_country_code="FR",
        currency_code="EUR",
        locale="fr-FR",
        timezone="Europe/Paris",
        period_from=BERLIN[0],
        period_to=BERLIN[1],
    )
    marts.invoice(
        "i-es",
        [
            {
                "charge_name": "Llamadas",
                "line_type": "adjustment",
                "quantity": "-2000",
                "unit": "llamadas",
                "net_amount": "-20.00",
                "adjusted_billing_period": "2025-11",
            }
        ],
        [("ES-21", "21", "-20.00", "-4.20")],
        invoice_number="CN-2026-000001",
        document_type="credit_note",
        customer_id="es-1",
        customer_name="Compañía Ñandú S.A.",
        customer_country_code="ES",
        currency_code="EUR",
        locale="es",
        timezone="Europe/Madrid",
    )
    marts.invoice(
        "i-bad",
        [
            {
                "charge_name": "=cmd()|' /C calc'!A0",
                "unit": "</td><script>alert(2)</script>",
                "quantity": "99999999999999999999999999.123456789012",
                "unit_price": "0.00000001",
                "net_amount": "99999999999999.00",
                "description": '#panic("typst") $x$ {{ 7 * 7 }} ' + "W" * 300,
            }
        ],
        customer_id="../../etc/passwd",
        customer_name="<script>alert('x')</script> \u202eevil\u0007 Ωμέγα Привет",
        customer_address_line="*bold* _it_ #sys.version",
        customer_country_code="??",
        currency_code="USD",
        locale="xx-unknown",
        timezone="Mars/Olympus",
        flags="<b>odd</b>",
    )
    for customer_id, currency_code, net in (
        ("acme-de", "EUR", "1000.00"),
        ("tokyo", "JPY", "20000"),
        ("gone", "EUR", "77.70"),
    ):
        marts.invoice(
            f"before-{customer_id}",
            [{"charge_name": "Before", "net_amount": net}],
            customer_id=customer_id,
            customer_name=f"{customer_id} name",
            billing_period="2025-12",
            currency_code=currency_code,
            minor_units=0 if currency_code == "JPY" else 2,
        )
    return marts


@pytest.fixture
def marts() -> Iterator[Marts]:
    sample = build_sample()
    yield sample
    sample.connection.close()


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample rendered once, for tests that only read."""
    folder = tmp_path_factory.mktemp("documents")
    sample = build_sample()
    render_period(sample.connection, PERIOD, folder, TEMPLATES)
    sample.connection.close()
    return folder / PERIOD


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def language(locale: str | None) -> Any:
    return choose_language(locale, read_labels(TEMPLATES / "labels"))


def page_text(path: Path) -> str:
    """Give the visible text of a page, every space a plain one, entities as they are."""
    body = path.read_text(encoding="utf-8").partition("<body>")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_every_invoice_has_three_documents_and_the_index_links_them(
    marts: Marts, tmp_path: Path
):
    """Without it finance would follow a link to nothing."""
    messages: list[str] = []
    documents = render_period(marts.connection, PERIOD, tmp_path, TEMPLATES, messages.append)
    names = {path.name for path in (tmp_path / PERIOD).iterdir()}
    expected = {
        path.name
        for document in documents
        for path in (document.html_path, document.pdf_path, document.json_path)
    }
    assert len(documents) == 8
    assert names == expected | {"index.html"}
    index = (tmp_path / PERIOD / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'href="([^"]+)"', index)) == expected
    assert {"INV-2026-000001.pdf", "CN-2026-000001.json", "draft-tokyo-JPY.html"} <= names
    assert messages == ["Rendered 8 of 8 documents of 2026-01."]
    assert all(document.pdf_path.read_bytes().startswith(b"%PDF") for document in documents)


def test_rendering_again_gives_the_same_bytes(marts: Marts, rendered: Path, tmp_path: Path):
    """Without it nobody could tell a changed document from a rebuilt one."""
    render_period(marts.connection, PERIOD, tmp_path, TEMPLATES)
    again = contents(tmp_path / PERIOD)
    assert [name for name, data in contents(rendered).items() if again[name] != data] == []


def test_issued_documents_are_written_once_and_stale_drafts_go(marts: Marts, tmp_path: Path):
    """Without it a new template would rewrite an invoice a customer already has."""
    render_period(marts.connection, PERIOD, tmp_path, TEMPLATES)
    folder = tmp_path / PERIOD
    issued, draft = folder / "INV-2026-000001.html", folder / "draft-tokyo-JPY.html"
    issued.write_text("as sent", encoding="utf-8")
    draft.write_text("old", encoding="utf-8")
    (folder / "INV-2026-000001.pdf").unlink()
    (folder / "draft-former-EUR.pdf").write_bytes(b"stale")
    marts.connection.execute("delete from marts.fct_invoices where customer_id = 'gulf'")
    documents = render_period(marts.connection, PERIOD, tmp_path, TEMPLATES)
    names = set(contents(folder))
    assert issued.read_text(encoding="utf-8") == "as sent"
    assert draft.read_text(encoding="utf-8") != "old"
    assert "INV-2026-000001.pdf" in names
    assert not {"draft-former-EUR.pdf", "draft-gulf-KWD.html"} & names
    assert {d.invoice_number for d in documents if not d.is_written} == {
        "INV-2026-000002",
        "INV-2026-000003",
        "CN-2026-000001",
    }


def test_an_issued_document_with_other_content_is_refused(marts: Marts, tmp_path: Path):
    """Without it a number could name two different invoices."""
    render_period(marts.connection, PERIOD, tmp_path, TEMPLATES)
    before = contents(tmp_path / PERIOD)
    marts.connection.execute(
        "update marts.fct_invoices set content_hash = 'other' where invoice_id = 'i-de'"
    )
    with pytest.raises(DocumentConflictError, match="INV-2026-000001"):
        render_period(marts.connection, PERIOD, tmp_path, TEMPLATES)
    assert contents(tmp_path / PERIOD) == before


def test_an_empty_period_has_an_index_and_nothing_else(marts: Marts, tmp_path: Path):
    """Without it a period whose drafts all vanished would still show them."""
    folder = tmp_path / "2026-02"
    folder.mkdir()
    (folder / "draft-tokyo-JPY.pdf").write_bytes(b"stale")
    marts.connection.execute("delete from marts.fct_invoices where billing_period = '2026-01'")
    assert render_period(marts.connection, "2026-02", tmp_path, TEMPLATES) == []
    assert list(contents(folder)) == ["index.html"]
    assert "Nobody is invoiced" in page_text(folder / "index.html")


@pytest.mark.parametrize("period", ["2026-13", "2026-1", "../x", "2026-01-01", "2026-01\n"])
def test_a_period_that_is_no_month_is_refused(marts: Marts, tmp_path: Path, period: str):
    """Without it a slip on the command line would make a folder somewhere else."""
    with pytest.raises(ValueError, match="YYYY-MM"):
        render_period(marts.connection, period, tmp_path, TEMPLATES)


def test_the_german_invoice_says_what_finance_would_sign(rendered: Path):
    """Without it a customer would see foreign dates, a wrong last day or a missing tax."""
    text = page_text(rendered / "INV-2026-000001.html")
    for expected in (
        "Rechnung",
        "INV-2026-000001",
        "Bücher &amp; Söhne GmbH",
        "DE123456789",
        "DE999999999",
        "03.02.2026",
        "17.02.2026",
        "01.01.2026 – 31.01.2026",
        "1.234.567,5",
        "0,0009",
        "1.084,57",
        "Stufe 1: bis 1.000.000 + 50,00 Grundbetrag",
        "134,3013125",
        "01.01.2026 – 15.01.2026 12:00",
        "Korrektur für Dezember 2025",
        "−1,08",
        "19 %",
        "je Paket",
        "je 1.000 GiB-Monate",
        "Inklusive: 1.000 Aufrufe",
        "1.366,51 EUR",
        "region: eu",
        "Zeitraum",
    ):
        assert expected in text, expected
    assert "Entwurf" not in text
    assert "None" not in text


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        (
            "INV-2026-000002",
            [
                "USD 1,987.47",
                "USD −987.47",
                "USD 1,000.00",
                "0.000001234567",
                "Feb 17, 2026",
                "Jan 1, 2026 – Jan 31, 2026",
                "8.25%",
            ],
        ),
        ("INV-2026-000003", ["Facture", "1 234 567", "14 814,80 EUR", "20 %"]),
        (
            "CN-2026-000001",
            [
                "Nota de crédito",
                "Ajuste de noviembre de 2025",
                "−24,20 EUR",
                "Importe abonado 24,20 EUR",
            ],
        ),
        (
            "draft-tokyo-JPY",
            ["DRAFT", "東京電算株式会社", "JPY 13,200", "1.2", "1 Jan 2026 – 31 Jan 2026"],
        ),
        (
            "draft-gulf-KWD",
            [
                "3,703.703",
                "1,234.5678",
                "No tax is charged",
                "Payable within 0 days of issue.",
            ],
        ),
    ],
)
def test_amounts_read_as_in_the_customers_country(
    rendered: Path, stem: str, expected: list[str]
):
    """Without it 1.234 would mean a thousand to one customer and one to another."""
    text = page_text(rendered / f"{stem}.html")
    assert [phrase for phrase in expected if phrase not in text] == []


def test_a_draft_carries_draft_and_no_number(marts: Marts):
    """Without it a draft could be paid."""
    listed = list_invoices(marts.connection, PERIOD)
    invoices = {
        invoice.row.invoice_id: invoice for invoice in read_invoices(marts.connection, listed)
    }
    view = build_view(invoices["i-br"], language("pt-BR"))
    assert (view["is_draft"], view["number"], view["draft"]) == (True, "", "DRAFT · Rascunho")
    assert view["facts"][0] == {"label": "Número", "value": "DRAFT · Rascunho"}
    assert view["facts"][1]["value"] == "—"


def test_drafts_and_only_drafts_say_draft_on_page_and_pdf(rendered: Path):
    """Without it somebody who does not read Portuguese would pay a Rascunho."""
    stems = {path.stem for path in rendered.glob("*.html")} - {"index"}
    drafts = {stem for stem in stems if stem.startswith("draft-")}
    assert len(drafts) > 2
    assert stems - drafts
    for stem in stems:
        assert ("DRAFT" in page_text(rendered / f"{stem}.html")) == (stem in drafts), stem
        # The title of the PDF, which stands uncompressed in its metadata.
        assert (b"DRAFT" in (rendered / f"{stem}.pdf").read_bytes()) == (stem in drafts), stem


def test_hostile_names_stay_text(rendered: Path):
    """Without it a customer's name would run as a script on the desk of finance."""
    stem = next(path.stem for path in rendered.glob("draft-*etc*.html"))
    page = (rendered / f"{stem}.html").read_text(encoding="utf-8")
    index = (rendered / "index.html").read_text(encoding="utf-8")
    for text in (page, index):
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert" in text
        assert "\u202e" not in text
        assert "\u0007" not in text
    assert "<b>odd" not in index
    assert "{{ 7 * 7 }}" in page
    assert "$x$" in page
    assert "99,999,999,999,999,999,999,999,999.123456789012" in page
    assert "/" not in stem


@pytest.mark.parametrize(("currency", "amount"), [("KWD", "3703.703"), ("JPY", "12000")])
def test_the_plot_of_revenue_has_the_places_of_its_currency(
    marts: Marts, currency: str, amount: str
):
    period, net = net_by_period(marts.connection, PERIOD, currency)[-1]
    assert (period, str(net)) == (PERIOD, amount)


def test_the_json_is_exact(rendered: Path):
    """Without it a customer's system would book another amount than the page shows."""
    form = json.loads((rendered / "INV-2026-000001.json").read_text(encoding="utf-8"))
    assert form["total_amount"] == "1366.51"
    assert form["issued_at"] == "2026-02-03T09:00:00Z"
    assert form["customer"]["tax_id"] == "DE123456789"
    assert form["customer_id"] == "acme-de"
    assert form["lines"][0]["quantity"] == "1234567.5"
    assert form["lines"][0]["exact_amount"] == "1084.5675"
    assert form["lines"][0]["tiers"][1]["exact_amount"] == "134.3013125"
    assert form["lines"][0]["dimension_values"] == {
        "region": "eu",
        "class": "=cmd()",
        "model": None,
    }
    assert sum(Decimal(line["net_amount"]) for line in form["lines"]) == Decimal(
        form["net_amount"]
    )

    def numbers(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [found for item in value.values() for found in numbers(item)]
        if isinstance(value, list):
            return [found for item in value for found in numbers(item)]
        return [value] if isinstance(value, float) else []

    for path in rendered.glob("*.json"):
        assert numbers(json.loads(path.read_text(encoding="utf-8"))) == []


def test_the_index_totals_each_currency_and_compares_with_the_month_before(rendered: Path):
    """Without it a customer lost since last month, or a tripled bill, would go unseen."""
    text = page_text(rendered / "index.html")
    assert "4 issued · 4 drafts · 2 flagged" in text
    assert "EUR 3 13,478.94 2,678.17 16,157.11 16,157.11" in text
    assert "+153.27 +15.3%" in text
    assert "−8,000 −40.0%" in text
    assert "gone name gone EUR 77.70" in text
    assert "No tax rate for standard in BR" in text


@pytest.mark.parametrize(
    ("amount", "previous", "expected"),
    [
        ("120", "100", ("+20.00", "+20.0%")),
        ("100", "120", ("−20.00", "−16.7%")),
        ("10", "-10", ("+20.00", "+200.0%")),
        ("10", "0", ("+10.00", "")),
        ("10", None, ("new", "")),
        ("10", "10", ("0.00", "0.0%")),
    ],
)
def test_change_is_measured_against_the_size_of_the_earlier_amount(
    amount: str, previous: str | None, expected: tuple[str, str]
):
    """Without it a growing bill after a credit would look like a fall."""
    earlier = None if previous is None else Decimal(previous)
    assert describe_change(Decimal(amount), earlier, 2) == expected


@pytest.mark.parametrize(
    ("locale", "value", "decimals", "expected"),
    [
        ("en", "1234567.890000000000", 0, "1,234,567.89"),
        ("de", "-1234.5", 2, "−1.234,50"),
        ("en-IN", "12345678.9", 2, "1,23,45,678.90"),
        ("fr", "0.000000000001", 0, "0,000000000001"),
        ("en", "-0.000", 2, "0.00"),
        ("en", "0.005", 2, "0.005"),
        (
            "pt-BR",
            "99999999999999999999999999.999999999999",
            0,
            "99.999.999.999.999.999.999.999.999,999999999999",
        ),
        (None, "1000", 0, "1,000"),
    ],
)
def test_numbers_show_every_digit(
    locale: str | None, value: str, decimals: int, expected: str
):
    """Without it a price of a millionth would print as zero."""
    assert language(locale).number(Decimal(value), decimals) == expected


@pytest.mark.parametrize(
    ("locale", "code", "number"),
    [
        ("pt_BR", "pt", "1.000,5"),
        ("de-CH", "de", "1’000.5"),
        ("nl", "en", "1.000,5"),
        ("zz", "en", "1,000.5"),
        ("", "en", "1,000.5"),
    ],
)
def test_other_languages_are_english_with_their_own_numbers(
    locale: str, code: str, number: str
):
    """Without it a Dutch customer would get no invoice at all."""
    chosen = language(locale)
    assert (chosen.code, chosen.number(Decimal("1000.5"))) == (code, number)


def test_spans_show_the_last_day_and_times_only_inside_a_day():
    """Without it an invoice for January would claim the first of February."""
    zone = find_zone("Europe/Berlin")
    german = language("de")
    assert german.span(*BERLIN, zone) == "01.01.2026 – 31.01.2026"
    day = (datetime(2026, 1, 4, 23), datetime(2026, 1, 5, 23))
    assert german.span(*day, zone) == "05.01.2026"
    half = (datetime(2026, 1, 5, 11), datetime(2026, 1, 5, 23))
    assert german.span(*half, zone) == "05.01.2026 12:00 – 05.01.2026"


def test_labels_of_all_languages_match():
    """Without it one language would fail on the day of its first invoice."""
    labels = read_labels(TEMPLATES / "labels")
    assert set(labels) == {"de", "en", "es", "fr", "pt"}
    marks = {
        code: {key: sorted(re.findall(r"{\w+}", text)) for key, text in texts.items()}
        for code, texts in labels.items()
    }
    assert all(found == marks["en"] for found in marks.values())


def test_ids_become_different_safe_file_names():
    """Without it one customer's draft would overwrite another's, or leave the folder."""
    ids = ["a/b", "a_b", "a b", "../a", "..", ".", "a\x00", "ä", "x" * 200, "x" * 201, "CON/"]
    names = [safe_name(identifier) for identifier in ids]
    assert len(set(names)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", name) for name in names), (
        names
    )
    assert safe_name("acme-1.eu") == "acme-1.eu"


def test_small_helpers():
    """Without it odd spacing, exponents or the turn of the year would show on the page."""
    assert clean_text(" a\n\tb\u202e ") == "a b"
    assert plain_decimal(Decimal("1E+3"), 2) == "1000.00"
    assert previous_period("2026-01") == "2025-12"
    assert make_breakable(["x" * 30, True, {"a": "b"}]) == [
        "\u200b".join(["x" * 14, "x" * 14, "xx"]),
        True,
        {"a": "b"},
    ]


def long_invoice(marts: Marts, **values: Any) -> None:
    """Seven subscriptions with tokens of two models each, a fee, storage and a discount."""
    tokens = {"charge_code": "tokens", "charge_name": "Tokens", "unit": "token"}
    half = datetime(2026, 1, 16)
    lines = [
        {
            **tokens,
            "subscription_id": f"s{number}",
            "dimension_values": json.dumps({"model": model}),
            "quantity": "1.5",
            "unit_price": "0.02",
            "net_amount": "0.03",
            "tiers": [tier("0", None, "1.5", "0.02", "0", "0.03")],
        }
        for number in range(1, 8)
        for model in ("a", "b")
    ]
    lines += [
        # The same seats in both halves of the month, and quantities that cannot be added up.
        {"charge_name": "Seats", "unit": "seat", "quantity": "7", "net_amount": "3.50"}
        | {"period_from": start, "period_to": end, "subscription_id": "s1"}
        for start, end in ((UTC_MONTH[0], half), (half, UTC_MONTH[1]))
    ]
    lines += [
        {"charge_name": "Huge", "unit": "B", "quantity": "9" * 26, "net_amount": "1"}
        | {"subscription_id": "s1"}
        for _ in range(2)
    ]
    lines.append(
        {"line_type": "discount", "discount_code": "d", "description": "=cmd()"}
        | {"net_amount": "-0.01", "subscription_id": "s1"}
    )
    defaults = {"customer_id": "long", "customer_name": "Long", "currency_code": "EUR"}
    marts.invoice("i-long", lines, **(defaults | values))


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """More than six rows are long; lists how many lines are read into memory at a time."""
    held: list[int] = []
    read_lines = records._read_lines

    def counted(*arguments: Any) -> dict[str, list[records.InvoiceLine]]:
        lines = read_lines(*arguments)
        held.append(sum(map(len, lines.values())))
        return lines

    monkeypatch.setattr(records, "PRINTED_ROWS", 6)
    monkeypatch.setattr(records, "_ROWS_AT_A_TIME", 4)
    monkeypatch.setattr(records, "_read_lines", counted)
    return held


def test_a_long_invoice_is_a_summary_with_all_lines_beside_it(
    few_rows: list[int], tmp_path: Path
):
    """200,000 lines took 20.7 GiB and were 7,693 pages.

    14 lines of tokens, each of 1.5 for 0.03: 21 for 0.42. Seven subscriptions are more than is
    printed, so the summary is by charge.
    """
    marts = Marts()
    long_invoice(marts, invoice_number="INV-000001")
    line = {"charge_name": "x", "net_amount": "1"}
    marts.invoice("i-short", [line], customer_id="short", currency_code="EUR")
    render_period(marts.connection, PERIOD, tmp_path, TEMPLATES)
    folder = tmp_path / PERIOD
    assert {path.suffix for path in folder.glob("INV-000001.*")} == {
        ".html",
        ".pdf",
        ".json",
        ".csv",
    }
    assert max(few_rows) == 4

    text = page_text(folder / "INV-000001.html")
    for expected in (
        "Summary of 19 lines, whose amounts add up exactly to the net total.",
        "All lines: INV-000001.csv",
        "Tokens Subscriptions: 7 Lines: 14 21 token 0.02 0.42",
        "Seats Subscription s1 Jan 1, 2026 – Jan 15, 2026 7 seat 3.50",
        "Seats Subscription s1 Jan 16, 2026 – Jan 31, 2026 7 seat 3.50",
        "Huge Subscription s1 Lines: 2 B 2.00",
        "=cmd() Subscription s1 −0.01",
        "Net total EUR 9.41",
    ):
        assert expected in text, (expected, text)
    assert "model" not in text

    form = json.loads((folder / "INV-000001.json").read_text(encoding="utf-8"))
    assert [line["line_number"] for line in form["lines"]] == list(range(1, 20))
    assert all(len(line["tiers"]) == 1 for line in form["lines"][:14])
    assert form["lines"][1]["dimension_values"] == {"model": "b"}
    rows = read_csv(folder / "INV-000001.csv")
    assert [row["line_number"] for row in rows] == [str(number) for number in range(1, 20)]
    assert sum(Decimal(row["net_amount"]) for row in rows) == Decimal("9.41")
    assert json.loads(rows[1]["dimension_values"]) == {"model": "b"}
    assert rows[-1]["description"] == "'=cmd()"
    # The name of the file that is embedded stands uncompressed in the PDF.
    assert b"INV-000001.csv" in (folder / "INV-000001.pdf").read_bytes()
    index = (folder / "index.html").read_text(encoding="utf-8")
    assert index.count(".csv") == 1
    assert not list(folder.glob("draft-short*.csv"))

    again = tmp_path / "again"
    render_period(marts.connection, PERIOD, again, TEMPLATES)
    assert contents(again / PERIOD) == contents(folder)


def test_a_text_that_would_be_a_formula_is_none(few_rows: list[int], tmp_path: Path):
    """A spreadsheet would run what somebody else has named a discount."""
    marts = Marts()
    texts = ["=a", "+a", "-a", "@a", "\ta", "\ra", "a=b", "'a"]
    discount = {"line_type": "discount", "discount_code": "d", "net_amount": "-0.01"}
    lines = [discount | {"subscription_id": "s1", "description": text} for text in texts]
    marts.invoice("i-long", lines, customer_id="long", currency_code="EUR")
    render_period(marts.connection, PERIOD, tmp_path, TEMPLATES)
    rows = read_csv(tmp_path / PERIOD / "draft-long-EUR.csv")
    shown = [row["description"] for row in rows]
    assert shown == [*(f"'{text}" for text in texts[:6]), *texts[6:]]
    assert few_rows


def test_a_document_is_there_before_what_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Of a run that is killed in between, a JSON or an index would lead to nothing."""
    names = ["INV-1.html", "INV-1.pdf", "INV-1.csv", "INV-1.json", "index.html"]
    staging = open_staging(tmp_path)
    for name in sorted(names):
        (staging / name).touch()
    placed: list[str] = []
    replace = Path.replace

    def noted(path: Path, target: Path) -> Path:
        placed.append(path.name)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", noted)
    put_in_place(staging, tmp_path)
    assert placed == names


@pytest.mark.parametrize("locale", ["de", "en", "es", "fr", "pt"])
def test_a_summary_is_in_the_language_of_the_invoice(
    few_rows: list[int], tmp_path: Path, locale: str
):
    marts = Marts()
    long_invoice(marts, locale=locale)
    render_period(marts.connection, PERIOD, tmp_path, TEMPLATES)
    text = page_text(tmp_path / PERIOD / "draft-long-EUR.html")
    labels = language(locale).labels
    assert labels["summary_note"].format(lines="19") in text
    assert labels["subscription_count"].format(subscriptions="7") in text
    assert few_rows


def test_few_subscriptions_are_summed_up_apart(
    few_rows: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """A customer checks each contract by itself."""
    marts = Marts()
    long_invoice(marts)
    monkeypatch.setattr(records, "PRINTED_ROWS", 12)
    render_period(marts.connection, PERIOD, tmp_path, TEMPLATES)
    text = page_text(tmp_path / PERIOD / "draft-long-EUR.html")
    for number in range(1, 8):
        assert f"Tokens Subscription s{number} Lines: 2 3 token 0.02 0.06" in text
    # A draft that is short again has no list of lines any more.
    monkeypatch.setattr(records, "PRINTED_ROWS", 1000)
    render_period(marts.connection, PERIOD, tmp_path, TEMPLATES)
    assert not list((tmp_path / PERIOD).glob("*.csv"))
    assert few_rows


def test_sums_that_are_not_the_total_are_no_document(few_rows: list[int], tmp_path: Path):
    """The page says that they are."""
    marts = Marts()
    long_invoice(marts)
    marts.connection.execute("update marts.fct_invoices set net_amount = 9.42")
    (document,) = render_period(marts.connection, PERIOD, tmp_path, TEMPLATES)
    assert document.reason == "ValueError: The lines add up to 9.410000 and not 9.420000."
    assert few_rows


@pytest.fixture
def breaking(tmp_path: Path) -> Path:
    """Templates whose PDF cannot be made for the customer called Broken."""
    templates = tmp_path / "breaking"
    shutil.copytree(TEMPLATES, templates)
    source = templates / "invoice.typ"
    panic = '#if invoice.customer.name == "Broken" { panic("no such letter") }\n'
    text = source.read_text(encoding="utf-8")
    source.write_text(text.replace("#set document", f"{panic}#set document", 1))
    return templates


def drafts(*customers: str) -> Marts:
    """One draft over 1 for each customer, and an empty ledger."""
    marts = Marts()
    for name in customers:
        lines = [{"charge_name": "x", "net_amount": "1"}]
        named = {"customer_id": name.lower(), "customer_name": name, "currency_code": "EUR"}
        marts.invoice(f"i-{name.lower()}", lines, **named)
    marts.connection.execute("create schema ledger")
    for column in ("customer_id", "billing_period", "application_status"):
        marts.connection.execute(
            f"alter table marts.fct_credit_applications add column {column} varchar"
        )
    marts.connection.execute(
        "alter table marts.fct_credit_applications add column application_number bigint"
    )
    for table in TABLES:
        issued = table.replace("fct_", "issued_")
        marts.connection.execute(f"create table ledger.{issued} as from marts.{table} limit 0")
    return marts


def issued(marts: Marts) -> list[tuple[str, str]]:
    return marts.connection.execute(
        "select invoice_number, customer_id from ledger.issued_invoices order by 1"
    ).fetchall()


ISSUED_AT = datetime(2026, 2, 3, 9, 30)


def issue(marts: Marts, documents: DocumentsOfIssue) -> Issue:
    return issue_period(marts.connection, PERIOD, ISSUED_AT, documents.render)


def built_again(marts: Marts) -> None:
    """What the build after an issue does: issued invoices are shown as the ledger has them."""
    marts.connection.execute(
        "delete from marts.fct_invoices"
        " where invoice_id in (select invoice_id from ledger.issued_invoices);"
        "insert into marts.fct_invoices by name from ledger.issued_invoices"
    )


def test_what_cannot_be_rendered_stops_nobody_else(breaking: Path, tmp_path: Path):
    """One customer's name kept everybody's documents from being made."""
    marts = drafts("A", "Broken", "C")
    rendered = render_period(marts.connection, PERIOD, tmp_path, breaking)
    folder = tmp_path / PERIOD
    reasons = [document.reason for document in rendered if document.reason]
    assert len(reasons) == 1
    assert "no such letter" in reasons[0]
    assert {path.stem for path in folder.glob("*.pdf")} == {"draft-a-EUR", "draft-c-EUR"}
    text = page_text(folder / "index.html")
    assert "0 issued · 3 drafts · 1 flagged" in text
    assert "No document can be made" in text
    assert 'href="draft-broken' not in (folder / "index.html").read_text(encoding="utf-8")
    (sentence,) = not_rendered(tmp_path).values()
    assert sentence.startswith("customer broken, 2026-01, EUR has no document: ")
    assert unfinished_periods(tmp_path) == [PERIOD]

    render_period(marts.connection, PERIOD, tmp_path, TEMPLATES)
    assert (folder / "draft-broken-EUR.pdf").exists()
    assert not_rendered(tmp_path) == {}
    assert unfinished_periods(tmp_path) == []


def test_what_cannot_be_rendered_takes_no_number(breaking: Path, tmp_path: Path):
    """34 invoices had numbers and no documents."""
    marts = drafts("A", "Broken", "C", "D")
    documents = DocumentsOfIssue(tmp_path, breaking)
    outcome = issue(marts, documents)
    assert outcome.count == 3
    assert list(outcome.left_out) == ["i-broken"]
    numbers = [("INV-000001", "a"), ("INV-000002", "c"), ("INV-000003", "d")]
    assert issued(marts) == numbers
    folder = tmp_path / PERIOD
    # Nobody sees a document before its invoice is in the ledger for good.
    assert [path.name for path in folder.iterdir()] == [".issuing"]
    documents.put_in_place()
    built_again(marts)
    shown = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))["customer_id"]
        for path in folder.glob("INV*.json")
    }
    assert shown == dict(numbers)
    assert len(list(folder.glob("INV*"))) == 9
    placed = contents_of_files(folder)

    # The same bytes from the ledger, as after an issue that was killed before they were there.
    shutil.rmtree(folder)
    render_period(marts.connection, PERIOD, tmp_path, TEMPLATES)
    found = contents_of_files(folder)
    assert {name: found[name] for name in placed} == placed
    # What was left out is issued once it can be.
    again = DocumentsOfIssue(tmp_path, TEMPLATES)
    assert issue(marts, again) == Issue(1, {})
    assert issued(marts)[-1] == ("INV-000004", "broken")


def test_numbers_are_one_series_whatever_the_currency(tmp_path: Path):
    """Two invoices of one number are what an auditor asks about first."""
    marts = drafts("A", "C")
    line = {"charge_name": "x", "net_amount": "1"}
    named = {"customer_id": "b", "customer_name": "B", "currency_code": "USD"}
    marts.invoice("i-b", [line], **named)
    assert issue(marts, DocumentsOfIssue(tmp_path, TEMPLATES)) == Issue(3, {})
    assert issued(marts) == [("INV-000001", "a"), ("INV-000002", "b"), ("INV-000003", "c")]


def contents_of_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("INV*")}


def test_an_issue_killed_at_any_point_leaves_nothing_half(tmp_path: Path):
    """Before the commit nothing is numbered; after it the next run makes the documents."""
    marts = drafts("A", "B")
    documents = DocumentsOfIssue(tmp_path, TEMPLATES)

    def killed(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
        documents.render(connection, table)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        issue_period(marts.connection, PERIOD, ISSUED_AT, killed)
    assert issued(marts) == []
    render_period(marts.connection, PERIOD, tmp_path, TEMPLATES)
    folder = tmp_path / PERIOD
    names = {path.stem for path in folder.iterdir()}
    assert names == {"draft-a-EUR", "draft-b-EUR", "index"}

    assert issue(marts, DocumentsOfIssue(tmp_path, TEMPLATES)).count == 2
    built_again(marts)
    # Killed here: the month is known to be unfinished, whichever is billed next.
    assert unfinished_periods(tmp_path) == [PERIOD]
    render_period(marts.connection, PERIOD, tmp_path, TEMPLATES)
    assert {path.stem for path in folder.iterdir()} == {"INV-000001", "INV-000002", "index"}
    assert unfinished_periods(tmp_path) == []


def test_a_batch_of_spark_is_committed_after_its_documents(
    breaking: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """There the rename of a folder commits the ledger, and no document is shown before."""
    marts = drafts("A", "Broken", "C")
    store = SparkWarehouse(tmp_path / "spark")
    for schema, tables in (("tables/marts", "fct"), ("ledger/batch-000000", "issued")):
        for name in TABLES:
            table = name.replace("fct", tables)
            folder = store.path / schema / table
            folder.mkdir(parents=True)
            source = f"{schema.partition('/')[0].replace('tables', 'marts')}.{table}"
            marts.connection.execute(f"copy {source} to '{folder}/part.parquet'")
            (folder / "_SUCCESS").touch()
    documents = DocumentsOfIssue(tmp_path, breaking)

    def killed(_folder: Path, _committed: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(spark_warehouse, "_commit", killed)
        with pytest.raises(KeyboardInterrupt):
            store.issue(PERIOD, ISSUED_AT, documents.render)
    assert not list((tmp_path / PERIOD).glob("INV*"))
    documents = DocumentsOfIssue(tmp_path, breaking)
    outcome = store.issue(PERIOD, ISSUED_AT, documents.render)
    assert (outcome.count, list(outcome.left_out)) == (2, ["i-broken"])
    documents.put_in_place()
    with store.connect() as connection:
        numbers = connection.execute(
            "select invoice_number, customer_id from ledger.issued_invoices order by 1"
        ).fetchall()
    assert numbers == [("INV-000001", "a"), ("INV-000002", "c")]
    assert len(list((tmp_path / PERIOD).glob("INV*"))) == 6


def test_a_number_that_another_document_has_is_not_given(tmp_path: Path):
    """Two different invoices would go out under one number."""
    other = drafts("Other")
    documents = DocumentsOfIssue(tmp_path, TEMPLATES)
    issue(other, documents)
    documents.put_in_place()
    marts = drafts("A")
    with pytest.raises(DocumentConflictError, match="INV-000001"):
        issue(marts, DocumentsOfIssue(tmp_path, TEMPLATES))
    assert issued(marts) == []


def test_a_full_disk_issues_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It is nobody's invoice that is at fault, so none may be left out as if it were."""
    marts = drafts("A")

    def full(*_arguments: Any, **_named: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        issue(marts, DocumentsOfIssue(tmp_path, TEMPLATES))
    assert issued(marts) == []


def test_lines_issued_with_names_that_were_not_escaped_have_a_document(tmp_path: Path):
    """They have numbers, and nothing that is issued changes."""
    marts = Marts()
    line = {"charge_name": "x", "net_amount": "1", "dimension_values": '{"mo"del": "a"}'}
    named = {"customer_id": "a", "currency_code": "EUR", "invoice_number": "INV-000001"}
    marts.invoice("i", [line], **named)
    (document,) = render_period(marts.connection, PERIOD, tmp_path, TEMPLATES)
    form = json.loads(document.json_path.read_text(encoding="utf-8"))
    assert form["lines"][0]["dimension_values"] == '{"mo"del": "a"}'
    assert "{&#34;mo&#34;del&#34;: &#34;a&#34;}" in page_text(document.html_path)
