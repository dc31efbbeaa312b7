-- Grain: one row per month, customer, subscription or subject, event type, meter, dimension values,
-- file and reason of usage that is on no invoice and should perhaps be, or is on one by a filter
-- that looks at what no event has: what somebody looks at before anybody is billed.
-- What it might be worth is counted by what a rated event of its meter came to in its month, or of
-- its type where the record could not be metered.
with

meters as (

    select * from {{ ref('stg_pricing__meters') }}

),

-- A month that has been issued says no more, so what lands for it afterwards is said with the month
-- that is billed.
issued as (

    select
        max(coalesce(issue_period, billing_period)) as last_issued_month,
        max(issued_at) as last_issued_at,
        {{ billed_month('max(coalesce(issue_period, billing_period))') }} as billed_month

    from {{ source('ledger', 'issued_invoices') }}

),

late_files as (

    select
        load_files.file_id,
        load_files.source_file

    from {{ source('raw', 'load_files') }} as load_files
    inner join issued
        on load_files.loaded_at > issued.last_issued_at
    where load_files.file_kind = 'usage'

),

late_usage as (

    select distinct
        {{ month_text('unrated_events.event_date') }} as billing_period,
        unrated_events.event_type

    from {{ ref('met_unrated_events') }} as unrated_events
    inner join {{ ref('met_unrated_days') }} as unrated_days
        on unrated_events.event_date = unrated_days.event_date
        and unrated_events.unrated_hash = unrated_days.unrated_hash
    inner join late_files
        on unrated_events.file_id = late_files.file_id

),

-- By month, which of the properties that filters of a type look at its events have.
landed as (

    select
        event_type,
        {{ month_text('event_date') }} as billing_period,
        filter_properties,
        sum(record_count) as record_count

    from {{ ref('met_usage_slices') }}
    where event_type in (select meters.event_type from meters)
    group by event_type, {{ month_text('event_date') }}, filter_properties

),

unseen_properties as (

    select
        properties.event_type,
        properties.meter_code,
        properties.property_name

    from {{ ref('stg_pricing__meter_properties') }} as properties
    inner join landed
        on properties.event_type = landed.event_type
    where properties.filter_number is not null
    group by properties.event_type, properties.meter_code, properties.property_name
    having
        max(
            case
                when
                    concat_ws('', landed.filter_properties, ' ')
                    like concat_ws('', '% ', cast(properties.filter_number as string), ' %')
                    then 1
                else 0
            end
        ) = 0

    union

    -- What filters of prices look at are dimensions, which usage is kept by.
    select
        meters.event_type,
        filters.meter_code,
        filters.property_name
    from (
        select distinct meter_code, property_name
        from {{ ref('stg_pricing__filters') }}
        where price_id is not null
    ) as filters
    inner join meters
        on filters.meter_code = meters.meter_code
    inner join (
        select distinct meter_code, dimension_values
        from {{ ref('met_usage_segments') }}
    ) as segments
        on filters.meter_code = segments.meter_code
    group by meters.event_type, filters.meter_code, filters.property_name
    having
        max({{ json_text_by_name('segments.dimension_values', 'filters.property_name') }}) is null

),

unseen as (

    select
        event_type,
        meter_code,
        replace({{ joined_text('property_name', 'property_name') }}, chr(10), ', ')
            as property_names

    from unseen_properties
    group by event_type, meter_code

),

findings as (

    select
        case
            when unbilled.reason in ('unpriced_values', 'unpriced_meter') then unbilled.reason
            else 'usage_of_nobody'
        end as finding_code,
        {{ month_text('unbilled.event_month') }} as billing_period,
        unbilled.customer_id,
        unbilled.subscription_id,
        unbilled.subject,
        meters.event_type,
        unbilled.meter_code,
        unbilled.dimension_values,
        cast(null as string) as source_file,
        unbilled.reason,
        unbilled.event_count,
        unbilled.quantity,
        meters.unit,
        cast(null as string) as example
    from {{ ref('met_unbilled_usage') }} as unbilled
    inner join meters
        on unbilled.meter_code = meters.meter_code

    union all

    select
        'rejected_usage' as finding_code,
        {{ month_text('event_at') }} as billing_period,
        customer_id,
        cast(null as string) as subscription_id,
        subject,
        event_type,
        cast(null as string) as meter_code,
        cast(null as string) as dimension_values,
        source_file,
        reason,
        count(*) as event_count,
        cast(null as {{ quantity_type() }}) as quantity,
        cast(null as string) as unit,
        min(detail) as example
    from {{ ref('fct_event_exceptions') }}
    where
        fate = 'rejected'
        and not is_mended
    group by {{ month_text('event_at') }}, customer_id, subject, event_type, source_file, reason

    union all

    select
        'unseen_property' as finding_code,
        landed.billing_period,
        cast(null as string) as customer_id,
        cast(null as string) as subscription_id,
        cast(null as string) as subject,
        unseen.event_type,
        unseen.meter_code,
        cast(null as string) as dimension_values,
        cast(null as string) as source_file,
        'unseen_property' as reason,
        sum(landed.record_count) as event_count,
        cast(null as {{ quantity_type() }}) as quantity,
        cast(null as string) as unit,
        unseen.property_names as example
    from unseen
    inner join landed
        on unseen.event_type = landed.event_type
    group by landed.billing_period, unseen.event_type, unseen.meter_code, unseen.property_names

),

charges as (

    select
        meters.event_type,
        charges.meter_code,
        charges.billing_period,
        charges.currency_code,
        sum(charges.event_count) as event_count,
        sum({{ as_money('charges.exact_amount') }}) as charged_amount

    from {{ ref('rat_usage_charges') }} as charges
    inner join meters
        on charges.meter_code = meters.meter_code
    group by
        meters.event_type, charges.meter_code, charges.billing_period, charges.currency_code

),

-- Of a meter, and of all meters of an event together, in the currency of most of its events.
worths as (

    select
        *,
        row_number() over (
            partition by event_type, meter_code, billing_period
            order by event_count desc, currency_code asc
        ) as currency_rank

    from (
        select * from charges
        union all
        select
            event_type,
            '' as meter_code,
            billing_period,
            currency_code,
            max(event_count) as event_count,
            sum(charged_amount) as charged_amount
        from charges
        group by event_type, billing_period, currency_code
    ) as charged

)

select
    findings.finding_code,
    coalesce(checks.blocks, false) as is_blocking,
    findings.billing_period,
    case
        when
            findings.billing_period <= issued.last_issued_month
            and coalesce(late_usage.event_type, late_files.source_file) is not null
            then issued.billed_month
        else findings.billing_period
    end as issue_period,
    findings.customer_id,
    findings.subscription_id,
    findings.subject,
    findings.event_type,
    findings.meter_code,
    findings.dimension_values,
    findings.source_file,
    findings.reason,
    cast(findings.event_count as bigint) as event_count,
    {{ as_quantity('findings.quantity') }} as quantity,
    findings.unit,
    findings.example,
    case
        when worths.event_count > 0 and findings.finding_code <> 'unseen_property'
            then {{ as_money('round(' ~ share_of_money('worths.charged_amount',
                'findings.event_count', 'worths.event_count') ~ ', 2)') }}
    end as estimated_amount,
    case when findings.finding_code <> 'unseen_property' then worths.currency_code end
        as currency_code
from findings
cross join issued
left join late_usage
    on findings.billing_period = late_usage.billing_period
    and findings.event_type = late_usage.event_type
    and findings.source_file is null
left join late_files
    on findings.source_file = late_files.source_file
left join worths
    on findings.event_type = worths.event_type
    and findings.billing_period = worths.billing_period
    and coalesce(findings.meter_code, '') = worths.meter_code
    and worths.currency_rank = 1
left join {{ ref('checks') }} as checks
    on findings.finding_code = checks.check_code
