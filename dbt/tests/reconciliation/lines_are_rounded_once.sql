-- Net amount of a line = its exact amount rounded once, half away from zero, to the minor units.
select
    lines.invoice_id,
    lines.line_number,
    lines.currency_code,
    lines.exact_amount,
    lines.net_amount,
    lines.net_amount
    - {{ round_to_minor_units('lines.exact_amount', 'invoices.minor_units') }} as gap_amount
from {{ ref('fct_invoice_lines') }} as lines
inner join {{ ref('fct_invoices') }} as invoices
    on lines.invoice_id = invoices.invoice_id
where
    lines.net_amount is null
    or lines.net_amount
    <> {{ round_to_minor_units('lines.exact_amount', 'invoices.minor_units') }}
