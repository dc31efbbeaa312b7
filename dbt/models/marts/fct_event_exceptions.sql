-- Grain: one row per landed record that was not rated, with where it came from.
{{ config(materialized=unstored_mart()) }}
with

load_files as (

    select * from {{ source('raw', 'load_files') }}

),

rejected_records as (

    select * from {{ source('raw', 'rejected_records') }}

),

repeated_events as (

    select * from {{ source('raw', 'repeated_events') }}

),

-- Without the rows that are left over from earlier builds.
unrated_events as (

    select unrated_events.*
    from {{ ref('met_unrated_events') }} as unrated_events
    inner join {{ ref('met_unrated_days') }} as unrated_days
        on unrated_events.event_date = unrated_days.event_date
        and unrated_events.unrated_hash = unrated_days.unrated_hash

),

repeats as (

    select * from {{ ref('stg_usage__repeats') }}

),

-- Found by hash first, which reads one narrow column of the history.
sent_again as (

    select distinct
        source,
        event_id

    from {{ source('raw', 'usage_events') }}
    where event_hash in (
        select {{ event_hash('source', 'event_id') }} from rejected_records
        where event_id is not null
    )

),

customers as (

    select * from {{ ref('stg_accounts__customers') }}

),

subjects as (

    select * from {{ ref('met_subjects') }}

),

-- Usage of nobody is mostly of somebody who could be asked.
subject_customers as (

    select
        subject,
        min(customer_id) as customer_id,
        min(customer_id) <> max(customer_id) as is_handed_over

    from (
        select subject, customer_id from subjects
        union all
        select customer_id as subject, customer_id from customers
    ) as known
    group by subject

),

exceptions as (

    select
        unrated_events.file_id,
        unrated_events.position,
        unrated_events.fate,
        unrated_events.reason,
        unrated_events.detail,
        unrated_events.source,
        unrated_events.event_id,
        unrated_events.event_type,
        unrated_events.subject,
        unrated_events.event_at,
        unrated_events.data,
        cast(null as string) as raw_text,
        coalesce(repeats.repeat_state = 'mended', false) as is_mended
    from unrated_events
    left join repeats
        on unrated_events.file_id = repeats.file_id
        and unrated_events.position = repeats.position

    union all

    select
        repeated_events.file_id,
        repeated_events.position,
        repeats.repeat_state as fate,
        '' as reason,
        cast(null as string) as detail,
        repeated_events.source,
        repeated_events.event_id,
        repeated_events.event_type,
        repeated_events.subject,
        repeated_events.event_at,
        repeated_events.data,
        cast(null as string) as raw_text,
        false as is_mended
    from repeated_events
    inner join repeats
        on repeated_events.file_id = repeats.file_id
        and repeated_events.position = repeats.position
    where not repeats.has_new_content

    union all

    select
        rejected_records.file_id,
        rejected_records.position,
        'rejected' as fate,
        rejected_records.reason,
        rejected_records.detail,
        rejected_records.source,
        rejected_records.event_id,
        rejected_records.event_type,
        rejected_records.subject,
        rejected_records.event_at,
        cast(null as string) as data,
        rejected_records.raw_text,
        sent_again.event_id is not null as is_mended
    from rejected_records
    left join sent_again
        on rejected_records.source = sent_again.source
        and rejected_records.event_id = sent_again.event_id

),

-- Whose the subject was at the instant, where that is not the same at all times.
handed_over as (

    select
        exceptions.subject,
        exceptions.event_at,
        case
            when min(subjects.customer_id) = max(subjects.customer_id) then min(subjects.customer_id)
        end as customer_id

    from exceptions
    inner join subject_customers
        on exceptions.subject = subject_customers.subject
    inner join subjects
        on exceptions.subject = subjects.subject
        and exceptions.event_at >= subjects.from_at
        and exceptions.event_at < subjects.to_at
    where subject_customers.is_handed_over
    group by exceptions.subject, exceptions.event_at

)

select
    load_files.load_id,
    load_files.source_file,
    exceptions.position,
    exceptions.fate,
    exceptions.reason,
    exceptions.detail,
    exceptions.source,
    exceptions.event_id,
    exceptions.event_type,
    exceptions.subject,
    exceptions.event_at,
    exceptions.data,
    exceptions.raw_text,
    case
        when subject_customers.is_handed_over then handed_over.customer_id
        else subject_customers.customer_id
    end as customer_id,
    exceptions.is_mended
from exceptions
inner join load_files
    on exceptions.file_id = load_files.file_id
left join subject_customers
    on exceptions.subject = subject_customers.subject
left join handed_over
    on exceptions.subject = handed_over.subject
    and exceptions.event_at = handed_over.event_at
