-- Grain: one row per row and field of the accounts that cannot be used as it stands.
select
    record_kind,
    source_file,
    row_in_file,
    record_id,
    field,
    finding,
    is_blocking
from {{ ref('stg_accounts__exceptions') }}
