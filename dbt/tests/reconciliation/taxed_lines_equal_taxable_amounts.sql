-- Every line is in the taxable amount of each tax code that it names, once, and the rates of
-- these codes are together the rate of the line.
with

lines as (

    select
        invoice_id,
        tax_codes,
        sum(net_amount) as lines_amount,
        sum(net_amount * tax_rate) as weighted_amount

    from {{ ref('fct_invoice_lines') }}
    where tax_rate is not null
    group by invoice_id, tax_codes

),

taxes as (

    select
        invoice_id,
        tax_code,
        sum(taxable_amount) as taxable_amount,
        sum(taxable_amount * tax_rate) as weighted_amount

    from {{ ref('fct_invoice_taxes') }}
    group by invoice_id, tax_code

),

-- Lines issued before they named their codes have none; the rates below still hold for them.
unnamed as (

    select distinct invoice_id from lines
    where tax_codes is null

),

by_code as (

    select
        taxes.invoice_id,
        taxes.tax_code,
        max(taxes.taxable_amount) as taxable_amount,
        coalesce(sum(lines.lines_amount), 0) as lines_amount

    from taxes
    left join lines
        on taxes.invoice_id = lines.invoice_id
        and concat_ws('', ', ', lines.tax_codes, ', ') like concat_ws('', '%, ', taxes.tax_code, ', %')
    left join unnamed
        on taxes.invoice_id = unnamed.invoice_id
    where unnamed.invoice_id is null
    group by taxes.invoice_id, taxes.tax_code

),

by_invoice as (

    select
        invoice_id,
        sum(line_weighted_amount) as line_weighted_amount,
        sum(tax_weighted_amount) as tax_weighted_amount

    from (
        select invoice_id, weighted_amount as line_weighted_amount, 0 as tax_weighted_amount
        from lines
        union all
        select invoice_id, 0 as line_weighted_amount, weighted_amount as tax_weighted_amount
        from taxes
    ) as weights
    group by invoice_id

)

select
    invoice_id,
    tax_code,
    lines_amount - taxable_amount as gap_amount
from by_code
where lines_amount <> taxable_amount

union all

select
    invoice_id,
    'amounts times rates' as tax_code,
    line_weighted_amount - tax_weighted_amount as gap_amount
from by_invoice
where line_weighted_amount <> tax_weighted_amount
