-- Grain: one row per customer.
select
    customer_id,
    customer_name,
    email,
    address_line,
    city,
    postal_code,
    country_code,
    tax_id,
    currency_code,
    locale,
    timezone,
    parent_customer_id,
    invoiced_customer_id
from {{ ref('stg_accounts__customers') }}
