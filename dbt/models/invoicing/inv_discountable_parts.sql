-- Grain: one row per term, billing period, charge, tax category and span of tax rates: what
-- discounts are taken from, which is the charge as printed, with its minimum and maximum;
-- commitments are charges too. Lines on both sides of a change of tax rates are two parts.
with

lines as (

    select
        invoiced_customer_id, currency_code, billing_period, subscription_id, term_from_at,
        charge_code, charge_name, line_from_at, line_to_at, net_amount, tax_category
    from {{ ref('inv_charge_lines') }}

    union all

    select
        invoiced_customer_id, currency_code, billing_period, subscription_id, term_from_at,
        charge_code, charge_name, line_from_at, line_to_at, net_amount, tax_category
    from {{ ref('inv_bound_lines') }}

    union all

    select
        invoiced_customer_id, currency_code, billing_period, subscription_id, term_from_at,
        commitment_code as charge_code, commitment_name as charge_name, line_from_at, line_to_at,
        net_amount, tax_category
    from {{ ref('inv_commitment_lines') }}

),

customers as (

    select * from {{ ref('stg_accounts__customers') }}

),

changes as (

    select tax_category, country_code, cast(valid_from as date) as change_date
    from {{ ref('tax_rates') }}
    where coalesce(valid_from, '') <> ''
    union
    select tax_category, country_code, cast(valid_to as date) as change_date
    from {{ ref('tax_rates') }}
    where coalesce(valid_to, '') <> ''

),

dated as (

    select
        lines.*,
        -- Who is not taxed sees no change.
        case when customers.tax_treatment = 'taxable' then customers.country_code end
            as country_code,
        {{ last_local_date('lines.line_to_at', 'customers.timezone') }} as tax_date

    from lines
    inner join customers
        on lines.invoiced_customer_id = customers.customer_id

),

tax_days as (

    select
        days.tax_category,
        days.country_code,
        days.tax_date,
        max(changes.change_date) as rates_from_date

    from (select distinct tax_category, country_code, tax_date from dated) as days
    inner join changes
        on days.tax_category = changes.tax_category
        and days.country_code = changes.country_code
        and days.tax_date >= changes.change_date
    group by days.tax_category, days.country_code, days.tax_date

)

select
    dated.invoiced_customer_id,
    dated.currency_code,
    dated.billing_period,
    dated.subscription_id,
    dated.term_from_at,
    dated.charge_code,
    max(dated.charge_name) as charge_name,
    min(dated.line_from_at) as line_from_at,
    max(dated.line_to_at) as line_to_at,
    {{ as_money('sum(dated.net_amount)') }} as discountable_amount,
    dated.tax_category
from dated
left join tax_days
    on dated.tax_category = tax_days.tax_category
    and dated.country_code = tax_days.country_code
    and dated.tax_date = tax_days.tax_date
-- A line that is not printed has no say in the dates.
where dated.net_amount <> 0
group by
    dated.invoiced_customer_id, dated.currency_code, dated.billing_period,
    dated.subscription_id, dated.term_from_at, dated.charge_code, dated.tax_category,
    tax_days.rates_from_date
having sum(dated.net_amount) <> 0
