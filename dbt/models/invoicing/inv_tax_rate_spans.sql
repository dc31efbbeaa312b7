-- Grain: one row per taxed customer, tax category and span between two changes of its rates.
with

customers as (

    select * from {{ ref('stg_accounts__customers') }}
    where tax_treatment = 'taxable'

),

tax_rates as (

    select * from {{ ref('tax_rates') }}

),

changes as (

    select tax_category, country_code, cast(valid_from as date) as change_date
    from tax_rates
    where coalesce(valid_from, '') <> ''
    union
    select tax_category, country_code, cast(valid_to as date) as change_date
    from tax_rates
    where coalesce(valid_to, '') <> ''

),

changed as (

    select
        customers.customer_id,
        changes.tax_category,
        {{ local_to_utc('changes.change_date', 'customers.timezone') }} as from_at

    from changes
    inner join customers
        on changes.country_code = customers.country_code

)

select
    customer_id,
    tax_category,
    from_at,
    lead(from_at, 1, {{ end_of_time() }}) over (
        partition by customer_id, tax_category order by from_at
    ) as to_at
from changed
