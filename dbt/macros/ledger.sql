-- Issued invoices. Written by `meterhouse issue` alone, append-only, never by a model.
{% macro create_ledger_tables() %}
    {% set common %}
        invoice_id varchar, invoice_number varchar, invoice_status varchar, document_type varchar,
        customer_id varchar, billing_period varchar, period_from timestamp, period_to timestamp,
        currency_code varchar, minor_units integer, net_amount {{ money_type() }},
        tax_amount {{ money_type() }}, total_amount {{ money_type() }},
        credit_amount {{ money_type() }}, due_amount {{ money_type() }}, reporting_currency_code varchar,
        exchange_rate {{ price_type() }}, reporting_net_amount {{ money_type() }},
        reporting_total_amount {{ money_type() }}, issued_at timestamp, content_hash varchar,
        has_flags boolean, flags varchar, customer_name varchar, customer_email varchar,
        customer_address_line varchar, customer_city varchar, customer_postal_code varchar,
        customer_country_code varchar, customer_tax_id varchar,
        customer_tax_treatment varchar, locale varchar,
        timezone varchar, seller_name varchar, seller_address_line varchar,
        seller_city varchar, seller_postal_code varchar, seller_country_code varchar,
        seller_tax_id varchar, seller_email varchar, seller_payment_details varchar,
        payment_terms_days integer
    {% endset %}
    {% if execute and flags.WHICH in ('run', 'build', 'test', 'seed') %}
    {% do run_query('create schema if not exists ledger') %}
    {% do run_query('create table if not exists ledger.issued_invoices (' ~ common ~ ')') %}
    {% do run_query('create table if not exists ledger.issued_invoice_lines (
        invoice_id varchar, line_number integer, line_type varchar, subscription_id varchar,
        charge_code varchar, charge_name varchar, price_id varchar, meter_code varchar,
        meter_name varchar, pricing_model varchar, dimension_values varchar,
        period_from timestamp, period_to timestamp, quantity ' ~ quantity_type() ~ ',
        included_quantity ' ~ quantity_type() ~ ', unit varchar, unit_price ' ~ price_type() ~ ',
        exact_amount ' ~ amount_type() ~ ', net_amount ' ~ money_type() ~ ',
        tax_category varchar, tax_rate ' ~ price_type() ~ ', currency_code varchar,
        description varchar, adjusted_billing_period varchar, gross_amount ' ~ money_type() ~ ',
        discount_code varchar, tax_codes varchar)') %}
    {% do run_query('create table if not exists ledger.issued_invoice_line_tiers (
        invoice_id varchar, line_number integer, tier_number integer,
        tier_from ' ~ quantity_type() ~ ', tier_up_to ' ~ quantity_type() ~ ',
        quantity ' ~ quantity_type() ~ ', unit_price ' ~ price_type() ~ ',
        flat_amount ' ~ price_type() ~ ', exact_amount ' ~ amount_type() ~ ')') %}
    {% do run_query('create table if not exists ledger.issued_invoice_taxes (
        invoice_id varchar, tax_code varchar, tax_category varchar, tax_rate ' ~ price_type() ~ ',
        taxable_amount ' ~ money_type() ~ ', tax_amount ' ~ money_type() ~ ')') %}
    {% do run_query('create table if not exists ledger.issued_credit_applications (
        invoice_id varchar, grant_id varchar, currency_code varchar,
        applied_amount ' ~ money_type() ~ ')') %}
    {# A ledger from before a column was thought of gets it, empty: what is issued stays. #}
    {% for table, column, type in [
        ('invoices', 'customer_tax_treatment', 'varchar'),
        ('invoices', 'credit_amount', money_type()),
        ('invoices', 'reporting_currency_code', 'varchar'),
        ('invoices', 'exchange_rate', price_type()),
        ('invoices', 'reporting_net_amount', money_type()),
        ('invoices', 'reporting_total_amount', money_type()),
        ('invoice_lines', 'gross_amount', money_type()),
        ('invoice_lines', 'discount_code', 'varchar'),
        ('invoice_lines', 'tax_codes', 'varchar'),
    ] %}
        {% do add_column('ledger.issued_' ~ table, column, type) %}
    {% endfor %}
    {% endif %}
{% endmacro %}

{% macro described_columns(model_name) %}
    {% if execute %}
    {% set models = graph.nodes.values() | selectattr('name', 'equalto', model_name)
        | selectattr('resource_type', 'equalto', 'model') | list %}
    {{ return(models[0].columns.keys() | join(', ')) }}
    {% endif %}
    {{ return('invoice_id') }}
{% endmacro %}

{% macro add_column(table, column, type) %}{{ return(adapter.dispatch('add_column', 'meterhouse')(table, column, type)) }}{% endmacro %}
{% macro duckdb__add_column(table, column, type) %}{% do run_query('alter table ' ~ table ~ ' add column if not exists ' ~ column ~ ' ' ~ type) %}{% endmacro %}
