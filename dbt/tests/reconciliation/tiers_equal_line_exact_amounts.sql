-- Tiers = exact amount of their line, before any rounding; a tiered or volume charge without
-- tiers could not be explained to the customer.
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
        invoice_id,
        line_number,
        pricing_model,
        exact_amount

    from {{ ref('fct_invoice_lines') }}
    where pricing_model in ('tiered', 'volume', 'percentage')

)

select
    coalesce(tiered_lines.invoice_id, tiers.invoice_id) as invoice_id,
    coalesce(tiered_lines.line_number, tiers.line_number) as line_number,
    tiered_lines.exact_amount,
    tiers.tiers_amount,
    coalesce(tiered_lines.exact_amount, 0) - coalesce(tiers.tiers_amount, 0) as gap_amount
from tiered_lines
full outer join tiers
    on tiered_lines.invoice_id = tiers.invoice_id
    and tiered_lines.line_number = tiers.line_number
where
    tiered_lines.exact_amount is null
    -- A percentage may be one rate, without tiers.
    or (tiers.tiers_amount is null and tiered_lines.pricing_model <> 'percentage')
    or tiered_lines.exact_amount <> tiers.tiers_amount
