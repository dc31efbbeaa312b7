-- Issued invoices. Written by `meterhouse issue` alone, append-only, never by a model.
{% macro create_ledger_tables() %}
    {% set common %}
        invoice_id string, invoice_number string, invoice_status string, document_type string,
        customer_id string, billing_period string, period_from timestamp, period_to timestamp,
        currency_code string, minor_units integer, net_amount {{ money_type() }},
        tax_amount {{ money_type() }}, total_amount {{ money_type() }},
        credit_amount {{ money_type() }}, due_amount {{ money_type() }}, reporting_currency_code string,
        exchange_rate {{ price_type() }}, reporting_net_amount {{ money_type() }},
        reporting_total_amount {{ money_type() }}, issued_at timestamp, content_hash string,
        has_flags boolean, flags string, customer_name string, customer_email string,
        customer_address_line string, customer_city string, customer_postal_code string,
        customer_country_code string, customer_tax_id string,
        customer_tax_treatment string, locale string,
        timezone string, seller_name string, seller_address_line string,
        seller_city string, seller_postal_code string, seller_country_code string,
        seller_tax_id string, seller_email string, seller_payment_details string,
        payment_terms_days integer, issue_period string
    {% endset %}
    {% if execute and flags.WHICH in ('run', 'build', 'test', 'seed') %}
    {% do run_query('create schema if not exists ledger') %}
    {% do create_ledger_table('issued_invoices', common) %}
    {% do create_ledger_table('issued_invoice_lines', '
        invoice_id string, line_number integer, line_type string, subscription_id string,
        charge_code string, charge_name string, price_id string, meter_code string,
        meter_name string, pricing_model string, dimension_values string,
        period_from timestamp, period_to timestamp, quantity ' ~ quantity_type() ~ ',
        included_quantity ' ~ quantity_type() ~ ', unit string, unit_price ' ~ price_type() ~ ',
        exact_amount ' ~ amount_type() ~ ', net_amount ' ~ money_type() ~ ',
        tax_category string, tax_rate ' ~ price_type() ~ ', currency_code string,
        description string, adjusted_billing_period string, gross_amount ' ~ money_type() ~ ',
        discount_code string, tax_codes string, price_quantity ' ~ quantity_type() ~ ',
        prepaid_quantity ' ~ quantity_type()) %}
    {% do create_ledger_table('issued_invoice_line_tiers', '
        invoice_id string, line_number integer, tier_number integer,
        tier_from ' ~ quantity_type() ~ ', tier_up_to ' ~ quantity_type() ~ ',
        quantity ' ~ quantity_type() ~ ', unit_price ' ~ price_type() ~ ',
        flat_amount ' ~ price_type() ~ ', exact_amount ' ~ amount_type()) %}
    {% do create_ledger_table('issued_invoice_taxes', '
        invoice_id string, tax_code string, tax_category string, tax_rate ' ~ price_type() ~ ',
        taxable_amount ' ~ money_type() ~ ', tax_amount ' ~ money_type()) %}
    {% do create_ledger_table('issued_credit_applications', '
        invoice_id string, grant_id string, currency_code string,
        applied_amount ' ~ money_type() ~ ', applied_quantity ' ~ quantity_type() ~ ',
        customer_id string, billing_period string, paid_billing_period string,
        subscription_id string, charge_code string, unit string, paid_to_at timestamp,
        application_number bigint, application_status string') %}
    {# A ledger from before a column was thought of gets it, empty: what is issued stays. #}
    {% for table, column, type in [
        ('invoices', 'customer_tax_treatment', 'string'),
        ('invoices', 'credit_amount', money_type()),
        ('invoices', 'issue_period', 'string'),
        ('invoices', 'reporting_currency_code', 'string'),
        ('invoices', 'exchange_rate', price_type()),
        ('invoices', 'reporting_net_amount', money_type()),
        ('invoices', 'reporting_total_amount', money_type()),
        ('invoice_lines', 'gross_amount', money_type()),
        ('invoice_lines', 'discount_code', 'string'),
        ('invoice_lines', 'tax_codes', 'string'),
        ('invoice_lines', 'price_quantity', quantity_type()),
        ('invoice_lines', 'prepaid_quantity', quantity_type()),
        ('credit_applications', 'applied_quantity', quantity_type()),
        ('credit_applications', 'customer_id', 'string'),
        ('credit_applications', 'billing_period', 'string'),
        ('credit_applications', 'paid_billing_period', 'string'),
        ('credit_applications', 'subscription_id', 'string'),
        ('credit_applications', 'charge_code', 'string'),
        ('credit_applications', 'unit', 'string'),
        ('credit_applications', 'paid_to_at', 'timestamp'),
        ('credit_applications', 'application_number', 'bigint'),
        ('credit_applications', 'application_status', 'string'),
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
-- Batches of before a column read as if it were empty: batch 0 has the columns of today.
{% macro spark__add_column(table, column, type) %}{% endmacro %}

{% macro create_ledger_table(name, columns) %}{{ adapter.dispatch('create_ledger_table', 'meterhouse')(name, columns) }}{% endmacro %}
{% macro duckdb__create_ledger_table(name, columns) %}
    {% do run_query('create table if not exists ledger.' ~ name ~ ' (' ~ columns ~ ')') %}
{% endmacro %}
-- A view over the batches that `meterhouse issue` has committed. Batch 0 is empty and the first
-- by name, so that Spark learns the columns of today from it.
{% macro spark__create_ledger_table(name, columns) %}
    {% set batches = env_var('METERHOUSE_WAREHOUSE') ~ '/ledger/batch-' %}
    {% do run_query("insert overwrite directory '" ~ batches ~ '000000/' ~ name ~ "' using parquet"
        ~ " select columns.* from (select from_json('{}', '" ~ columns ~ "') as columns) where false") %}
    {% do run_query('create or replace view ledger.' ~ name ~ ' as select * from parquet.`'
        ~ batches ~ '*/' ~ name ~ '`') %}
{% endmacro %}
