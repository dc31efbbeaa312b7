-- Grain: one row per usage quantity and grant in units that pays for a part of it.
-- Charges take units in the order of billing period, subscription and charge, and of the grants in
-- the order of credit in money: those for one charge first, then by priority and expiry.
-- What issued documents have used stays with its charge as long as the usage is there, whatever
-- becomes of the grants; what is no longer there goes back to the grant that was used last.
with

grants as (

    select * from {{ ref('stg_accounts__credit_grants') }}
    where granted_quantity is not null

),

settled_periods as (

    select * from {{ ref('rat_period_inputs') }}
    where is_settled

),

issued as (

    select
        customer_id,
        currency_code,
        paid_billing_period as billing_period,
        subscription_id,
        charge_code,
        unit,
        grant_id,
        sum(applied_quantity) as issued_quantity,
        max(application_number) as last_number

    from {{ source('ledger', 'issued_credit_applications') }}
    where applied_quantity is not null
    group by
        customer_id, currency_code, paid_billing_period, subscription_id, charge_code, unit, grant_id

),

prepaying as (

    select customer_id from grants
    union
    select customer_id from issued

),

-- Nobody prepays more units of one line than fit here, and a sum of such lines fits as well. The
-- amount of what is priced by event does not follow from its quantity.
quantities as (

    select
        quantities.invoiced_customer_id as customer_id,
        quantities.currency_code,
        quantities.billing_period,
        quantities.subscription_id,
        quantities.term_from_at,
        quantities.charge_code,
        quantities.price_id,
        quantities.dimension_values,
        quantities.line_from_at,
        quantities.line_to_at,
        coalesce(quantities.unit, '') as unit,
        quantities.payable_quantity as whole_quantity,
        {{ as_quantity('case when quantities.payable_quantity < 100000000000000000000
            then quantities.payable_quantity else 100000000000000000000 end') }} as payable_quantity

    from (
        select
            *,
            -- Of what cannot be added up, the share that the line is charged for.
            {{ quotient(try_quantity('chargeable_quantity', 'share_day_count'), 'share_of_day_count') }}
                as payable_quantity
        from {{ ref('rat_usage_quantities') }}
    ) as quantities
    inner join prepaying
        on quantities.invoiced_customer_id = prepaying.customer_id
    where
        quantities.payable_quantity > 0
        and not quantities.is_priced_by_event

),

charges as (

    select
        customer_id,
        currency_code,
        billing_period,
        subscription_id,
        charge_code,
        unit,
        min(line_from_at) as used_from_at,
        max(line_to_at) as used_to_at,
        {{ as_quantity('sum(payable_quantity)') }} as payable_quantity

    from quantities
    group by customer_id, currency_code, billing_period, subscription_id, charge_code, unit

),

-- Of settled periods nothing is rated, so there is no charge to hold their units to.
held as (

    select
        issued.*,
        charges.payable_quantity,
        settled_periods.billing_period is not null as is_settled,
        coalesce(sum(issued.issued_quantity) over (
            partition by
                issued.customer_id, issued.currency_code, issued.billing_period,
                issued.subscription_id, issued.charge_code, issued.unit
            order by issued.last_number
            rows between unbounded preceding and 1 preceding
        ), 0) as held_before_quantity

    from issued
    left join settled_periods
        on issued.customer_id = settled_periods.invoiced_customer_id
        and issued.currency_code = settled_periods.currency_code
        and issued.billing_period = settled_periods.billing_period
    left join charges
        on issued.customer_id = charges.customer_id
        and issued.currency_code = charges.currency_code
        and issued.billing_period = charges.billing_period
        and issued.subscription_id = charges.subscription_id
        and issued.charge_code = charges.charge_code
        and issued.unit = charges.unit

),

kept as (

    select
        *,
        {{ as_quantity('case
            when is_settled then issued_quantity
            when coalesce(payable_quantity, 0) <= held_before_quantity then 0
            when payable_quantity - held_before_quantity < issued_quantity
                then payable_quantity - held_before_quantity
            else issued_quantity
        end') }} as kept_quantity

    from held

),

left_grants as (

    select
        grants.*,
        {{ as_quantity('grants.granted_quantity - coalesce(used.used_quantity, 0)') }} as left_quantity

    from grants
    left join (
        select grant_id, sum(kept_quantity) as used_quantity
        from kept
        group by grant_id
    ) as used
        on grants.grant_id = used.grant_id

),

short_charges as (

    select
        charges.*,
        {{ as_quantity('charges.payable_quantity - coalesce(paid.paid_quantity, 0)') }}
            as short_quantity,
        cast(dense_rank() over (
            order by
                charges.customer_id, charges.currency_code, charges.billing_period,
                charges.subscription_id, charges.charge_code, charges.unit
        ) as string) as charge_key

    from charges
    left join (
        select
            customer_id, currency_code, billing_period, subscription_id, charge_code, unit,
            sum(kept_quantity) as paid_quantity
        from kept
        group by customer_id, currency_code, billing_period, subscription_id, charge_code, unit
    ) as paid
        on charges.customer_id = paid.customer_id
        and charges.currency_code = paid.currency_code
        and charges.billing_period = paid.billing_period
        and charges.subscription_id = paid.subscription_id
        and charges.charge_code = paid.charge_code
        and charges.unit = paid.unit

),

pairs as (

    select
        short_charges.customer_id,
        short_charges.currency_code,
        short_charges.charge_key as invoice_id,
        short_charges.billing_period as paid_billing_period,
        short_charges.charge_code,
        left_grants.grant_id,
        left_grants.left_quantity as grant_quantity,
        short_charges.short_quantity as invoice_quantity,
        short_charges.short_quantity as part_quantity,
        short_charges.short_quantity as charge_quantity,
        row_number() over (
            partition by short_charges.customer_id, short_charges.currency_code
            order by
                short_charges.billing_period, short_charges.subscription_id,
                short_charges.charge_code, short_charges.unit, left_grants.charge_code is null,
                left_grants.priority, left_grants.expires_at, left_grants.grant_id
        ) as turn

    from short_charges
    inner join left_grants
        on {{ is_paid_in_units('short_charges', 'left_grants') }}
    where
        short_charges.short_quantity > 0
        and left_grants.left_quantity > 0

),

taken as (

    select {{ list_rows('uses') }} as application
    from (
        select {{ credit_taken_in_turn() }} as uses
        from pairs
        group by customer_id, currency_code
    ) as folded

),

taken_uses as (

    select
        application.invoice_id,
        application.grant_id,
        application.turn,
        application.applied_quantity

    from taken

),

uses as (

    select
        customer_id, currency_code, billing_period, subscription_id, charge_code, unit, grant_id,
        kept_quantity as applied_quantity, 0 as turn, last_number
    from kept
    where not is_settled and kept_quantity > 0

    union all

    select
        short_charges.customer_id, short_charges.currency_code, short_charges.billing_period,
        short_charges.subscription_id, short_charges.charge_code, short_charges.unit,
        taken_uses.grant_id, taken_uses.applied_quantity, taken_uses.turn,
        cast(null as bigint) as last_number
    from taken_uses
    inner join short_charges
        on taken_uses.invoice_id = short_charges.charge_key
    where taken_uses.applied_quantity > 0

),

-- Lines and uses of a charge side by side, each from where the one before it ends.
ranged_uses as (

    select
        *,
        {{ as_quantity('sum(applied_quantity) over (
            partition by
                customer_id, currency_code, billing_period, subscription_id, charge_code, unit
            order by turn, last_number, grant_id
            rows between unbounded preceding and current row
        )') }} as to_quantity

    from uses

),

ranged_quantities as (

    select
        *,
        {{ as_quantity('sum(payable_quantity) over (
            partition by
                customer_id, currency_code, billing_period, subscription_id, charge_code, unit
            order by line_from_at, dimension_values, price_id, term_from_at
            rows between unbounded preceding and current row
        )') }} as to_quantity

    from quantities

),

met as (

    select
        quantities.*,
        uses.grant_id,
        {{ as_quantity('case when quantities.to_quantity < uses.to_quantity
            then quantities.to_quantity else uses.to_quantity end') }}
        - {{ as_quantity('case when quantities.to_quantity - quantities.payable_quantity
            > uses.to_quantity - uses.applied_quantity
            then quantities.to_quantity - quantities.payable_quantity
            else uses.to_quantity - uses.applied_quantity end') }} as met_quantity

    from ranged_quantities as quantities
    inner join ranged_uses as uses
        on quantities.customer_id = uses.customer_id
        and quantities.currency_code = uses.currency_code
        and quantities.billing_period = uses.billing_period
        and quantities.subscription_id = uses.subscription_id
        and quantities.charge_code = uses.charge_code
        and quantities.unit = uses.unit
        and quantities.to_quantity > uses.to_quantity - uses.applied_quantity
        and quantities.to_quantity - quantities.payable_quantity < uses.to_quantity

)

select
    customer_id as invoiced_customer_id,
    currency_code,
    billing_period,
    subscription_id,
    term_from_at,
    charge_code,
    price_id,
    dimension_values,
    line_from_at,
    line_to_at,
    unit,
    grant_id,
    max(whole_quantity) as payable_quantity,
    {{ as_quantity('sum(met_quantity)') }} as prepaid_quantity
from met
group by
    customer_id, currency_code, billing_period, subscription_id, term_from_at, charge_code,
    price_id, dimension_values, line_from_at, line_to_at, unit, grant_id
