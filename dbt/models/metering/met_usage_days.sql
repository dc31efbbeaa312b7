-- Grain: one row per local day with metered usage; it changes when usage comes to the day or leaves.
select
    usage_date,
    max(assignment_number) as assignment_number,
    count(*) as slice_count
from {{ ref('met_usage_assigned') }}
where slice_fate = 'metered'
group by usage_date
