"""The strings of one invoice page, ready to print, shared by the HTML and the PDF template.

Decides what is shown and in which words; templates only lay it out, so both say the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from dagster_project.lib.documents.exact_form import (
    dimension_values as read_dimension_values,
)
from dagster_project.lib.documents.formatting import (
    Language,
    clean_text,
    find_zone,
    to_local,
)
from dagster_project.lib.documents.records import (
    Invoice,
    InvoiceLine,
    InvoiceRow,
    InvoiceTax,
    InvoiceTier,
)

# In every language: whoever pays an invoice by mistake may not read the language of its draft.
DRAFT_MARK = "DRAFT"
_NOTHING = "\u2014"
# An exact tier amount may have 24 decimals; past ten the page approximates and says so.
# The JSON document always has all of them.
_TIER_DECIMALS = 10
# Lines whose label says what they add to the charge that they are named after.
_LABELLED_TYPES = ("minimum", "maximum", "true_up", "overage")
_LONG_WORD = re.compile(r"\S{28,}")


@dataclass(frozen=True)
class _Page:
    """What every part of one page needs."""

    invoice: InvoiceRow
    language: Language
    zone: ZoneInfo

    def money(self, amount: Decimal) -> str:
        return self.language.money(
            amount, self.invoice.currency_code, self.invoice.minor_units
        )

    def amount(self, amount: Decimal) -> str:
        return self.language.number(amount, self.invoice.minor_units)

    def optional(self, value: Decimal | None, minimum_decimals: int = 0) -> str:
        return "" if value is None else self.language.number(value, minimum_decimals)


def build_view(invoice: Invoice, language: Language) -> dict[str, Any]:
    """Make the printable strings of an invoice.

    Returns: Nested dictionaries and lists of text and booleans, JSON-ready; amounts formatted.
    """
    row = invoice.row
    page = _Page(row, language, find_zone(row.timezone))
    labels = language.labels
    title = labels["credit_note" if row.document_type == "credit_note" else "invoice"]
    number = clean_text(row.invoice_number)
    return {
        "language": language.code,
        "region": language.number_locale.territory or "",
        "title": title,
        "number": number,
        "heading": f"{title} {number}".strip(),
        "is_draft": row.invoice_status != "issued",
        "draft_mark": DRAFT_MARK,
        "draft": draft_words(language),
        "draft_notice": labels["draft_notice"],
        "seller": _party(page, "seller"),
        "customer": _party(page, "customer"),
        "facts": _facts(page),
        "columns": [
            labels["description"],
            labels["quantity"],
            labels["unit"],
            labels["unit_price"],
            f"{labels['net']} ({row.currency_code})",
        ],
        "summary": _summary(page, invoice),
        "sections": _sections(page, invoice.lines),
        "taxes": _taxes(page, invoice),
        "totals": _totals(page, invoice),
        "prepaid": _prepaid(page, invoice),
        "payment": _payment(page),
        "footnote": language.label("time_zone_note", zone=clean_text(page.zone.key)),
        "page_of": labels["page_of"],
    }


def make_breakable(value: Any) -> Any:
    """Let very long words wrap in the PDF, where they would otherwise run off the page."""
    if isinstance(value, str):
        return _LONG_WORD.sub(lambda word: "\u200b".join(_pieces(word.group(), 14)), value)
    if isinstance(value, list):
        return [make_breakable(item) for item in value]
    if isinstance(value, dict):
        return {key: make_breakable(item) for key, item in value.items()}
    return value


def _pieces(word: str, size: int) -> list[str]:
    return [word[start : start + size] for start in range(0, len(word), size)]


def _party(page: _Page, who: str) -> dict[str, Any]:
    """Name, address, tax id and address for questions of seller or customer."""

    def column(name: str) -> str:
        return clean_text(getattr(page.invoice, f"{who}_{name}"))

    country = column("country_code")
    place = f"{column('postal_code')} {column('city')}".strip()
    tax_id = column("tax_id")
    lines = [
        column("address_line"),
        place,
        page.language.date_locale.territories.get(country.upper(), country),
        f"{page.language.labels['tax_id']}: {tax_id}" if tax_id else "",
        column("email"),
    ]
    name = column("name") or (
        clean_text(page.invoice.customer_id) if who == "customer" else ""
    )
    return {
        "heading": page.language.labels[who],
        "name": name,
        "lines": [line for line in lines if line],
    }


def _due_date(page: _Page) -> str:
    """Last day to pay, or a dash when nothing is to be paid or it is not yet known."""
    row = page.invoice
    if row.issued_at is None or row.payment_terms_days is None:
        return _NOTHING
    issued_on = to_local(row.issued_at, page.zone).date()
    return page.language.date(issued_on + timedelta(days=row.payment_terms_days))


def draft_words(language: Language) -> str:
    """DRAFT, and the language's own word beside it where that is another."""
    word = language.labels["draft"]
    return DRAFT_MARK if word.upper() == DRAFT_MARK else f"{DRAFT_MARK} · {word}"


def _facts(page: _Page) -> list[dict[str, str]]:
    """The head of the page: number, dates, period, customer."""
    row, language = page.invoice, page.language
    issued_on = to_local(row.issued_at, page.zone).date() if row.issued_at else None
    facts = [
        ("number", clean_text(row.invoice_number) or draft_words(language)),
        ("issue_date", language.date(issued_on) if issued_on else _NOTHING),
    ]
    if _is_payable(row):
        facts.append(("due_date", _due_date(page)))
    facts += [
        ("period", language.span(row.period_from, row.period_to, page.zone)),
        ("customer_id", clean_text(row.customer_id)),
        ("currency", row.currency_code),
    ]
    return [{"label": language.labels[key], "value": value} for key, value in facts]


def _is_payable(row: InvoiceRow) -> bool:
    return row.document_type != "credit_note" and row.due_amount > 0


def _summary(page: _Page, invoice: Invoice) -> dict[str, Any]:
    """What a long document says about the sums that it prints; nothing on others.

    Raises: ValueError if the sums are not the net amount, as the document says they are.
    """
    if not invoice.is_long:
        return {}
    net = sum((line.row.net_amount for line in invoice.lines), Decimal(0))
    if net != page.invoice.net_amount:
        raise ValueError(f"The lines add up to {net} and not {page.invoice.net_amount}.")
    labels = page.language.labels
    return {
        "note": page.language.label("summary_note", lines=_count(page, invoice.line_count)),
        "label": labels["all_lines"],
        "attached": labels["attached"],
    }


def _count(page: _Page, number: int) -> str:
    return page.language.number(Decimal(number))


def _sections(page: _Page, lines: tuple[InvoiceLine, ...]) -> list[dict[str, Any]]:
    """Charges first, then adjustments under a heading of their own."""
    shows_subscription = len({line.row.subscription_id for line in lines}) > 1
    charges = [line for line in lines if line.row.line_type != "adjustment"]
    adjustments = [line for line in lines if line.row.line_type == "adjustment"]
    return [
        {
            "heading": heading,
            "lines": [_line(page, line, shows_subscription) for line in section],
        }
        for heading, section in (
            ("", charges),
            (page.language.labels["adjustments"], adjustments),
        )
        if section
    ]


def _line(page: _Page, line: InvoiceLine, shows_subscription: bool) -> dict[str, Any]:
    row, language = line.row, page.language
    title = (
        clean_text(row.charge_name)
        or clean_text(row.description)
        or clean_text(row.charge_code)
    )
    details = []
    description = clean_text(row.description)
    if row.line_type == "discount":
        title = description or title
    elif row.line_type == "rounding":
        title = language.labels["line_rounding"]
    elif row.line_type in _LABELLED_TYPES:
        details.append(language.labels[f"line_{row.line_type}"])
    elif description and description != title:
        details.append(description)
    if row.adjusted_billing_period:
        details.append(
            language.label("adjustment_of", period=language.month(row.adjusted_billing_period))
        )
    details.extend(_dimensions(row.dimension_values))
    if shows_subscription and row.subscription_id:
        details.append(
            language.label("subscription", subscription=clean_text(row.subscription_id))
        )
    if line.subscription_count > 1:
        count = _count(page, line.subscription_count)
        details.append(language.label("subscription_count", subscriptions=count))
    if line.line_count > 1:
        details.append(language.label("line_count", lines=_count(page, line.line_count)))
    is_whole_period = (row.period_from, row.period_to) == (
        page.invoice.period_from,
        page.invoice.period_to,
    )
    if not is_whole_period and not row.adjusted_billing_period:
        details.append(language.span(row.period_from, row.period_to, page.zone))
    if row.gross_amount:
        amount = page.amount(row.gross_amount)
        details.append(language.label("with_tax", amount=amount))
    # The unit of a fee is our word; those of meters are the price book's.
    is_ours = row.pricing_model == "flat" and row.unit == "period"
    unit = language.labels["unit_period"] if is_ours else clean_text(row.unit)
    for key, quantity in (
        ("included", row.included_quantity),
        ("prepaid", row.prepaid_quantity),
    ):
        if quantity:
            text = language.label(key, quantity=language.number(quantity), unit=unit)
            details.append(text.strip())
    unit_price = page.optional(row.unit_price, page.invoice.minor_units)
    price_note = ""
    if unit_price and row.pricing_model == "package":
        price_note = language.labels["per_package"]
    elif row.price_quantity:
        number = language.number(row.price_quantity)
        price_note = language.label("per_quantity", quantity=number, unit=unit).strip()
    return {
        "title": title or _NOTHING,
        "details": details,
        # A line that no price makes is not a quantity of anything.
        "quantity": page.optional(row.quantity) if row.line_type == "charge" else "",
        "unit": unit,
        "unit_price": unit_price,
        "price_note": price_note,
        "net": page.amount(row.net_amount),
        "tiers": [
            _tier(page, tier) for tier in line.tiers if tier.quantity or tier.exact_amount
        ],
    }


def _dimensions(dimension_values: str | None) -> list[str]:
    """Name the dimension values of a line: {"region": "eu"} gives 'region: eu'.

    One that the events lack has nothing to be named by.
    """
    values = read_dimension_values(dimension_values)
    if isinstance(values, str):
        return [clean_text(values)]
    pairs = [
        f"{clean_text(str(name))}: {clean_text(str(value))}"
        for name, value in values.items()
        if value is not None
    ]
    return [", ".join(pairs)] if pairs else []


def _tier(page: _Page, tier: InvoiceTier) -> dict[str, str]:
    """One tier beneath its line, with the amount before rounding."""
    language = page.language
    key = {
        (False, True): "tier_first",
        (True, True): "tier_middle",
        (True, False): "tier_last",
        (False, False): "tier_only",
    }[bool(tier.tier_from), tier.tier_up_to is not None]
    text = language.label(
        key,
        number=str(tier.tier_number),
        up_to=page.optional(tier.tier_up_to),
        **{"from": page.optional(tier.tier_from)},
    )
    if tier.flat_amount:
        text += " + " + language.label("tier_flat", amount=page.amount(tier.flat_amount))
    return {
        "text": text,
        "quantity": language.number(tier.quantity),
        "unit_price": page.optional(tier.unit_price, page.invoice.minor_units),
        "net": _tier_amount(page, tier.exact_amount),
    }


def _tier_amount(page: _Page, exact_amount: Decimal) -> str:
    shortened = exact_amount.quantize(Decimal(1).scaleb(-_TIER_DECIMALS))
    text = page.amount(shortened)
    return text if shortened == exact_amount else f"\u2248\u00a0{text}"


def _taxes(page: _Page, invoice: Invoice) -> dict[str, Any]:
    """The tax of each rate, or the sentence that there is none."""
    language = page.language
    keys = ("tax", "rate", "taxable", "tax_amount")
    return {
        "heading": language.labels["tax_summary"],
        "columns": [language.labels[key] for key in keys],
        "rows": [
            [
                _tax_name(language, tax),
                language.percent(tax.tax_rate),
                page.amount(tax.taxable_amount),
                page.amount(tax.tax_amount),
            ]
            for tax in invoice.taxes
        ],
        "none": language.labels["no_tax"],
        "note": _tax_note(page, invoice),
    }


def _tax_name(language: Language, tax: InvoiceTax) -> str:
    """The code of a tax, or why none is charged in the customer's words."""
    code = clean_text(tax.tax_code)
    if code in ("exempt", "reverse_charge"):
        return language.labels[code]
    return code or clean_text(tax.tax_category) or language.labels["tax"]


def _tax_note(page: _Page, invoice: Invoice) -> str:
    """The sentence that the law asks for where the seller charges no tax."""
    treatment = page.invoice.customer_tax_treatment or ""
    if all(tax.tax_code != treatment for tax in invoice.taxes):
        return ""
    return page.language.labels.get(f"{treatment}_note", "")


def _totals(page: _Page, invoice: Invoice) -> list[dict[str, Any]]:
    """Net, tax, total, prepaid credit and what is left to pay, or what is credited."""
    row, labels = page.invoice, page.language.labels
    applied = [credit.applied_amount or Decimal(0) for credit in invoice.credits]
    returned = -sum((amount for amount in applied if amount < 0), Decimal(0))
    used = row.total_amount + returned - row.due_amount
    is_credited = row.document_type == "credit_note"
    totals = [
        (labels["net_total"], row.net_amount, False),
        (labels["tax_total"], row.tax_amount, False),
        (labels["total"], row.total_amount, False),
        *([(labels["credit_returned"], returned, False)] if returned else []),
        *([(labels["credit_used"], -used, False)] if used else []),
        (labels["credited"], abs(row.due_amount), True)
        if is_credited
        else (labels["due"], row.due_amount, True),
    ]
    return [
        {"label": label, "amount": page.money(amount), "is_strong": is_strong}
        for label, amount, is_strong in totals
    ]


def _prepaid(page: _Page, invoice: Invoice) -> list[str]:
    """What the usage has taken of prepaid units, or given back to them, one sentence each."""
    names = {line.row.charge_code: line.row.charge_name for line in invoice.lines}
    sentences = []
    for credit in invoice.credits:
        if credit.applied_quantity is None:
            continue
        key = "prepaid_used" if credit.applied_quantity > 0 else "prepaid_returned"
        sentence = page.language.label(
            key,
            quantity=page.language.number(abs(credit.applied_quantity)),
            unit=clean_text(credit.unit),
            charge=clean_text(names.get(credit.charge_code) or credit.charge_code),
            grant=clean_text(credit.grant_id),
        )
        if credit.paid_billing_period not in (None, page.invoice.billing_period):
            month = page.language.month(str(credit.paid_billing_period))
            sentence += f", {page.language.label('adjustment_of', period=month)}"
        sentences.append(sentence)
    return sentences


def _payment(page: _Page) -> dict[str, Any]:
    """How and until when to pay."""
    row, language = page.invoice, page.language
    if not _is_payable(row):
        key = "credit_note_note" if row.document_type == "credit_note" else "nothing_due_note"
        return {
            "heading": language.labels["payment"],
            "note": language.labels[key],
            "lines": [],
        }
    has_terms = row.payment_terms_days is not None
    if row.issued_at is not None and row.invoice_status == "issued" and has_terms:
        note = language.label(
            "payment_note",
            amount=page.money(row.due_amount),
            date=_due_date(page),
            number=clean_text(row.invoice_number),
        )
    elif has_terms:
        note = language.label("payment_draft_note", days=str(row.payment_terms_days))
    else:
        note = ""
    details = (row.seller_payment_details or "").replace("\\n", "\n").splitlines()
    return {
        "heading": language.labels["payment"],
        "note": note,
        "lines": [line for line in map(clean_text, details) if line],
    }
