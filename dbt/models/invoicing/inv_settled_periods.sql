-- Grain: one row per closed period in which what is owed is what was issued, with the fingerprint
-- of what it was rated from. The next run leaves it out while the fingerprint stays the same.
-- A commitment runs over the periods of a customer, who is therefore rated as a whole. Usage that
-- lacks units of a grant gets those that come back from another period, so its period stays open.
-- Nothing is settled by a run that does not rate and invoice everything: the fingerprint may then be
-- newer than what was rated.
with

closed_periods as (

    select * from {{ ref('inv_closed_periods') }}

),

inputs as (

    select * from {{ ref('rat_period_inputs') }}

),

grants as (

    select * from {{ ref('stg_accounts__credit_grants') }}
    where granted_quantity is not null

),

short_charges as (

    select
        invoiced_customer_id as customer_id,
        currency_code,
        billing_period,
        subscription_id,
        charge_code,
        coalesce(unit, '') as unit,
        min(line_from_at) as used_from_at,
        max(line_to_at) as used_to_at

    from {{ ref('rat_chargeable_quantities') }}
    where invoiced_customer_id in (select customer_id from grants)
    group by
        invoiced_customer_id, currency_code, billing_period, subscription_id, charge_code, unit
    having max(chargeable_quantity) > 0

),

unsettled_periods as (

    select customer_id, currency_code, adjusted_billing_period as billing_period
    from {{ ref('inv_adjustments') }}
    union
    select invoiced_customer_id as customer_id, currency_code, billing_period
    from {{ ref('inv_charges_set_aside') }}
    union
    select customer_id, currency_code, paid_billing_period as billing_period
    from {{ ref('inv_credit_applications') }}
    where applied_quantity is not null
    union
    select charges.customer_id, charges.currency_code, charges.billing_period
    from short_charges as charges
    inner join grants
        on {{ is_paid_in_units('charges', 'grants') }}

),

committed as (

    select distinct invoiced_customer_id, currency_code from {{ ref('inv_commitment_periods') }}

)

select
    closed_periods.customer_id,
    closed_periods.currency_code,
    closed_periods.billing_period,
    inputs.input_hash
from closed_periods
inner join inputs
    on closed_periods.customer_id = inputs.invoiced_customer_id
    and closed_periods.currency_code = inputs.currency_code
    and closed_periods.billing_period = inputs.billing_period
left join unsettled_periods
    on closed_periods.customer_id = unsettled_periods.customer_id
    and closed_periods.currency_code = unsettled_periods.currency_code
    and closed_periods.billing_period = unsettled_periods.billing_period
left join committed
    on closed_periods.customer_id = committed.invoiced_customer_id
    and closed_periods.currency_code = committed.currency_code
where
    unsettled_periods.customer_id is null
    and committed.invoiced_customer_id is null
    and {{ is_whole_run() }}
