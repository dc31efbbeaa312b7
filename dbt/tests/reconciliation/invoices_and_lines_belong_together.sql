-- Every invoice has lines, and no line, tier or tax is without its invoice.
with

parts as (

    select distinct
        invoice_id,
        'lines' as part

    from {{ ref('fct_invoice_lines') }}

    union all

    select distinct
        invoice_id,
        'tiers' as part
    from {{ ref('fct_invoice_line_tiers') }}

    union all

    select distinct
        invoice_id,
        'taxes' as part
    from {{ ref('fct_invoice_taxes') }}

    union all

    select distinct
        invoice_id,
        'credits' as part
    from {{ ref('fct_credit_applications') }}
    where invoice_id is not null

)

select
    parts.invoice_id,
    concat_ws('', parts.part, ' without an invoice') as finding
from parts
left join {{ ref('fct_invoices') }} as invoices
    on parts.invoice_id = invoices.invoice_id
where invoices.invoice_id is null

union all

select
    invoices.invoice_id,
    'an invoice without lines' as finding
from {{ ref('fct_invoices') }} as invoices
left join parts
    on invoices.invoice_id = parts.invoice_id
    and parts.part = 'lines'
where parts.invoice_id is null
