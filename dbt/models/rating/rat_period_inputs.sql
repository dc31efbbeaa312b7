-- Grain: one row per invoiced customer, currency and billing period: a fingerprint of all that
-- charges, minimums, maximums and discounts are made of, and whether it leaves the period settled.
-- Settled is a closed period that came to what was issued when it was last rated, from inputs with
-- the same fingerprint. What was found then is the last model of the stage after this one, read as
-- the run before has left it.
{% set is_known = execute and is_built(['inv_settled_periods'], 'invoicing') %}
with

priced_periods as (

    select * from {{ ref('rat_priced_periods') }}

),

prices as (

    select * from {{ ref('prices') }}

),

tiers as (

    select
        price_tiers.price_id,
        sum({{ row_hash('price_tiers') }}) as tier_hash

    from {{ ref('price_tiers') }} as price_tiers
    group by price_tiers.price_id

),

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

customers as (

    select * from {{ ref('stg_accounts__customers') }}

),

meters as (

    select * from {{ ref('stg_pricing__meters') }}

),

months as (

    select
        event_month,
        max(assignment_number) as assignment_number

    from {{ ref('met_usage_segments') }}
    group by event_month

),

-- What a plan gives free of charge depends on the plans before it in the period, which may be on
-- another invoice: on their prices, free units and usage.
plan_changes as (

    select
        later.subscription_id,
        later.term_from_at,
        later.charge_code,
        later.price_id,
        later.line_from_at,
        earlier.invoiced_customer_id as earlier_customer_id,
        earlier.currency_code as earlier_currency_code,
        earlier.billing_period as earlier_billing_period,
        later.invoiced_customer_id <> earlier.invoiced_customer_id
        or later.currency_code <> earlier.currency_code
        or later.billing_period <> earlier.billing_period as is_on_another_invoice,
        {{ row_hash('earlier') }} as earlier_hash,
        {{ row_hash('prices') }} as price_hash,
        coalesce(free_units.free_quantity, 0) as free_quantity

    from priced_periods as later
    inner join priced_periods as earlier
        on later.subscription_id = earlier.subscription_id
        and later.charge_code = earlier.charge_code
        and later.period_from_at = earlier.period_from_at
        and later.period_to_at = earlier.period_to_at
        and later.term_from_at > earlier.term_from_at
    left join prices
        on earlier.price_id = prices.price_id
    left join {{ ref('rat_free_units') }} as free_units
        on earlier.subscription_id = free_units.subscription_id
        and earlier.term_from_at = free_units.term_from_at
        and earlier.charge_code = free_units.charge_code
        and earlier.billing_period = free_units.billing_period
    where
        later.meter_code is not null
        and later.term_from_at > later.period_from_at

),

followed as (

    select
        subscription_id,
        term_from_at,
        charge_code,
        price_id,
        line_from_at,
        sum(earlier_hash) as earlier_hash,
        sum(price_hash) as price_hash,
        sum(free_quantity) as free_quantity

    from plan_changes
    group by subscription_id, term_from_at, charge_code, price_id, line_from_at

),

-- Such a period is rated in every run, as the later one could not be rated without it.
needed_elsewhere as (

    select distinct earlier_customer_id, earlier_currency_code, earlier_billing_period
    from plan_changes
    where is_on_another_invoice

),

-- A level holds from one period into the next, so it is made of all usage before its end too.
charged as (

    select
        priced_periods.invoiced_customer_id,
        priced_periods.currency_code,
        priced_periods.billing_period,
        min(case
            when meters.aggregation = 'time_weighted' then {{ beginning_of_time() }}
            when followed.price_id is not null then priced_periods.period_from_at
            when meters.meter_code is not null then priced_periods.line_from_at
        end) as usage_from_at,
        min(case when meters.meter_code is not null then priced_periods.line_from_at end)
            as used_from_at,
        max(case when meters.meter_code is not null then priced_periods.line_to_at end)
            as usage_to_at,
        sum({{ row_hash('priced_periods') }}) as charge_hash,
        sum({{ row_hash('prices') }}) as price_hash,
        sum(tiers.tier_hash) as tier_hash,
        sum({{ row_hash('terms') }}) as term_hash,
        sum({{ row_hash('customers') }}) as customer_hash,
        sum(followed.earlier_hash) as earlier_hash,
        sum(followed.price_hash) as earlier_price_hash,
        sum(followed.free_quantity) as earlier_free_quantity

    from priced_periods
    left join prices
        on priced_periods.price_id = prices.price_id
    left join tiers
        on priced_periods.price_id = tiers.price_id
    left join terms
        on priced_periods.subscription_id = terms.subscription_id
        and priced_periods.term_from_at = terms.term_from_at
    left join customers
        on priced_periods.invoiced_customer_id = customers.customer_id
    left join meters
        on priced_periods.meter_code = meters.meter_code
    left join followed
        on priced_periods.subscription_id = followed.subscription_id
        and priced_periods.term_from_at = followed.term_from_at
        and priced_periods.charge_code = followed.charge_code
        and priced_periods.price_id = followed.price_id
        and priced_periods.line_from_at = followed.line_from_at
    group by
        priced_periods.invoiced_customer_id, priced_periods.currency_code,
        priced_periods.billing_period

),

discounted as (

    select
        discount_periods.invoiced_customer_id,
        discount_periods.currency_code,
        discount_periods.billing_period,
        sum({{ row_hash('discount_periods') }}) as discount_hash

    from {{ ref('rat_discount_periods') }} as discount_periods
    group by
        discount_periods.invoiced_customer_id, discount_periods.currency_code,
        discount_periods.billing_period

),

-- A grant in units makes something else of the usage that it may pay for.
prepaid as (

    select
        charged.invoiced_customer_id,
        charged.currency_code,
        charged.billing_period,
        sum({{ row_hash('grants') }}) as grant_hash

    from {{ ref('stg_accounts__credit_grants') }} as grants
    inner join charged
        on grants.customer_id = charged.invoiced_customer_id
        and grants.currency_code = charged.currency_code
        and grants.granted_at < charged.usage_to_at
        and grants.expires_at > charged.used_from_at
    where grants.granted_quantity is not null
    group by charged.invoiced_customer_id, charged.currency_code, charged.billing_period

),

usage_spans as (

    select distinct usage_from_at, usage_to_at
    from charged
    where usage_from_at is not null

),

-- A month has a new number whenever usage in it was given to terms anew.
used as (

    select
        usage_spans.usage_from_at,
        usage_spans.usage_to_at,
        sum({{ row_hash('months') }}) as usage_hash

    from usage_spans
    inner join months
        on usage_spans.usage_to_at > cast(months.event_month as timestamp)
        and usage_spans.usage_from_at < cast({{ add_months('months.event_month', 1) }} as timestamp)
    group by usage_spans.usage_from_at, usage_spans.usage_to_at

),

-- A ledger put back from a backup may lack what was settled in the meantime.
issued as (

    select
        customer_id,
        currency_code,
        billing_period,
        count(*) as issued_count

    from {{ source('ledger', 'issued_invoices') }}
    group by customer_id, currency_code, billing_period

),

-- What a period shares with all others.
shared as (

    select sum(shared_hash) as shared_hash
    from (
        {% for seed in ['meters', 'currencies', 'tax_rates', 'commitments'] %}
        select {{ row_hash(seed) }} as shared_hash from {{ ref(seed) }} as {{ seed }}
        {{ 'union all' if not loop.last }}
        {% endfor %}
    ) as seeds

),

fingerprints as (

    select
        charged.invoiced_customer_id,
        charged.currency_code,
        charged.billing_period,
        concat_ws(
            '|',
            '{{ models_checksum() }}'
            {%- for part in ['shared.shared_hash', 'charged.charge_hash', 'charged.price_hash',
                'charged.tier_hash', 'charged.term_hash', 'charged.customer_hash',
                'charged.earlier_hash', 'charged.earlier_price_hash',
                'charged.earlier_free_quantity',
                'discounted.discount_hash', 'used.usage_hash', 'issued.issued_count',
                'prepaid.grant_hash'] %},
            coalesce(cast({{ part }} as string), '')
            {%- endfor %}
        ) as input_hash

    from charged
    cross join shared
    left join discounted
        on charged.invoiced_customer_id = discounted.invoiced_customer_id
        and charged.currency_code = discounted.currency_code
        and charged.billing_period = discounted.billing_period
    left join prepaid
        on charged.invoiced_customer_id = prepaid.invoiced_customer_id
        and charged.currency_code = prepaid.currency_code
        and charged.billing_period = prepaid.billing_period
    left join used
        on charged.usage_from_at = used.usage_from_at
        and charged.usage_to_at = used.usage_to_at
    left join issued
        on charged.invoiced_customer_id = issued.customer_id
        and charged.currency_code = issued.currency_code
        and charged.billing_period = issued.billing_period

)

select
    fingerprints.invoiced_customer_id,
    fingerprints.currency_code,
    fingerprints.billing_period,
    fingerprints.input_hash,
    {{ 'settled_periods.input_hash is not null and needed_elsewhere.earlier_customer_id is null'
        if is_known else 'false' }} as is_settled
from fingerprints
{% if is_known %}
left join {{ source('settled_before', 'inv_settled_periods') }} as settled_periods
    on fingerprints.invoiced_customer_id = settled_periods.customer_id
    and fingerprints.currency_code = settled_periods.currency_code
    and fingerprints.billing_period = settled_periods.billing_period
    and fingerprints.input_hash = settled_periods.input_hash
left join needed_elsewhere
    on fingerprints.invoiced_customer_id = needed_elsewhere.earlier_customer_id
    and fingerprints.currency_code = needed_elsewhere.earlier_currency_code
    and fingerprints.billing_period = needed_elsewhere.earlier_billing_period
{% endif %}
