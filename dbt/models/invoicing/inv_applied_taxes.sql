-- Grain: one row per tax category, country, tax treatment, day and tax code that applies.
-- Several codes of one category add up. An exempt customer and one who accounts for the tax
-- himself (reverse charge) have one code that says so, at a rate of 0.
with

lines as (

    select distinct
        tax_category,
        country_code,
        tax_treatment,
        tax_date

    from {{ ref('inv_document_lines') }}
    where tax_category is not null

),

tax_rates as (

    select * from {{ ref('tax_rates') }}

),

applied as (

    select
        lines.*,
        tax_rates.tax_code,
        {{ as_price('tax_rates.rate') }} as tax_rate
    from lines
    inner join tax_rates
        on lines.tax_category = tax_rates.tax_category
        and lines.country_code = tax_rates.country_code
        and lines.tax_date >= coalesce(
            cast(nullif(tax_rates.valid_from, '') as date),
            cast('1900-01-01' as date)
        )
        and lines.tax_date < coalesce(
            cast(nullif(tax_rates.valid_to, '') as date),
            cast('9000-01-01' as date)
        )
    where lines.tax_treatment = 'taxable'

    union all

    select
        lines.*,
        lines.tax_treatment as tax_code,
        {{ as_price('0') }} as tax_rate
    from lines
    where lines.tax_treatment <> 'taxable'

)

select
    tax_category,
    country_code,
    tax_treatment,
    tax_date,
    tax_code,
    tax_rate,
    -- The sum of the rates, by which a price that includes tax is taken apart.
    {{ as_price('sum(tax_rate) over (
        partition by tax_category, country_code, tax_treatment, tax_date
    )') }} as total_tax_rate
from applied
