-- Grain: one row per prepaid credit grant of the newest snapshot that can be used, in units where
-- it states a quantity and in money otherwise.
-- What cannot (no amount or an absurd one, no known customer) is listed by the test
-- credit_grants_are_usable.
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

-- What has been used as money stays money, or it would be used twice; as units, units.
used as (

    select
        grant_id,
        max(case when applied_amount is null then 1 else 0 end) = 1 as is_used_as_units

    from {{ source('ledger', 'issued_credit_applications') }}
    group by grant_id

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
        used.is_used_as_units,
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
    left join used
        on ranked.grant_id = used.grant_id
    where ranked.recency = 1

),

priced as (

    select
        *,
        case when granted_quantity > 0 and coalesce(is_used_as_units, true) then granted_quantity end
            as unit_quantity,
        case
            when stated_amount is null then {{ try_product('granted_quantity', 'unit_price') }}
            when stated_amount < 100000000000000 then {{ as_amount('stated_amount') }}
        end as exact_amount

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
        case
            when unit_quantity is null then {{ round_to_minor_units('exact_amount', 'minor_units') }}
        end as granted_amount,
        unit_quantity as granted_quantity,
        coalesce(is_used_as_units, false) and unit_quantity is null as is_used_otherwise,
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
    granted_quantity,
    granted_at,
    expires_at
from dated
where
    coalesce(granted_quantity, granted_amount) > 0
    -- More than anybody uses, and than the ledger adds up: it stops nobody else.
    and coalesce(granted_quantity, granted_amount) < 100000000000000000000
    and not is_used_otherwise
    and granted_at is not null
    and expires_at is not null
