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

dated as (

    select
        ranked.grant_id,
        customers.invoiced_customer_id as customer_id,
        ranked.currency_code,
        nullif(ranked.charge_code, '') as charge_code,
        -- A grant without a rank comes after those that have one.
        coalesce({{ parse_quantity('ranked.priority') }}, 1000000) as priority,
        nullif(ranked.credit_unit, '') as credit_unit,
        {{ as_price(parse_quantity('ranked.unit_price')) }} as unit_price,
        {{ round_to_minor_units(
            'coalesce(' ~ parse_quantity('ranked.granted_amount') ~ ', ' ~ as_amount(
                parse_quantity('ranked.granted_quantity') ~ ' * '
                ~ as_price(parse_quantity('ranked.unit_price'))
            ) ~ ')', 'currencies.minor_units'
        ) }} as granted_amount,
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
