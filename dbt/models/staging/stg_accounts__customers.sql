-- Grain: one row per customer of the newest snapshot, and per customer that has left it and
-- whose issued invoices may still have to be adjusted, as last seen.
-- A zone that nobody knows counts as UTC and is flagged, and a parent that does not exist, or
-- above whom there is no top, is no parent, since one typing error must not stop or lose the
-- bills of everybody else.
with recursive

load_files as (

    select * from {{ source('raw', 'load_files') }}

),

customers as (

    select * from {{ source('raw', 'customers') }}

),

zones as (

    {{ known_timezones() }}

),

newest as (

    select file_id
    from load_files
    where file_kind = 'customers'
    order by source_file desc
    limit 1

),

invoiced as (

    select customer_id from {{ source('ledger', 'issued_invoices') }}
    union
    select customer_id
    from {{ source('raw', 'subscriptions') }}
    where subscription_id in (
        select subscription_id from {{ source('ledger', 'issued_invoice_lines') }}
    )

),

-- Customers whom the newest snapshot, if there is one, does not name.
departed as (

    select customer_id
    from invoiced
    where customer_id not in (
        select customers.customer_id
        from customers
        inner join newest
            on customers.file_id = newest.file_id
        where customers.customer_id is not null
    )

),

seen as (

    select
        customers.*,
        load_files.source_file,
        newest.file_id is not null as is_current

    from customers
    inner join load_files
        on customers.file_id = load_files.file_id
    left join newest
        on customers.file_id = newest.file_id
    left join departed
        on customers.customer_id = departed.customer_id
    where
        coalesce(customers.customer_id, '') <> ''
        and (newest.file_id is not null or departed.customer_id is not null)

),

ranked as (

    select
        *,
        row_number() over (
            partition by customer_id order by source_file desc, position desc
        ) as recency

    from seen

),

known as (

    select * from ranked
    where recency = 1

),

-- Every customer below one that has no parent, level by level.
families as (

    select
        daughters.customer_id,
        tops.customer_id as invoiced_customer_id

    from known as daughters
    inner join known as tops
        on daughters.parent_customer_id = tops.customer_id
    left join known as above
        on tops.parent_customer_id = above.customer_id
    where above.customer_id is null

    union all

    select
        daughters.customer_id,
        families.invoiced_customer_id

    from families
    inner join known as daughters
        on families.customer_id = daughters.parent_customer_id

)

select
    known.customer_id,
    known.customer_name,
    known.email,
    known.address_line,
    known.city,
    known.postal_code,
    upper(known.country_code) as country_code,
    known.tax_id,
    known.currency_code,
    coalesce(nullif(known.locale, ''), 'en') as locale,
    case
        when lower(known.tax_treatment) in ('exempt', 'reverse_charge')
            then lower(known.tax_treatment)
        else 'taxable'
    end as tax_treatment,
    coalesce(lower(known.tax_treatment), '') in ('', 'taxable', 'exempt', 'reverse_charge')
        as is_tax_treatment_known,
    coalesce(zones.timezone, 'UTC') as timezone,
    coalesce(known.timezone, '') = '' or zones.timezone is not null as is_timezone_known,
    case when families.customer_id is not null then known.parent_customer_id end
        as parent_customer_id,
    coalesce(families.invoiced_customer_id, known.customer_id) as invoiced_customer_id,
    known.is_current
from known
left join zones
    on known.timezone = zones.timezone
left join families
    on known.customer_id = families.customer_id
