-- Grain: one row per UTC day with usage that no charge rates; the hash changes with that usage.
with

unrated_slices as (

    select * from {{ ref('met_unrated_slices') }}

),

described as (

    select
        event_date,
        concat_ws(
            '|', 'with detail', cast(file_id as string), subject, event_type, event_state, taken_slots,
            event_dimensions, cast(usage_date as string), cast(slice_from_at as string), fate,
            cast(record_count as string)
        ) as slice_text

    from unrated_slices

)

select
    event_date,
    md5({{ joined_text('slice_text', 'slice_text') }}) as unrated_hash
from described
group by event_date
