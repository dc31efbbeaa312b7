-- Grain: one row per term and billing period that has an invoice by now: the period that the
-- invoice is for, the plan's own or, where prices have shorter ones, the shortest.
-- A longer one ends with the same invoice but began before it.
-- Who was invoiced for a period stays who owes it, whoever the parent or the customer is today, and
-- in the same currency. A subscription that was not on the invoice goes with the others of its
-- customer that were.
with

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

ranked as (

    select
        *,
        row_number() over (
            partition by subscription_id, term_from_at, billing_period
            order by to_at asc, from_at desc, has_ended desc
        ) as length_rank

    from {{ ref('met_billing_periods') }}
    where billing_period is not null

),

issued as (

    select
        terms.subscription_id,
        terms.term_from_at,
        coalesce(lines.adjusted_billing_period, invoices.billing_period) as billing_period,
        invoices.customer_id,
        invoices.currency_code,
        invoices.issued_at,
        lines.invoice_id,
        lines.line_number,
        lines.period_from >= terms.term_from_at and lines.period_from < terms.term_to_at
            as is_of_term,
        invoices.customer_id <> terms.invoiced_customer_id
        or invoices.currency_code <> terms.currency_code as is_other_today

    from {{ source('ledger', 'issued_invoice_lines') }} as lines
    inner join {{ source('ledger', 'issued_invoices') }} as invoices
        on lines.invoice_id = invoices.invoice_id
    inner join terms
        on lines.subscription_id = terms.subscription_id

),

-- Few move, so few are put in order. A subscription that was handed over within a period has two
-- payers, each for a term.
recent as (

    select
        *,
        row_number() over (
            partition by subscription_id, term_from_at, billing_period
            order by
                is_of_term desc, issued_at desc, invoice_id desc, line_number desc
        ) as recency

    from issued
    where subscription_id in (
        select other.subscription_id
        from issued as other
        where other.is_other_today
    )

),

payers as (

    select
        subscription_id,
        term_from_at,
        billing_period,
        customer_id,
        currency_code

    from recent
    where recency = 1

),

-- Subscriptions invoiced to somebody who would not be today.
moved as (

    select distinct
        terms.customer_id,
        payers.subscription_id,
        payers.billing_period,
        payers.customer_id as invoiced_customer_id

    from payers
    inner join terms
        on payers.subscription_id = terms.subscription_id
        and payers.term_from_at = terms.term_from_at
    where payers.customer_id <> terms.invoiced_customer_id

),

-- Of one that has gone to another customer nothing follows for the others of that one.
kept as (

    select subscription_id
    from {{ source('raw', 'subscriptions') }}
    where subscription_id in (select subscription_id from moved)
    group by subscription_id
    having min(customer_id) = max(customer_id)

),

households as (

    select
        customer_id,
        billing_period,
        max(invoiced_customer_id) as invoiced_customer_id

    from moved
    where subscription_id in (select subscription_id from kept)
    group by customer_id, billing_period
    having min(invoiced_customer_id) = max(invoiced_customer_id)

),

sold_currencies as (

    select distinct
        subscription_id,
        term_from_at,
        currency_code

    from {{ ref('met_charge_windows') }}

)

select
    ranked.subscription_id,
    ranked.term_from_at,
    ranked.billing_period,
    coalesce(
        payers.customer_id, households.invoiced_customer_id, terms.invoiced_customer_id
    ) as invoiced_customer_id,
    coalesce(payers.currency_code, terms.currency_code) as currency_code,
    -- A plan without prices in it any more has the same prices in another currency.
    coalesce(sold_currencies.currency_code, terms.currency_code) as price_currency_code,
    ranked.from_at,
    ranked.to_at,
    ranked.has_ended
from ranked
inner join terms
    on ranked.subscription_id = terms.subscription_id
    and ranked.term_from_at = terms.term_from_at
left join payers
    on ranked.subscription_id = payers.subscription_id
    and ranked.term_from_at = payers.term_from_at
    and ranked.billing_period = payers.billing_period
left join sold_currencies
    on ranked.subscription_id = sold_currencies.subscription_id
    and ranked.term_from_at = sold_currencies.term_from_at
    and payers.currency_code = sold_currencies.currency_code
left join households
    on terms.customer_id = households.customer_id
    and ranked.billing_period = households.billing_period
where ranked.length_rank = 1
