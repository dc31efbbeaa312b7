-- Issued ledger = issued part of the marts, row by row and column by column, in both directions:
-- an issued invoice never changes, neither in the ledger nor in what readers see of it.
with

issued as (

    select invoice_id from {{ ref('fct_invoices') }}
    where invoice_status = 'issued'

),

invoices_of_ledger as (

    select
        invoice_id,
        invoice_number,
        invoice_status,
        document_type,
        customer_id,
        billing_period,
        period_from,
        period_to,
        currency_code,
        minor_units,
        net_amount,
        tax_amount,
        total_amount,
        due_amount,
        issued_at,
        content_hash,
        has_flags,
        flags,
        customer_name,
        customer_email,
        customer_address_line,
        customer_city,
        customer_postal_code,
        customer_country_code,
        customer_tax_id,
        locale,
        timezone,
        seller_name,
        seller_address_line,
        seller_city,
        seller_postal_code,
        seller_country_code,
        seller_tax_id,
        seller_email,
        seller_payment_details,
        payment_terms_days
    from {{ source('ledger', 'issued_invoices') }}

),

invoices_of_marts as (

    select
        invoice_id,
        invoice_number,
        invoice_status,
        document_type,
        customer_id,
        billing_period,
        period_from,
        period_to,
        currency_code,
        minor_units,
        net_amount,
        tax_amount,
        total_amount,
        due_amount,
        issued_at,
        content_hash,
        has_flags,
        flags,
        customer_name,
        customer_email,
        customer_address_line,
        customer_city,
        customer_postal_code,
        customer_country_code,
        customer_tax_id,
        locale,
        timezone,
        seller_name,
        seller_address_line,
        seller_city,
        seller_postal_code,
        seller_country_code,
        seller_tax_id,
        seller_email,
        seller_payment_details,
        payment_terms_days
    from {{ ref('fct_invoices') }}
    where invoice_id in (select invoice_id from issued)

),

invoices_missing as (

    select invoice_id
    from (
        select * from invoices_of_ledger
        except all
        select * from invoices_of_marts
    ) as rows_left

),

invoices_added as (

    select invoice_id
    from (
        select * from invoices_of_marts
        except all
        select * from invoices_of_ledger
    ) as rows_left

),

lines_of_ledger as (

    select
        invoice_id,
        line_number,
        line_type,
        subscription_id,
        charge_code,
        charge_name,
        price_id,
        meter_code,
        meter_name,
        pricing_model,
        dimension_values,
        period_from,
        period_to,
        quantity,
        included_quantity,
        unit,
        unit_price,
        exact_amount,
        net_amount,
        tax_category,
        tax_rate,
        currency_code,
        description,
        adjusted_billing_period
    from {{ source('ledger', 'issued_invoice_lines') }}

),

lines_of_marts as (

    select
        invoice_id,
        line_number,
        line_type,
        subscription_id,
        charge_code,
        charge_name,
        price_id,
        meter_code,
        meter_name,
        pricing_model,
        dimension_values,
        period_from,
        period_to,
        quantity,
        included_quantity,
        unit,
        unit_price,
        exact_amount,
        net_amount,
        tax_category,
        tax_rate,
        currency_code,
        description,
        adjusted_billing_period
    from {{ ref('fct_invoice_lines') }}
    where invoice_id in (select invoice_id from issued)

),

lines_missing as (

    select invoice_id
    from (
        select * from lines_of_ledger
        except all
        select * from lines_of_marts
    ) as rows_left

),

lines_added as (

    select invoice_id
    from (
        select * from lines_of_marts
        except all
        select * from lines_of_ledger
    ) as rows_left

),

tiers_of_ledger as (

    select
        invoice_id,
        line_number,
        tier_number,
        tier_from,
        tier_up_to,
        quantity,
        unit_price,
        flat_amount,
        exact_amount
    from {{ source('ledger', 'issued_invoice_line_tiers') }}

),

tiers_of_marts as (

    select
        invoice_id,
        line_number,
        tier_number,
        tier_from,
        tier_up_to,
        quantity,
        unit_price,
        flat_amount,
        exact_amount
    from {{ ref('fct_invoice_line_tiers') }}
    where invoice_id in (select invoice_id from issued)

),

tiers_missing as (

    select invoice_id
    from (
        select * from tiers_of_ledger
        except all
        select * from tiers_of_marts
    ) as rows_left

),

tiers_added as (

    select invoice_id
    from (
        select * from tiers_of_marts
        except all
        select * from tiers_of_ledger
    ) as rows_left

),

taxes_of_ledger as (

    select
        invoice_id,
        tax_code,
        tax_category,
        tax_rate,
        taxable_amount,
        tax_amount
    from {{ source('ledger', 'issued_invoice_taxes') }}

),

taxes_of_marts as (

    select
        invoice_id,
        tax_code,
        tax_category,
        tax_rate,
        taxable_amount,
        tax_amount
    from {{ ref('fct_invoice_taxes') }}
    where invoice_id in (select invoice_id from issued)

),

taxes_missing as (

    select invoice_id
    from (
        select * from taxes_of_ledger
        except all
        select * from taxes_of_marts
    ) as rows_left

),

taxes_added as (

    select invoice_id
    from (
        select * from taxes_of_marts
        except all
        select * from taxes_of_ledger
    ) as rows_left

)

select
    invoice_id,
    'invoices: in the ledger, not in the marts' as finding
from invoices_missing
union all
select
    invoice_id,
    'invoices: in the marts, not in the ledger' as finding
from invoices_added
union all
select
    invoice_id,
    'lines: in the ledger, not in the marts' as finding
from lines_missing
union all
select
    invoice_id,
    'lines: in the marts, not in the ledger' as finding
from lines_added
union all
select
    invoice_id,
    'tiers: in the ledger, not in the marts' as finding
from tiers_missing
union all
select
    invoice_id,
    'tiers: in the marts, not in the ledger' as finding
from tiers_added
union all
select
    invoice_id,
    'taxes: in the ledger, not in the marts' as finding
from taxes_missing
union all
select
    invoice_id,
    'taxes: in the marts, not in the ledger' as finding
from taxes_added
