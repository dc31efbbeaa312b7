-- Grain: one row per draft invoice, grant, billing period that it pays for and, in units, charge;
-- without an invoice where units leave nothing to be invoiced.
-- What a draft gives back of a period goes first to the grants that paid for it, the last one first.
-- Drafts of a customer then take credit in the order of their periods, and each draft takes it in
-- the order of the grants: what is for one charge first, then by priority and expiry. Units have
-- been taken by the usage; here is how they differ from what issued documents have used.
with

grants as (

    select * from {{ ref('stg_accounts__credit_grants') }}

),

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

-- What was issued before credit was kept by period is for the period of its invoice.
issued as (

    select
        applications.grant_id,
        coalesce(applications.customer_id, invoices.customer_id) as customer_id,
        applications.currency_code,
        coalesce(applications.paid_billing_period, invoices.billing_period) as billing_period,
        applications.subscription_id,
        applications.charge_code,
        applications.unit,
        applications.applied_amount,
        applications.applied_quantity,
        applications.paid_to_at,
        coalesce(applications.application_number, 0) as application_number

    from {{ source('ledger', 'issued_credit_applications') }} as applications
    left join {{ source('ledger', 'issued_invoices') }} as invoices
        on applications.invoice_id = invoices.invoice_id

),

last_numbers as (

    select
        customer_id,
        greatest(count(*), max(application_number)) as last_number

    from issued
    group by customer_id

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
    where
        totals.total_amount <> 0
        or totals.net_amount <> 0

),

-- An invoice is made of its own period and of the periods that it adjusts.
charges as (

    select
        lines.invoice_id,
        coalesce(lines.adjusted_billing_period, lines.billing_period) as paid_billing_period,
        lines.charge_code,
        max(lines.minor_units) as minor_units,
        sum(coalesce(lines.gross_amount, lines.net_amount + {{
            percent_of('lines.net_amount', 'coalesce(lines.tax_rate, 0)') }})) as exact_amount

    from {{ ref('inv_lines') }} as lines
    group by
        lines.invoice_id, coalesce(lines.adjusted_billing_period, lines.billing_period),
        lines.charge_code

),

rounded_parts as (

    select
        invoice_id,
        paid_billing_period,
        {{ round_to_minor_units('sum(exact_amount)', 'max(minor_units)') }} as part_amount

    from charges
    group by invoice_id, paid_billing_period

),

-- Tax is rounded once for all parts: what that leaves belongs to the newest of them.
parts as (

    select
        invoices.*,
        rounded_parts.paid_billing_period,
        {{ as_money('rounded_parts.part_amount + case
            when rounded_parts.paid_billing_period
                = max(rounded_parts.paid_billing_period) over (partition by invoices.invoice_id)
                then invoices.total_amount
                    - sum(rounded_parts.part_amount) over (partition by invoices.invoice_id)
            else 0
        end') }} as part_amount

    from rounded_parts
    inner join invoices
        on rounded_parts.invoice_id = invoices.invoice_id

),

paid as (

    select
        grant_id,
        customer_id,
        currency_code,
        billing_period,
        max(charge_code) as charge_code,
        sum(applied_amount) as paid_amount,
        max(case when applied_amount > 0 then application_number end) as last_number

    from issued
    where applied_amount is not null
    group by grant_id, customer_id, currency_code, billing_period

),

pairs_of_returns as (

    select
        parts.invoice_id,
        parts.paid_billing_period,
        paid.grant_id,
        coalesce(paid.charge_code, '') as charge_code,
        paid.paid_amount as grant_quantity,
        -parts.part_amount as invoice_quantity,
        -parts.part_amount as part_quantity,
        case
            when paid.charge_code is null then -parts.part_amount
            when charges.exact_amount < 0
                then {{ round_to_minor_units('-charges.exact_amount', 'charges.minor_units') }}
            else 0
        end as charge_quantity,
        row_number() over (
            partition by parts.invoice_id, parts.paid_billing_period
            order by
                paid.last_number desc, paid.charge_code is not null, coalesce(grants.priority, 0) desc,
                coalesce(grants.expires_at, {{ beginning_of_time() }}) desc, paid.grant_id desc
        ) as turn

    from parts
    inner join paid
        on parts.customer_id = paid.customer_id
        and parts.currency_code = paid.currency_code
        and parts.paid_billing_period = paid.billing_period
    left join grants
        on paid.grant_id = grants.grant_id
    left join charges
        on parts.invoice_id = charges.invoice_id
        and parts.paid_billing_period = charges.paid_billing_period
        and paid.charge_code = charges.charge_code
    where
        parts.part_amount < 0
        and paid.paid_amount > 0

),

given_back as (

    select {{ list_rows('uses') }} as application
    from (
        select {{ credit_taken_in_turn() }} as uses
        from pairs_of_returns
        group by invoice_id, paid_billing_period
    ) as folded

),

given_back_uses as (

    select
        application.invoice_id,
        application.paid_billing_period,
        application.grant_id,
        application.turn,
        application.charge_code,
        application.applied_quantity

    from given_back

),

-- A credit note that stands alone gives back what it comes to, and never asks for money.
returned as (

    select
        invoices.customer_id,
        invoices.currency_code,
        invoices.billing_period,
        invoices.invoice_id,
        given_back.paid_billing_period,
        given_back.grant_id,
        given_back.turn,
        nullif(given_back.charge_code, '') as charge_code,
        {{ as_money("case
            when invoices.charge_count > 0 or invoices.total_amount >= 0
                then given_back.applied_quantity
            when given_back.so_far_quantity <= -invoices.total_amount
                then given_back.applied_quantity
            when given_back.so_far_quantity - given_back.applied_quantity < -invoices.total_amount
                then -invoices.total_amount - given_back.so_far_quantity
                    + given_back.applied_quantity
            else 0
        end") }} as returned_amount

    from (
        select
            *,
            sum(applied_quantity) over (
                partition by invoice_id
                order by paid_billing_period, turn
                rows between unbounded preceding and current row
            ) as so_far_quantity
        from given_back_uses
    ) as given_back
    inner join invoices
        on given_back.invoice_id = invoices.invoice_id

),

issued_grants as (

    select
        grant_id,
        sum(applied_amount) as applied_amount

    from issued
    group by grant_id

),

-- What a draft gives back can be used by itself and by those after it. Credit pays for periods that
-- begin before it expires and end after it was granted.
usable as (

    select
        grants.*,
        invoices.invoice_id,
        {{ as_money('invoices.total_amount + coalesce(invoices_back.returned_amount, 0)') }}
            as owed_amount,
        {{ as_money('grants.granted_amount - coalesce(issued_grants.applied_amount, 0)
            + sum(coalesce(grants_back.returned_amount, 0)) over (
                partition by grants.grant_id
                order by invoices.billing_period, invoices.invoice_id
                rows between unbounded preceding and current row
            )') }} as left_amount

    from grants
    inner join invoices
        on grants.customer_id = invoices.customer_id
        and grants.currency_code = invoices.currency_code
        and grants.granted_at < invoices.billing_to_at
        and grants.expires_at > invoices.billing_from_at
    left join issued_grants
        on grants.grant_id = issued_grants.grant_id
    left join (
        select grant_id, invoice_id, sum(returned_amount) as returned_amount
        from returned
        group by grant_id, invoice_id
    ) as grants_back
        on grants.grant_id = grants_back.grant_id
        and invoices.invoice_id = grants_back.invoice_id
    left join (
        select invoice_id, sum(returned_amount) as returned_amount
        from returned
        group by invoice_id
    ) as invoices_back
        on invoices.invoice_id = invoices_back.invoice_id
    where grants.granted_amount is not null

),

pairs as (

    select
        parts.customer_id,
        parts.currency_code,
        parts.invoice_id,
        parts.paid_billing_period,
        usable.grant_id,
        coalesce(usable.charge_code, '') as charge_code,
        usable.left_amount as grant_quantity,
        usable.owed_amount as invoice_quantity,
        parts.part_amount as part_quantity,
        case
            when usable.charge_code is null then parts.part_amount
            when charges.exact_amount > 0
                then {{ round_to_minor_units('charges.exact_amount', 'charges.minor_units') }}
            else 0
        end as charge_quantity,
        row_number() over (
            partition by parts.customer_id, parts.currency_code
            order by
                parts.billing_period, parts.invoice_id, usable.charge_code is null,
                usable.priority, usable.expires_at, usable.grant_id, parts.paid_billing_period
        ) as turn

    from parts
    inner join usable
        on parts.invoice_id = usable.invoice_id
    left join charges
        on parts.invoice_id = charges.invoice_id
        and parts.paid_billing_period = charges.paid_billing_period
        and usable.charge_code = charges.charge_code
    where
        parts.part_amount > 0
        and usable.owed_amount > 0
        and usable.left_amount > 0

),

taken as (

    select {{ list_rows('uses') }} as application
    from (
        select {{ credit_taken_in_turn() }} as uses
        from pairs
        group by customer_id, currency_code
    ) as folded

),

settled_periods as (

    select * from {{ ref('rat_period_inputs') }}
    where is_settled

),

billed as (

    select {{ billed_month('max(coalesce(issue_period, billing_period))') }} as billing_period
    from {{ source('ledger', 'issued_invoices') }}

),

-- What is used of units now, less what issued documents have used.
movements as (

    select
        invoiced_customer_id as customer_id, currency_code, billing_period, subscription_id,
        charge_code, unit, grant_id, prepaid_quantity as moved_quantity, line_to_at as paid_to_at
    from {{ ref('rat_prepaid_units') }}

    union all

    select
        issued.customer_id, issued.currency_code, issued.billing_period, issued.subscription_id,
        issued.charge_code, issued.unit, issued.grant_id, -issued.applied_quantity as moved_quantity,
        issued.paid_to_at
    from issued
    left join settled_periods
        on issued.customer_id = settled_periods.invoiced_customer_id
        and issued.currency_code = settled_periods.currency_code
        and issued.billing_period = settled_periods.billing_period
    where
        issued.applied_quantity is not null
        and settled_periods.billing_period is null

),

moved as (

    select
        customer_id,
        currency_code,
        billing_period,
        subscription_id,
        charge_code,
        unit,
        grant_id,
        {{ as_quantity('sum(moved_quantity)') }} as applied_quantity,
        max(paid_to_at) as paid_to_at

    from movements
    group by
        customer_id, currency_code, billing_period, subscription_id, charge_code, unit, grant_id
    having sum(moved_quantity) <> 0

),

taken_uses as (

    select
        application.invoice_id,
        application.paid_billing_period,
        application.grant_id,
        application.turn,
        application.charge_code,
        application.applied_quantity

    from taken

),

applications as (

    select
        invoices.customer_id, invoices.currency_code, invoices.billing_period, invoices.invoice_id,
        taken_uses.paid_billing_period, taken_uses.grant_id,
        cast(null as string) as subscription_id,
        nullif(taken_uses.charge_code, '') as charge_code, cast(null as string) as unit,
        {{ as_money('taken_uses.applied_quantity') }} as applied_amount,
        cast(null as {{ quantity_type() }}) as applied_quantity, invoices.period_to as paid_to_at,
        2 as step, taken_uses.turn
    from taken_uses
    inner join invoices
        on taken_uses.invoice_id = invoices.invoice_id
    where taken_uses.applied_quantity > 0

    union all

    select
        returned.customer_id, returned.currency_code, returned.billing_period, returned.invoice_id,
        returned.paid_billing_period, returned.grant_id, cast(null as string) as subscription_id,
        returned.charge_code, cast(null as string) as unit,
        {{ as_money('-returned.returned_amount') }} as applied_amount,
        cast(null as {{ quantity_type() }}) as applied_quantity, invoices.period_to as paid_to_at,
        1 as step, returned.turn
    from returned
    inner join invoices
        on returned.invoice_id = invoices.invoice_id
    where returned.returned_amount > 0

    union all

    -- Units go with the draft for their period or, of a closed one, with its adjustment.
    select
        moved.customer_id, moved.currency_code,
        coalesce(
            parts.billing_period,
            case when closed_periods.customer_id is null then moved.billing_period end,
            billed.billing_period
        ) as billing_period,
        parts.invoice_id, moved.billing_period as paid_billing_period, moved.grant_id,
        moved.subscription_id, moved.charge_code, moved.unit,
        cast(null as {{ money_type() }}) as applied_amount, moved.applied_quantity, moved.paid_to_at,
        case when moved.applied_quantity < 0 then 1 else 2 end as step, 0 as turn
    from moved
    cross join billed
    left join parts
        on moved.customer_id = parts.customer_id
        and moved.currency_code = parts.currency_code
        and moved.billing_period = parts.paid_billing_period
    left join {{ ref('inv_closed_periods') }} as closed_periods
        on moved.customer_id = closed_periods.customer_id
        and moved.currency_code = closed_periods.currency_code
        and moved.billing_period = closed_periods.billing_period

)

select
    applications.invoice_id,
    applications.grant_id,
    applications.customer_id,
    applications.currency_code,
    applications.billing_period,
    applications.paid_billing_period,
    applications.subscription_id,
    applications.charge_code,
    applications.unit,
    applications.applied_amount,
    applications.applied_quantity,
    applications.paid_to_at,
    cast(coalesce(last_numbers.last_number, 0) + row_number() over (
        partition by applications.customer_id
        order by
            applications.billing_period, applications.currency_code,
            coalesce(applications.invoice_id, ''), applications.step, applications.turn,
            applications.paid_billing_period, coalesce(applications.subscription_id, ''),
            coalesce(applications.charge_code, ''), coalesce(applications.unit, ''),
            coalesce(grants.priority, 0), grants.expires_at, applications.grant_id
    ) as bigint) as application_number
from applications
left join grants
    on applications.grant_id = grants.grant_id
left join last_numbers
    on applications.customer_id = last_numbers.customer_id
