-- Grain: one row per prepaid credit grant of the newest snapshot that can be used.
-- What cannot (no amount, no known customer) is listed by the test credit_grants_are_usable.
with

load_files as (

    select * from {{ source('raw', 'load_files') }}

),

credit_grants as (

    select * from {{ source('raw', 'credit_grants') }}

),

customers as (

    select * from {{ ref('stg_accounts__customers') }}

),

currencies as (

    select * from {{ ref('currencies') }}

),

newest as (

    select file_id
    from load_files
    where file_kind = 'credit_grants'
    order by source_file desc
    limit 1

),

ranked as (

    select
        credit_grants.*,
        row_number() over (
            partition by credit_grants.grant_id order by credit_grants.position desc
        ) as recency

    from credit_grants
    inner join newest
        on credit_grants.file_id = newest.file_id

),

-- Numbers are read, multiplied and rounded one after the other: in one expression each would be
-- written out as often as the next one names it.
parsed as (

    select
        ranked.grant_id,
        customers.invoiced_customer_id as customer_id,
        ranked.currency_code,
        currencies.minor_units,
        nullif(ranked.charge_code, '') as charge_code,
        {{ parse_quantity('ranked.priority') }} as priority,
        nullif(ranked.credit_unit, '') as credit_unit,
        {{ as_price(parse_quantity('ranked.unit_price')) }} as unit_price,
        {{ parse_quantity('ranked.granted_amount') }} as stated_amount,
        {{ parse_quantity('ranked.granted_quantity') }} as granted_quantity,
        {{ bound_to_instant('ranked.granted_at', 'customers.timezone') }} as granted_at,
        case
            when coalesce(ranked.expires_at, '') = '' then {{ end_of_time() }}
            else {{ bound_to_instant('ranked.expires_at', 'customers.timezone') }}
        end as expires_at

    from ranked
    inner join customers
        on ranked.customer_id = customers.customer_id
    inner join currencies
        on ranked.currency_code = currencies.currency_code
    where ranked.recency = 1

),

priced as (

    select
        *,
        coalesce(stated_amount, {{ as_amount('granted_quantity * unit_price') }})
            as exact_amount

    from parsed

),

dated as (

    select
        grant_id,
        customer_id,
        currency_code,
        charge_code,
        -- A grant without a rank comes after those that have one.
        coalesce(priority, 1000000) as priority,
        credit_unit,
        unit_price,
        {{ round_to_minor_units('exact_amount', 'minor_units') }} as granted_amount,
        granted_at,
        expires_at

    from priced

)

select
    grant_id,
    customer_id,
    currency_code,
    charge_code,
    cast(priority as bigint) as priority,
    credit_unit,
    unit_price,
    granted_amount,
    granted_at,
    expires_at
from dated
where
    granted_amount > 0
    and granted_at is not null
    and expires_at is not null
