-- Grain: one row per draft invoice: customer, currency and billing period, or adjustments that
-- stand alone.
with

totals as (

    select * from {{ ref('inv_totals') }}

),

-- Taken from the lines before zero ones are left out: this usage usually makes a zero line.
negative_usage as (

    select distinct
        invoiced_customer_id as customer_id,
        currency_code,
        billing_period

    from {{ ref('inv_charge_lines') }}
    where is_negative_as_zero

),

charges_set_aside as (

    select
        invoiced_customer_id as customer_id,
        currency_code,
        billing_period,
        max(case when line_type = 'charge' then 1 else 0 end) = 1 as has_charge,
        max(case when line_type <> 'charge' then 1 else 0 end) = 1 as has_other_line

    from {{ ref('inv_charges_set_aside') }}
    group by invoiced_customer_id, currency_code, billing_period

),

line_tiers as (

    select * from {{ ref('inv_line_tiers') }}

),

customers as (

    select * from {{ ref('stg_accounts__customers') }}

),

currencies as (

    select * from {{ ref('currencies') }}

),

seller as (

    select * from {{ ref('seller') }}

),

issued as (

    select
        max(coalesce(issue_period, billing_period)) as last_issued_month,
        {{ billed_month('max(coalesce(issue_period, billing_period))') }} as billed_month

    from {{ source('ledger', 'issued_invoices') }}

),

credits as (

    select
        invoice_id,
        sum(applied_amount) as credit_amount,
        {{ joined_text("concat_ws('|', grant_id, cast(applied_amount as string),
            cast(applied_quantity as string), subscription_id,
            case when applied_quantity is not null then charge_code end)",
            'grant_id, application_number') }} as credit_text

    from {{ ref('inv_credit_applications') }}
    group by invoice_id

),

line_texts as (

    select
        invoice_id,
        {{ joined_text("concat_ws('|', cast(line_number as string), line_type,
            subscription_id, charge_code, coalesce(price_id, ''), dimension_values,
            cast(line_from_at as string), cast(line_to_at as string),
            cast(quantity as string), cast(exact_amount as string),
            cast(net_amount as string), coalesce(tax_codes, ''),
            coalesce(adjusted_billing_period, ''), coalesce(discount_code, ''))", 'line_number') }}
            as line_text

    from {{ ref('inv_lines') }}
    group by invoice_id

),

tier_texts as (

    select
        invoice_id,
        {{ joined_text("concat_ws('|', cast(line_number as string),
            cast(tier_number as string), cast(quantity as string),
            cast(exact_amount as string))", 'line_number, tier_number') }}
            as tier_text

    from line_tiers
    group by invoice_id

),

totalled as (

    select
        totals.*,
        {{ as_money('coalesce(credits.credit_amount, 0)') }} as credit_amount,
        line_texts.line_text,
        coalesce(tier_texts.tier_text, '') as tier_text,
        coalesce(credits.credit_text, '') as credit_text,
        concat_ws(
            '; ',
            case
                when totals.lacks_tax_rate
                    then 'A tax category has no rate for the country of the customer'
            end,
            case
                when totals.charge_count > 0 and negative_usage.customer_id is not null
                    then 'Negative usage was rated as zero'
            end,
            case
                when not customers.is_timezone_known
                    then 'The time zone of the customer is not known, UTC is used'
            end,
            case
                when charges_set_aside.has_charge
                    then 'A charge is left out because its amount is out of range'
            end,
            case
                when charges_set_aside.has_other_line
                    then 'A line beside the charges is left out because its amount is out of range'
            end,
            case
                when not customers.is_tax_treatment_known
                    then 'The tax treatment of the customer is not known, tax is charged'
            end,
            case when totals.net_amount < 0 then 'The net amount is negative' end
        ) as flags

    from totals
    inner join customers
        on totals.customer_id = customers.customer_id
    inner join line_texts
        on totals.invoice_id = line_texts.invoice_id
    left join credits
        on totals.invoice_id = credits.invoice_id
    left join tier_texts
        on totals.invoice_id = tier_texts.invoice_id
    left join negative_usage
        on totals.customer_id = negative_usage.customer_id
        and totals.currency_code = negative_usage.currency_code
        and totals.billing_period = negative_usage.billing_period
    left join charges_set_aside
        on totals.customer_id = charges_set_aside.customer_id
        and totals.currency_code = charges_set_aside.currency_code
        and totals.billing_period = charges_set_aside.billing_period

)

select
    totalled.invoice_id,
    cast(null as string) as invoice_number,
    'draft' as invoice_status,
    case
        when totalled.charge_count = 0 and totalled.total_amount < 0 then 'credit_note'
        else 'invoice'
    end as document_type,
    totalled.customer_id,
    totalled.billing_period,
    totalled.period_from,
    totalled.period_to,
    totalled.currency_code,
    cast(currencies.minor_units as integer) as minor_units,
    totalled.net_amount,
    totalled.tax_amount,
    totalled.total_amount,
    totalled.credit_amount,
    {{ as_money('totalled.total_amount - totalled.credit_amount') }} as due_amount,
    exchange_rates.reporting_currency_code,
    exchange_rates.exchange_rate,
    exchange_rates.reporting_net_amount,
    exchange_rates.reporting_total_amount,
    cast(null as timestamp) as issued_at,
    {{ sha256("concat_ws('\n', totalled.customer_id, totalled.billing_period,
        totalled.currency_code, cast(totalled.net_amount as string),
        cast(totalled.tax_amount as string), cast(totalled.total_amount as string),
        customers.customer_name, customers.country_code, coalesce(customers.tax_id, ''),
        totalled.line_text, totalled.tier_text, totalled.credit_text)") }}
        as content_hash,
    totalled.flags <> '' as has_flags,
    totalled.flags,
    customers.customer_name,
    customers.email as customer_email,
    customers.address_line as customer_address_line,
    customers.city as customer_city,
    customers.postal_code as customer_postal_code,
    customers.country_code as customer_country_code,
    customers.tax_id as customer_tax_id,
    customers.tax_treatment as customer_tax_treatment,
    customers.locale,
    customers.timezone,
    seller.seller_name,
    seller.address_line as seller_address_line,
    seller.city as seller_city,
    seller.postal_code as seller_postal_code,
    seller.country_code as seller_country_code,
    seller.tax_id as seller_tax_id,
    seller.email as seller_email,
    seller.payment_details as seller_payment_details,
    cast(seller.payment_terms_days as integer) as payment_terms_days,
    -- What turns up for a month that has been issued is issued with the billed one.
    case
        when totalled.billing_period <= issued.last_issued_month then issued.billed_month
        else totalled.billing_period
    end as issue_period
from totalled
cross join issued
inner join customers
    on totalled.customer_id = customers.customer_id
left join currencies
    on totalled.currency_code = currencies.currency_code
left join {{ ref('inv_exchange_rates') }} as exchange_rates
    on totalled.invoice_id = exchange_rates.invoice_id
-- A price book may name no seller; an inner join would then lose every invoice.
left join seller
    on true
-- A zero invoice is not issued; one whose lines cancel out exactly owes nothing either way.
where totalled.total_amount <> 0 or totalled.net_amount <> 0
