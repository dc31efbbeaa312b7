-- Grain: one row per draft invoice and grant whose credit it uses.
-- Drafts of a customer take credit in the order of their periods, and each draft takes it in the
-- order of the grants: what is for one charge first, then by priority and expiry.
with

grants as (

    select * from {{ ref('stg_accounts__credit_grants') }}

),

issued as (

    select
        grant_id,
        sum(applied_amount) as applied_amount

    from {{ source('ledger', 'issued_credit_applications') }}
    group by grant_id

),

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

-- A fee in advance or of a longer period lies outside of the period that its invoice is for.
billing_periods as (

    select
        periods.invoiced_customer_id,
        periods.currency_code,
        periods.billing_period,
        min(periods.from_at) as from_at,
        max(periods.to_at) as to_at

    from {{ ref('met_invoice_periods') }} as periods
    inner join terms
        on periods.subscription_id = terms.subscription_id
        and periods.term_from_at = terms.term_from_at
    group by periods.invoiced_customer_id, periods.currency_code, periods.billing_period

),

-- Adjustments that stand alone may have no period but their own.
invoices as (

    select
        totals.*,
        coalesce(billing_periods.from_at, totals.period_from) as billing_from_at,
        coalesce(billing_periods.to_at, totals.period_to) as billing_to_at

    from {{ ref('inv_totals') }} as totals
    left join billing_periods
        on totals.customer_id = billing_periods.invoiced_customer_id
        and totals.currency_code = billing_periods.currency_code
        and totals.billing_period = billing_periods.billing_period
    where totals.total_amount > 0

),

-- What a draft owes for one charge, tax included: the most that credit for it can pay.
scopes as (

    select
        lines.invoice_id,
        lines.charge_code,
        {{ round_to_minor_units(
            'sum(coalesce(lines.gross_amount, lines.net_amount + '
            ~ percent_of('lines.net_amount', 'coalesce(lines.tax_rate, 0)') ~ '))',
            'max(lines.minor_units)'
        ) }} as scope_amount

    from {{ ref('inv_lines') }} as lines
    group by lines.invoice_id, lines.charge_code

),

pairs as (

    select
        invoices.customer_id,
        invoices.currency_code,
        invoices.billing_period,
        invoices.invoice_id,
        invoices.total_amount as invoice_amount,
        grants.grant_id,
        grants.charge_code is null as is_open_to_all,
        grants.priority,
        grants.expires_at,
        coalesce(grants.charge_code, '') as charge_code,
        {{ as_money('grants.granted_amount - coalesce(issued.applied_amount, 0)') }}
            as grant_amount,
        {{ as_money('case when grants.charge_code is null then invoices.total_amount
            when scopes.scope_amount > 0 then scopes.scope_amount else 0 end') }}
            as charge_amount

    from grants
    -- Credit pays for periods that begin before it expires and end after it was granted.
    inner join invoices
        on grants.customer_id = invoices.customer_id
        and grants.currency_code = invoices.currency_code
        and grants.granted_at < invoices.billing_to_at
        and grants.expires_at > invoices.billing_from_at
    left join issued
        on grants.grant_id = issued.grant_id
    left join scopes
        on invoices.invoice_id = scopes.invoice_id
        and grants.charge_code = scopes.charge_code
    where grants.granted_amount > coalesce(issued.applied_amount, 0)

),

taken as (

    select
        customer_id,
        currency_code,
        {{ credit_taken_in_turn('billing_period, invoice_id, is_open_to_all, priority,
            expires_at, grant_id') }} as uses

    from pairs
    group by customer_id, currency_code

),

applications as (

    select
        currency_code,
        {{ list_rows('uses') }} as application

    from taken

)

select
    application.invoice_id,
    application.grant_id,
    currency_code,
    {{ as_money('application.applied_amount') }} as applied_amount
from applications
where application.applied_amount > 0
