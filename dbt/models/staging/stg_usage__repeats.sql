-- Grain: one row per landed event whose source and id landed before with usable attributes, and
-- per first event of an id that came again with other content: who has the id.
-- The first event of an id that is not rejected takes it. Whether one is rejected depends on the
-- meters of today, so it is judged here anew in every run; only contents that differ are, as what
-- is repeated shares the fate of what it repeats.
-- depends_on: {{ ref('stg_pricing__meters') }}
{% set meters = with_property_columns(meters_by_event_type(), source('raw', 'repeated_events')) %}
with

repeated_events as (

    select * from {{ source('raw', 'repeated_events') }}

),

new_contents as (

    select
        *,
        row_number() over (
            partition by first_file_id, first_position
            order by file_id, position
        ) as content_number

    from repeated_events
    where
        same_file_id = file_id
        and same_position = position

),

contents as (

    select
        file_id,
        position,
        first_file_id,
        first_position,
        event_type,
        {{ renamed_json('data', 'data') }}
    from new_contents

    union all

    select
        first_file_id as file_id,
        first_position as position,
        first_file_id,
        first_position,
        first_type as event_type,
        {{ renamed_json('first_data', 'data') }}
    from new_contents
    where content_number = 1

),

judged as ({{ judged_events(meters, 'contents') }}),

numbered as (

    select
        file_id,
        position,
        first_file_id,
        first_position,
        reject_reason is null as is_usable,
        row_number() over (
            partition by first_file_id, first_position
            order by file_id, position
        ) as content_number

    from judged

),

taken as (

    select
        *,
        min(case when is_usable then content_number end) over (
            partition by first_file_id, first_position
        ) as taking_number

    from numbered

),

content_states as (

    select
        file_id,
        position,
        first_file_id,
        first_position,
        case
            when taking_number is null then 'rejected'
            when content_number = taking_number then 'standing'
            when content_number < taking_number then 'mended'
            else 'conflicting_duplicate'
        end as repeat_state

    from taken

)

select
    repeated_events.file_id,
    repeated_events.position,
    false as is_first,
    own_states.file_id is not null as has_new_content,
    cast(repeated_events.event_at as date) as event_date,
    case
        when own_states.repeat_state is not null then own_states.repeat_state
        when same_states.repeat_state = 'conflicting_duplicate' then 'conflicting_duplicate'
        -- A load of an older version on Spark does not say what it is the same as.
        when repeated_events.same_file_id is null and repeated_events.is_conflict
            then 'conflicting_duplicate'
        else 'duplicate'
    end as repeat_state
from repeated_events
left join content_states as own_states
    on repeated_events.file_id = own_states.file_id
    and repeated_events.position = own_states.position
left join content_states as same_states
    on repeated_events.same_file_id = same_states.file_id
    and repeated_events.same_position = same_states.position

union all

select
    file_id,
    position,
    true as is_first,
    true as has_new_content,
    cast(null as date) as event_date,
    repeat_state
from content_states
where
    file_id = first_file_id
    and position = first_position
