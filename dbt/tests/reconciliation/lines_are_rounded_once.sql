-- A charge is rounded once: its lines come to its exact amount to half a minor unit, and each is its
-- own exact amount up or down to one. Any other line is its exact amount, half away from zero.
with

lines as (

    select
        lines.*,
        invoices.minor_units,
        {{ minor_unit('invoices.minor_units') }} as unit_amount

    from {{ ref('fct_invoice_lines') }} as lines
    inner join {{ ref('fct_invoices') }} as invoices
        on lines.invoice_id = invoices.invoice_id

),

charges as (

    select
        charge_lines.subscription_id,
        charge_lines.charge_code,
        charge_lines.billing_period,
        charge_lines.currency_code,
        terms.plan_code,
        charge_lines.period_from_at,
        max({{ minor_unit('currencies.minor_units') }}) as unit_amount,
        sum(charge_lines.exact_amount - {{ as_amount('charge_lines.net_amount') }}) as gap_amount

    from {{ ref('inv_charge_lines') }} as charge_lines
    left join {{ ref('stg_accounts__subscriptions') }} as terms
        on charge_lines.subscription_id = terms.subscription_id
        and charge_lines.term_from_at = terms.term_from_at
    left join {{ ref('currencies') }} as currencies
        on charge_lines.currency_code = currencies.currency_code
    -- One that is rounded to 10^14 is too large to be set against its exact amount.
    where abs(charge_lines.net_amount) < 99999999999999
    group by
        charge_lines.subscription_id, charge_lines.charge_code, charge_lines.billing_period,
        charge_lines.currency_code, terms.plan_code, charge_lines.period_from_at

)

select
    invoice_id,
    line_number,
    currency_code,
    exact_amount,
    net_amount
from lines
where
    net_amount is null
    or case
        when line_type = 'charge' and gross_amount is null
            then
                net_amount < {{ round_to_minor_units('exact_amount', 'minor_units') }} - unit_amount
                or net_amount > {{ round_to_minor_units('exact_amount', 'minor_units') }} + unit_amount
        else net_amount <> {{ round_to_minor_units('exact_amount', 'minor_units') }}
    end

union all

select
    concat_ws(' ', subscription_id, charge_code, billing_period) as invoice_id,
    cast(null as integer) as line_number,
    currency_code,
    gap_amount as exact_amount,
    cast(null as {{ money_type() }}) as net_amount
from charges
-- What is divided is held to 24 places, so that parts of a half may lack the last of them.
where 2 * abs(gap_amount) > unit_amount + cast('0.00000000000000000001' as {{ amount_type() }})
