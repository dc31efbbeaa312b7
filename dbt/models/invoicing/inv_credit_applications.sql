-- Grain: one row per draft invoice and grant whose credit it uses.
-- Within a draft, grants are laid end to end in their order and overlap the amount due. From one
-- draft of a customer to the next, in the order of their periods, what is left is handed on; the
-- recursion is as deep as a customer has open periods, whatever the number of customers.
{% set grant_order %}is_open_to_all, priority, expires_at, grant_id{% endset %}
with recursive

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

invoices as (

    select
        *,
        row_number() over (
            partition by customer_id, currency_code order by billing_period, invoice_id
        ) as draft_number

    from {{ ref('inv_totals') }}
    where total_amount > 0

),

currencies as (

    select * from {{ ref('currencies') }}

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

burning as (

    select
        grants.grant_id,
        grants.customer_id,
        grants.currency_code,
        grants.charge_code,
        grants.charge_code is null as is_open_to_all,
        grants.priority,
        grants.granted_at,
        grants.expires_at,
        cast(0 as bigint) as draft_number,
        cast(null as string) as invoice_id,
        {{ as_money('0') }} as applied_amount,
        {{ as_money('case when grants.granted_amount > coalesce(issued.applied_amount, 0)
            then grants.granted_amount - coalesce(issued.applied_amount, 0) else 0 end') }}
            as left_amount

    from grants
    left join issued
        on grants.grant_id = issued.grant_id

    union all

    select
        grant_id, customer_id, currency_code, charge_code, is_open_to_all, priority, granted_at,
        expires_at, draft_number, invoice_id, applied_amount,
        {{ as_money('left_amount - applied_amount') }} as left_amount
    from (
        select
            *,
            {{ as_money('case
                when total_amount - offered_before_amount <= 0 then 0
                when offered_amount < total_amount - offered_before_amount then offered_amount
                else total_amount - offered_before_amount
            end') }} as applied_amount
        from (
            select
                *,
                coalesce(sum(offered_amount) over (
                    partition by customer_id, currency_code
                    order by {{ grant_order }}
                    rows between unbounded preceding and 1 preceding
                ), 0) as offered_before_amount
            from (
                select
                    *,
                    case
                        when scope_amount - usable_before_amount <= 0 then 0
                        when usable_amount < scope_amount - usable_before_amount
                            then usable_amount
                        else scope_amount - usable_before_amount
                    end as offered_amount
                from (
                    select
                        *,
                        coalesce(sum(usable_amount) over (
                            partition by customer_id, currency_code, charge_code
                            order by {{ grant_order }}
                            rows between unbounded preceding and 1 preceding
                        ), 0) as usable_before_amount
                    from (
                        select
                            burning.grant_id, burning.customer_id, burning.currency_code,
                            burning.charge_code, burning.is_open_to_all, burning.priority,
                            burning.granted_at, burning.expires_at, invoices.draft_number,
                            invoices.invoice_id, invoices.total_amount, burning.left_amount,
                            case
                                when burning.charge_code is null then invoices.total_amount
                                else coalesce(scopes.scope_amount, 0)
                            end as scope_amount,
                            -- Credit pays for periods that begin before it expires.
                            case
                                when
                                    burning.granted_at < invoices.period_to
                                    and burning.expires_at > invoices.period_from
                                    then burning.left_amount
                                else 0
                            end as usable_amount
                        from burning
                        inner join invoices
                            on burning.customer_id = invoices.customer_id
                            and burning.currency_code = invoices.currency_code
                            and burning.draft_number + 1 = invoices.draft_number
                        left join scopes
                            on invoices.invoice_id = scopes.invoice_id
                            and burning.charge_code = scopes.charge_code
                    ) as usable
                ) as ordered
            ) as offered
        ) as accumulated
    ) as applied

)

select
    invoice_id,
    grant_id,
    currency_code,
    applied_amount
from burning
where applied_amount > 0
