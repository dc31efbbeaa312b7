-- Grain: one row per draft invoice, where the seller has a reporting currency.
-- The rate of the last local day of the invoice: the newest one not after it. Without a rate the
-- row has none, since a guess would be booked as revenue.
with

totals as (

    select * from {{ ref('inv_totals') }}

),

seller as (

    select * from {{ ref('seller') }}
    where coalesce(reporting_currency_code, '') <> ''

),

currencies as (

    select * from {{ ref('currencies') }}

),

rates as (

    select
        from_currency,
        to_currency,
        rate,
        rate_date,
        coalesce(
            lead(rate_date) over (partition by from_currency, to_currency order by rate_date),
            cast('9000-01-01' as date)
        ) as next_rate_date

    from {{ ref('exchange_rates') }}

),

dated as (

    select
        totals.invoice_id,
        totals.currency_code,
        totals.net_amount,
        totals.total_amount,
        seller.reporting_currency_code,
        totals.last_date

    from totals
    cross join seller

),

rated as (

    select
        dated.*,
        currencies.minor_units,
        case
            when dated.currency_code = dated.reporting_currency_code then {{ as_price('1') }}
            else {{ as_price('rates.rate') }}
        end as exchange_rate

    from dated
    left join rates
        on dated.currency_code = rates.from_currency
        and dated.reporting_currency_code = rates.to_currency
        and dated.last_date >= rates.rate_date
        and dated.last_date < rates.next_rate_date
    left join currencies
        on dated.reporting_currency_code = currencies.currency_code

)

select
    invoice_id,
    reporting_currency_code,
    exchange_rate,
    {{ round_to_minor_units(exchanged('net_amount', 'exchange_rate'), 'minor_units') }}
        as reporting_net_amount,
    {{ round_to_minor_units(exchanged('total_amount', 'exchange_rate'), 'minor_units') }}
        as reporting_total_amount
from rated
