-- Grain: one row per movement of a prepaid credit grant: granted, used or given back by an invoice,
-- withdrawn, expired. A grant moves in money or in units of the charges that it pays for.
-- What issued invoices have used stays, even if the grant is taken back or lowered afterwards:
-- the grant then counts as what was used, so that no balance is below zero.
with

grants as (

    select
        *,
        {{ as_quantity('coalesce(granted_quantity, granted_amount)') }} as granted_size

    from {{ ref('stg_accounts__credit_grants') }}

),

-- In one column, as a grant has either: units have 12 places and money has 6 of them.
applications as (

    select
        applications.grant_id,
        applications.invoice_id,
        applications.currency_code,
        applications.applied_quantity is not null as is_in_units,
        {{ as_quantity('coalesce(applications.applied_quantity, applications.applied_amount)') }}
            as applied_size,
        coalesce(applications.customer_id, invoices.customer_id) as customer_id,
        coalesce(invoices.billing_period, applications.billing_period) as billing_period,
        coalesce(applications.application_status, 'issued') as application_status,
        coalesce(invoices.period_to, applications.paid_to_at) as period_to,
        row_number() over (
            partition by applications.grant_id
            order by
                coalesce(applications.application_number, 0), invoices.billing_period,
                applications.invoice_id
        ) as use_order

    from {{ ref('fct_credit_applications') }} as applications
    left join {{ ref('fct_invoices') }} as invoices
        on applications.invoice_id = invoices.invoice_id

),

run_up as (

    select
        *,
        sum(applied_size) over (
            partition by grant_id order by use_order
            rows between unbounded preceding and current row
        ) as used_so_far_size

    from applications

),

used as (

    select
        grant_id,
        max(customer_id) as customer_id,
        max(currency_code) as currency_code,
        max(is_in_units) as is_in_units,
        sum(applied_size) as applied_size,
        max(used_so_far_size) as most_used_size,
        min(period_to) as first_used_at,
        max(period_to) as last_used_at

    from run_up
    group by grant_id

),

granted as (

    select
        coalesce(grants.grant_id, used.grant_id) as grant_id,
        coalesce(grants.customer_id, used.customer_id) as customer_id,
        coalesce(grants.currency_code, used.currency_code) as currency_code,
        grants.charge_code,
        grants.credit_unit,
        grants.unit_price,
        coalesce(used.is_in_units, grants.granted_quantity is not null) as is_in_units,
        coalesce(grants.granted_at, used.first_used_at) as granted_at,
        grants.expires_at,
        used.last_used_at,
        case
            when grants.granted_size >= coalesce(used.most_used_size, 0) then grants.granted_size
            else used.most_used_size
        end as granted_size,
        case
            when grants.granted_size >= coalesce(used.applied_size, 0) then grants.granted_size
            else used.applied_size
        end as standing_size,
        coalesce(used.applied_size, 0) as applied_size

    from grants
    full outer join used
        on grants.grant_id = used.grant_id

),

-- The end of the last period billed, after which no invoice can use what has expired by then.
horizons as (

    select
        customers.customer_id,
        {{ local_to_utc(add_months("cast(concat_ws('', latest.billing_period, '-01') as date)", 1),
            'customers.timezone') }} as horizon_at

    from {{ ref('dim_customers') }} as customers
    cross join (
        select max(billing_period) as billing_period from {{ ref('met_billing_periods') }}
    ) as latest

),

movements as (

    select
        grant_id, 'granted' as entry_kind, 1 as entry_order, 0 as use_order,
        cast(null as string) as invoice_id, cast(null as string) as billing_period,
        granted_at as entry_at, granted_size as entry_size
    from granted

    union all

    select
        grant_id,
        case
            when applied_size < 0 then 'returned'
            when application_status = 'draft' then 'reserved'
            else 'applied'
        end as entry_kind,
        2 as entry_order, use_order, invoice_id, billing_period, period_to as entry_at,
        -applied_size as entry_size
    from applications

    union all

    -- What came back to a grant that has been lowered or taken back in the meantime.
    select
        grant_id, 'withdrawn' as entry_kind, 3 as entry_order, 0 as use_order,
        cast(null as string) as invoice_id, cast(null as string) as billing_period,
        last_used_at as entry_at, standing_size - granted_size as entry_size
    from granted
    where granted_size > standing_size

    union all

    select
        granted.grant_id, 'expired' as entry_kind, 4 as entry_order, 0 as use_order,
        cast(null as string) as invoice_id, cast(null as string) as billing_period,
        granted.expires_at as entry_at, granted.applied_size - granted.standing_size as entry_size
    from granted
    inner join horizons
        on granted.customer_id = horizons.customer_id
    where
        granted.expires_at <= horizons.horizon_at
        and granted.standing_size > granted.applied_size

),

numbered as (

    select
        movements.*,
        row_number() over (
            partition by movements.grant_id order by movements.entry_order, movements.use_order
        ) as entry_number

    from movements

),

entries as (

    select
        numbered.*,
        granted.customer_id,
        granted.currency_code,
        granted.charge_code,
        granted.credit_unit,
        granted.unit_price,
        granted.is_in_units,
        sum(numbered.entry_size) over (
            partition by numbered.grant_id order by numbered.entry_number
            rows between unbounded preceding and current row
        ) as balance_size

    from numbered
    inner join granted
        on numbered.grant_id = granted.grant_id

)

select
    grant_id,
    cast(entry_number as integer) as entry_number,
    customer_id,
    currency_code,
    charge_code,
    credit_unit,
    unit_price,
    entry_kind,
    invoice_id,
    billing_period,
    entry_at,
    case when not is_in_units then {{ as_money('entry_size') }} end as entry_amount,
    case when not is_in_units then {{ as_money('balance_size') }} end as balance_amount,
    case when is_in_units then {{ as_quantity('entry_size') }} end as entry_quantity,
    case when is_in_units then {{ as_quantity('balance_size') }} end as balance_quantity
from entries
