-- Tiers = exact amount of their line, before any rounding, or, where prices include tax, its
-- gross amount up or down to a minor unit; a tiered or volume charge without tiers could not be
-- explained to the customer.
with

tiers as (

    select
        invoice_id,
        line_number,
        sum(exact_amount) as tiers_amount

    from {{ ref('fct_invoice_line_tiers') }}
    group by invoice_id, line_number

),

tiered_lines as (

    select
        lines.invoice_id,
        lines.line_number,
        lines.pricing_model,
        lines.exact_amount,
        lines.gross_amount,
        invoices.minor_units

    from {{ ref('fct_invoice_lines') }} as lines
    inner join {{ ref('fct_invoices') }} as invoices
        on lines.invoice_id = invoices.invoice_id
    where lines.pricing_model in ('tiered', 'volume', 'percentage')

)

select
    coalesce(tiered_lines.invoice_id, tiers.invoice_id) as invoice_id,
    coalesce(tiered_lines.line_number, tiers.line_number) as line_number,
    tiered_lines.exact_amount,
    tiers.tiers_amount,
    coalesce(tiered_lines.gross_amount, tiered_lines.exact_amount, 0)
    - coalesce(tiers.tiers_amount, 0) as gap_amount
from tiered_lines
full outer join tiers
    on tiered_lines.invoice_id = tiers.invoice_id
    and tiered_lines.line_number = tiers.line_number
where
    tiered_lines.exact_amount is null
    -- A percentage may be one rate, without tiers.
    or (tiers.tiers_amount is null and tiered_lines.pricing_model <> 'percentage')
    or (
        tiered_lines.gross_amount is null
        and tiered_lines.exact_amount <> tiers.tiers_amount
    )
    or tiered_lines.gross_amount
    < {{ round_to_minor_units('tiers.tiers_amount', 'tiered_lines.minor_units') }}
    - {{ minor_unit('tiered_lines.minor_units') }}
    or tiered_lines.gross_amount
    > {{ round_to_minor_units('tiers.tiers_amount', 'tiered_lines.minor_units') }}
    + {{ minor_unit('tiered_lines.minor_units') }}
