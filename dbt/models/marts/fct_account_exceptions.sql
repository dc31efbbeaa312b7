-- Grain: one row per row and field of the accounts that cannot be used as it stands, and per
-- column that nobody reads.
select
    record_kind,
    source_file,
    row_in_file,
    record_id,
    field,
    finding,
    is_blocking,
    severity
from {{ ref('stg_accounts__exceptions') }}
