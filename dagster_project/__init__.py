"""Meterhouse: usage events to invoices, orchestrated by Dagster."""
