-- Issued ledger = issued part of the marts, row by row and column by column, in both directions:
-- an issued invoice never changes, neither in the ledger nor in what readers see of it.
-- The columns are those of the mart, from its contract.
{% set parts = {
    'invoices': ('fct_invoices', ref('fct_invoices'), source('ledger', 'issued_invoices')),
    'lines': ('fct_invoice_lines', ref('fct_invoice_lines'), source('ledger', 'issued_invoice_lines')),
    'tiers': (
        'fct_invoice_line_tiers', ref('fct_invoice_line_tiers'),
        source('ledger', 'issued_invoice_line_tiers')
    ),
    'taxes': ('fct_invoice_taxes', ref('fct_invoice_taxes'), source('ledger', 'issued_invoice_taxes')),
    'credits': (
        'fct_credit_applications', ref('fct_credit_applications'),
        source('ledger', 'issued_credit_applications')
    ),
} %}
with

issued as (

    select invoice_id from {{ ref('fct_invoices') }}
    where invoice_status = 'issued'

),

{% for part, (name, mart, ledger) in parts.items() %}
{% set columns = described_columns(name) %}
{{ part }}_of_ledger as (

    select {{ columns }} from {{ ledger }}

),

{{ part }}_of_marts as (

    select {{ columns }} from {{ mart }}
    where
        invoice_id in (select invoice_id from issued)
        {{ "or (invoice_id is null and application_status = 'issued')" if part == 'credits' }}

),

{{ part }}_missing as (

    select * from {{ part }}_of_ledger
    except all
    select * from {{ part }}_of_marts

),

{{ part }}_added as (

    select * from {{ part }}_of_marts
    except all
    select * from {{ part }}_of_ledger

),

{% endfor %}
findings as (

    {% for part in parts %}
    select
        invoice_id,
        '{{ part }}: in the ledger, not in the marts' as finding
    from {{ part }}_missing
    union all
    select
        invoice_id,
        '{{ part }}: in the marts, not in the ledger' as finding
    from {{ part }}_added
    {{ 'union all' if not loop.last }}
    {% endfor %}

)

select
    invoice_id,
    finding
from findings
