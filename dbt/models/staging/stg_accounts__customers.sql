-- Grain: one row per customer of the newest snapshot.
-- A zone that nobody knows counts as UTC and is flagged, since one typing error must not
-- stop the bills of everybody else.
with

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

ranked as (

    select
        customers.*,
        row_number() over (
            partition by customers.customer_id order by customers.position desc
        ) as recency

    from customers
    inner join newest
        on customers.file_id = newest.file_id

)

select
    ranked.customer_id,
    ranked.customer_name,
    ranked.email,
    ranked.address_line,
    ranked.city,
    ranked.postal_code,
    upper(ranked.country_code) as country_code,
    ranked.tax_id,
    ranked.currency_code,
    coalesce(nullif(ranked.locale, ''), 'en') as locale,
    coalesce(zones.timezone, 'UTC') as timezone,
    coalesce(ranked.timezone, '') = '' or zones.timezone is not null as is_timezone_known,
    nullif(ranked.parent_customer_id, '') as parent_customer_id,
    coalesce(nullif(ranked.parent_customer_id, ''), ranked.customer_id) as invoiced_customer_id
from ranked
left join zones
    on ranked.timezone = zones.timezone
where ranked.recency = 1
