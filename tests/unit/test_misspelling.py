"""Which name was meant is found for misspelt ones, and not for names of other things."""

from __future__ import annotations

import pytest

from dagster_project.lib.ingest.raw_tables import ACCOUNT_COLUMNS
from dagster_project.lib.misspelling import meant_name
from dagster_project.lib.price_book.records import COLUMNS, OPTIONAL_COLUMNS

MEANT = {
    "customers": {
        "parent_customer": "parent_customer_id",
        "Parent ID": "parent_customer_id",
        "time_zone": "timezone",
        "tz": "timezone",
        "tax_treatmnt": "tax_treatment",
        "country": "country_code",
        "zip": "postal_code",
        "vat_id": "tax_id",
        "e-mail": "email",
    },
    "subscriptions": {
        "trial_end": "trial_ends_at",
        "trialEndsAt": "trial_ends_at",
        "end_date": "ended_at",
        "start_date": "started_at",
        "billing_anchr": "billing_anchor",
        "STARTED_AT": "started_at",
    },
    "subjects": {"valid_until": "valid_to", "valid_form": "valid_from"},
    "pauses": {"pause_from": "paused_from", "paused_until": "paused_to"},
    "credit_grants": {"amount": "granted_amount", "expiry": "expires_at", "prio": "priority"},
    "corrections": {"event": "event_id", "request_by": "requested_by"},
}
OTHERS = {
    "customers": (
        *("crm_id", "segment", "customer_type", "customer_since", "created_at", "notes"),
        *("phone", "account_manager", "company_name", "state", "region", "Größe", "42"),
    ),
    "subscriptions": ("status", "mrr", "created_at", "updated_at", "plan_name", "sales_rep"),
    "pauses": ("reason", "paused_by"),
    "credit_grants": ("note", "granted_by"),
}


@pytest.mark.parametrize(
    ("kind", "name", "meant"),
    [(kind, name, meant) for kind, names in MEANT.items() for name, meant in names.items()],
)
def test_a_misspelt_name_is_recognised(kind: str, name: str, meant: str) -> None:
    """A trial that nobody reads is not granted."""
    assert meant_name(name, ACCOUNT_COLUMNS[kind]) == meant


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in OTHERS.items() for name in names]
)
def test_a_name_of_something_else_is_left_alone(kind: str, name: str) -> None:
    """A warning at every bill about a column that is as it should be hides the others."""
    assert meant_name(name, ACCOUNT_COLUMNS[kind]) is None


@pytest.mark.parametrize("table", COLUMNS)
@pytest.mark.parametrize("other", ["", "-", " "])
def test_a_name_without_its_signs_is_that_name(table: str, other: str) -> None:
    """`chargename` was taken for charge_code, of which it has a whole word."""
    known = (*COLUMNS[table], *OPTIONAL_COLUMNS.get(table, ()))
    meant = {name: meant_name(name.upper().replace("_", other), known) for name in known}
    assert meant == {name: name for name in known}
