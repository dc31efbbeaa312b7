-- Grain: one row per tier within a line of a draft invoice.
with

lines as (

    select * from {{ ref('inv_lines') }}

),

tiers as (

    select * from {{ ref('rat_usage_tiers') }}

)

select
    lines.invoice_id,
    lines.line_number,
    tiers.tier_number,
    tiers.tier_from,
    tiers.tier_up_to,
    tiers.quantity,
    tiers.unit_price,
    tiers.flat_amount,
    tiers.exact_amount
from lines
inner join tiers
    on lines.subscription_id = tiers.subscription_id
    and lines.term_from_at = tiers.term_from_at
    and lines.charge_code = tiers.charge_code
    and lines.price_id = tiers.price_id
    and lines.dimension_values = tiers.dimension_values
    and lines.line_from_at = tiers.line_from_at
    and lines.line_type = 'charge'
