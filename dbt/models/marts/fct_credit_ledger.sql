-- Grain: one row per movement of a prepaid credit grant: granted, applied to an invoice, expired.
-- What issued invoices have used stays, even if the grant is taken back or lowered afterwards:
-- the grant then counts as what was used, so that no balance is below zero.
with

grants as (

    select * from {{ ref('stg_accounts__credit_grants') }}

),

applications as (

    select
        applications.grant_id,
        applications.invoice_id,
        applications.currency_code,
        applications.applied_amount,
        invoices.customer_id,
        invoices.billing_period,
        invoices.invoice_status,
        invoices.period_to

    from {{ ref('fct_credit_applications') }} as applications
    inner join {{ ref('fct_invoices') }} as invoices
        on applications.invoice_id = invoices.invoice_id

),

used as (

    select
        grant_id,
        max(customer_id) as customer_id,
        max(currency_code) as currency_code,
        sum(applied_amount) as applied_amount,
        min(period_to) as first_used_at

    from applications
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
        coalesce(grants.granted_at, used.first_used_at) as granted_at,
        grants.expires_at,
        case
            when grants.granted_amount >= coalesce(used.applied_amount, 0) then grants.granted_amount
            else used.applied_amount
        end as granted_amount,
        coalesce(used.applied_amount, 0) as applied_amount

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

entries as (

    select
        grant_id, customer_id, currency_code, charge_code, credit_unit, unit_price,
        'granted' as entry_kind, 1 as entry_order, cast(null as string) as invoice_id,
        cast(null as string) as billing_period, granted_at as entry_at, granted_amount as entry_amount
    from granted

    union all

    select
        granted.grant_id, granted.customer_id, granted.currency_code, granted.charge_code,
        granted.credit_unit, granted.unit_price,
        case applications.invoice_status when 'draft' then 'reserved' else 'applied' end as entry_kind,
        2 as entry_order, applications.invoice_id, applications.billing_period,
        applications.period_to as entry_at, -applications.applied_amount as entry_amount
    from applications
    inner join granted
        on applications.grant_id = granted.grant_id

    union all

    select
        granted.grant_id, granted.customer_id, granted.currency_code, granted.charge_code,
        granted.credit_unit, granted.unit_price, 'expired' as entry_kind, 3 as entry_order,
        cast(null as string) as invoice_id, cast(null as string) as billing_period,
        granted.expires_at as entry_at,
        granted.applied_amount - granted.granted_amount as entry_amount
    from granted
    inner join horizons
        on granted.customer_id = horizons.customer_id
    where
        granted.expires_at <= horizons.horizon_at
        and granted.granted_amount > granted.applied_amount

),

numbered as (

    select
        *,
        row_number() over (
            partition by grant_id order by entry_order, billing_period, invoice_id
        ) as entry_number

    from entries

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
    {{ as_money('entry_amount') }} as entry_amount,
    {{ as_money('sum(entry_amount) over (
        partition by grant_id order by entry_number
        rows between unbounded preceding and current row
    )') }} as balance_amount
from numbered
