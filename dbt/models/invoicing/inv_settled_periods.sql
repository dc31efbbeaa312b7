-- Grain: one row per closed period in which what is owed is what was issued, with the fingerprint
-- of what it was rated from. The next run leaves it out while the fingerprint stays the same.
-- A commitment runs over the periods of a customer, who is therefore rated as a whole.
-- Nothing is settled by a run that does not rate and invoice everything: the fingerprint may then be
-- newer than what was rated.
with

closed_periods as (

    select * from {{ ref('inv_closed_periods') }}

),

inputs as (

    select * from {{ ref('rat_period_inputs') }}

),

unsettled_periods as (

    select customer_id, currency_code, adjusted_billing_period as billing_period
    from {{ ref('inv_adjustments') }}
    union
    select invoiced_customer_id as customer_id, currency_code, billing_period
    from {{ ref('inv_charges_set_aside') }}

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
