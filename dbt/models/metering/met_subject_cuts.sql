-- Grain: one row per subject and UTC day in which usage must be told apart by the instant.
-- The cuts of the day are the instants at which a term, a price, an alias or a period changes.
with

subjects as (

    select * from {{ ref('met_subjects') }}

),

changes as (

    select * from {{ ref('met_term_cuts') }}

),

cuts as (

    select subject, from_at as cut_at from subjects
    union
    select subject, to_at as cut_at from subjects
    union
    select
        subjects.subject,
        changes.cut_at
    from changes
    inner join subjects
        on changes.subscription_id = subjects.subscription_id
        and changes.term_from_at = subjects.term_from_at

)

select
    subject,
    cast(cut_at as date) as event_date,
    {{ sorted_list('cut_at') }} as cut_ats
from cuts
where
    cut_at > {{ beginning_of_time() }}
    and cut_at < {{ end_of_time() }}
group by subject, cast(cut_at as date)
