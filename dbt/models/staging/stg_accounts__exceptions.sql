-- Grain: one row per row and field of the accounts that cannot be used as it stands, and per
-- column that nobody reads.
with

load_files as (

    select * from {{ source('raw', 'load_files') }}

),

newest as (

    select
        file_kind,
        max(source_file) as source_file

    from load_files
    group by file_kind

),

newest_files as (

    select load_files.*
    from load_files
    inner join newest
        on load_files.file_kind = newest.file_kind
        and load_files.source_file = newest.source_file

),

customers as (

    select
        raw_customers.*,
        newest_files.source_file,
        max(raw_customers.position) over (partition by raw_customers.customer_id) as last_position,
        known.is_timezone_known,
        known.is_tax_treatment_known,
        known.parent_customer_id as known_parent_customer_id,
        parents.customer_id is not null as has_row_of_parent,
        currencies.currency_code as known_currency_code

    from {{ source('raw', 'customers') }} as raw_customers
    inner join newest_files
        on raw_customers.file_id = newest_files.file_id
    left join {{ ref('stg_accounts__customers') }} as known
        on raw_customers.customer_id = known.customer_id
    left join {{ ref('stg_accounts__customers') }} as parents
        on raw_customers.parent_customer_id = parents.customer_id
    left join {{ ref('currencies') }} as currencies
        on raw_customers.currency_code = currencies.currency_code

),

subjects as (

    select
        raw_subjects.*,
        newest_files.source_file,
        {{ text_to_instant('raw_subjects.valid_from') }} as from_at,
        {{ text_to_instant('raw_subjects.valid_to') }} as to_at

    from {{ source('raw', 'subjects') }} as raw_subjects
    inner join newest_files
        on raw_subjects.file_id = newest_files.file_id

),

terms as (

    select * from {{ ref('stg_accounts__terms') }}

),

pauses as (

    select
        raw_pauses.*,
        newest_files.source_file,
        {{ text_to_instant('raw_pauses.paused_from') }} as from_at,
        {{ text_to_instant('raw_pauses.paused_to') }} as to_at

    from {{ source('raw', 'pauses') }} as raw_pauses
    inner join newest_files
        on raw_pauses.file_id = newest_files.file_id

),

unread_columns as (

    select
        newest_files.file_kind,
        newest_files.source_file,
        unread_columns.column_name,
        unread_columns.meant_column

    from {{ source('raw', 'unread_columns') }} as unread_columns
    inner join newest_files
        on unread_columns.file_id = newest_files.file_id

),

metered_charges as (

    select distinct
        prices.charge_code,
        coalesce(meters.unit, '') as unit

    from {{ ref('prices') }} as prices
    inner join {{ ref('stg_pricing__meters') }} as meters
        on prices.meter_code = meters.meter_code

),

-- Grants in units whose name for the charge or unit has to be known, since nothing is used of
-- them otherwise.
unit_grants as (

    select
        raw_grants.grant_id,
        raw_grants.granted_amount,
        raw_grants.charge_code,
        raw_grants.credit_unit,
        newest_files.source_file,
        raw_grants.position,
        max(raw_grants.position) over (partition by raw_grants.grant_id) as last_position,
        charges.charge_code is not null as has_charge,
        units.unit is not null as has_unit

    from {{ source('raw', 'credit_grants') }} as raw_grants
    inner join newest_files
        on raw_grants.file_id = newest_files.file_id
    inner join {{ ref('stg_accounts__credit_grants') }} as usable
        on raw_grants.grant_id = usable.grant_id
    left join (select distinct charge_code from metered_charges) as charges
        on raw_grants.charge_code = charges.charge_code
    left join (
        select charge_code, unit from metered_charges
        union
        select '' as charge_code, unit from metered_charges
    ) as units
        on coalesce(raw_grants.charge_code, '') = units.charge_code
        and raw_grants.credit_unit = units.unit
    where usable.granted_quantity is not null

),

subscription_ids as (

    select distinct subscription_id from terms

),

-- No snapshots: a correction of any file counts.
corrections as (

    select
        raw_corrections.*,
        load_files.source_file,
        coalesce(lower(raw_corrections.action), '') = 'void' as is_void

    from {{ source('raw', 'corrections') }} as raw_corrections
    inner join load_files
        on raw_corrections.file_id = load_files.file_id

),

voided_events as (

    select distinct
        source,
        event_id

    from {{ ref('stg_usage__voids') }}

),

findings as (

    select
        'customers' as record_kind,
        source_file,
        position,
        customer_id as record_id,
        'customer_id' as field,
        case
            when coalesce(customer_id, '') = '' then 'is empty; the row is left out'
            else 'is repeated; the last row counts'
        end as finding,
        false as is_blocking
    from customers
    where coalesce(customer_id, '') = '' or position < last_position

    union all

    select
        'customers' as record_kind,
        source_file,
        position,
        customer_id as record_id,
        'timezone' as field,
        concat_ws('', '''', timezone, ''' is unknown; UTC is used') as finding,
        false as is_blocking
    from customers
    where position = last_position and not is_timezone_known

    union all

    select
        'customers' as record_kind,
        source_file,
        position,
        customer_id as record_id,
        'tax_treatment' as field,
        concat_ws('', '''', tax_treatment, ''' is unknown; tax is charged') as finding,
        false as is_blocking
    from customers
    where position = last_position and not is_tax_treatment_known

    union all

    select
        'customers' as record_kind,
        source_file,
        position,
        customer_id as record_id,
        'currency_code' as field,
        concat_ws('', '''', currency_code, ''' is not in currencies.csv') as finding,
        false as is_blocking
    from customers
    where
        position = last_position
        and coalesce(currency_code, '') <> ''
        and known_currency_code is null

    union all

    select
        'customers' as record_kind,
        source_file,
        position,
        customer_id as record_id,
        'parent_customer_id' as field,
        concat_ws(
            '', '''', parent_customer_id, ''' ',
            case when has_row_of_parent then 'has no top above it' else 'does not exist' end,
            '; the customer is invoiced itself'
        ) as finding,
        false as is_blocking
    from customers
    where
        position = last_position
        and coalesce(parent_customer_id, '') <> ''
        and known_parent_customer_id is null

    union all

    select
        'subscriptions' as record_kind,
        source_file,
        position,
        subscription_id as record_id,
        unusable_field as field,
        case unusable_field
            when 'subscription_id' then 'is empty; the row is left out'
            when 'customer_id'
                then concat_ws('', '''', customer_id, ''' is no customer; the row is left out')
            when 'plan_code'
                then concat_ws('', '''', plan_code, ''' is not in plans.csv; the row is left out')
            when 'started_at'
                then concat_ws('', '''', started_at, ''' cannot be read; the row is left out')
            else concat_ws(
                '', '''', ended_at, ''' cannot be read or lies before the start; the row is left out'
            )
        end as finding,
        -- Without its row, all that was invoiced to the subscription would be given back.
        is_invoiced as is_blocking
    from terms
    where is_current and unusable_field is not null

    union all

    select
        'subscriptions' as record_kind,
        source_file,
        position,
        subscription_id as record_id,
        case when next_from_at = term_from_at then 'started_at' else 'ended_at' end as field,
        case
            when next_from_at = term_from_at
                then 'is repeated for the subscription; the last row counts'
            else 'lies after the start of the next row of the subscription, where this one ends'
        end as finding,
        false as is_blocking
    from terms
    where is_current and next_from_at < term_to_at

    union all

    select
        'subscriptions' as record_kind,
        source_file,
        position,
        subscription_id as record_id,
        'billing_anchor' as field,
        concat_ws('', '''', billing_anchor, ''' is unknown; calendar is used') as finding,
        false as is_blocking
    from terms
    where is_current and billing_anchor not in ('calendar', 'anniversary')

    union all

    select
        'subscriptions' as record_kind,
        source_file,
        position,
        subscription_id as record_id,
        'subscription_id' as field,
        'is in no newer snapshot; it ends with the last period invoiced' as finding,
        false as is_blocking
    from terms
    where not is_current

    union all

    select
        'subscriptions' as record_kind,
        source_file,
        position,
        subscription_id as record_id,
        'customer_id' as field,
        concat_ws('', '''', customer_id, ''' is in no newer customers file; it is billed as last seen')
            as finding,
        false as is_blocking
    from terms
    where is_current and unusable_field is null and not is_customer_current

    union all

    select
        'subjects' as record_kind,
        subjects.source_file,
        subjects.position,
        subjects.subject as record_id,
        'subscription_id' as field,
        concat_ws('', '''', subjects.subscription_id, ''' is no subscription; the alias means nobody')
            as finding,
        false as is_blocking
    from subjects
    left join subscription_ids
        on subjects.subscription_id = subscription_ids.subscription_id
    where subscription_ids.subscription_id is null

    union all

    select
        'subjects' as record_kind,
        source_file,
        position,
        subject as record_id,
        case
            when coalesce(valid_from, '') <> '' and from_at is null then 'valid_from'
            else 'valid_to'
        end as field,
        'cannot be read or ends before it starts; the alias means nobody' as finding,
        false as is_blocking
    from subjects
    where
        (coalesce(valid_from, '') <> '' and from_at is null)
        or (coalesce(valid_to, '') <> '' and to_at is null)
        or to_at < from_at

    union all

    select
        'subscriptions' as record_kind,
        source_file,
        position,
        subscription_id as record_id,
        'trial_ends_at' as field,
        concat_ws('', '''', trial_ends_at, ''' cannot be read; there is no trial') as finding,
        false as is_blocking
    from terms
    where is_current and coalesce(trial_ends_at, '') <> '' and trial_to_at is null

    union all

    select
        'pauses' as record_kind,
        pauses.source_file,
        pauses.position,
        pauses.subscription_id as record_id,
        'subscription_id' as field,
        concat_ws('', '''', pauses.subscription_id, ''' is no subscription; nothing is paused')
            as finding,
        false as is_blocking
    from pauses
    left join subscription_ids
        on pauses.subscription_id = subscription_ids.subscription_id
    where subscription_ids.subscription_id is null

    union all

    select
        'pauses' as record_kind,
        source_file,
        position,
        subscription_id as record_id,
        case when from_at is null then 'paused_from' else 'paused_to' end as field,
        'cannot be read or ends before it starts; nothing is paused' as finding,
        false as is_blocking
    from pauses
    where
        from_at is null
        or (coalesce(paused_to, '') <> '' and to_at is null)
        or to_at < from_at

    union all

    select
        'credit_grants' as record_kind,
        source_file,
        position,
        grant_id as record_id,
        case when coalesce(charge_code, '') = '' then 'credit_unit' else 'charge_code' end as field,
        case
            when coalesce(charge_code, '') <> ''
                then concat_ws(
                    '', '''', charge_code, ''' is no charge with a meter; the grant pays nothing'
                )
            else concat_ws('', '''', credit_unit, ''' is the unit of no charge; the grant pays nothing')
        end as finding,
        false as is_blocking
    from unit_grants
    where
        position = last_position
        and not case when coalesce(charge_code, '') = '' then has_unit else has_charge end

    union all

    select
        'credit_grants' as record_kind,
        source_file,
        position,
        grant_id as record_id,
        'credit_unit' as field,
        concat_ws(
            '', '''', credit_unit, ''' is not the unit of ''', charge_code,
            '''; the grant is in the unit of the charge'
        ) as finding,
        false as is_blocking
    from unit_grants
    where
        position = last_position
        and has_charge
        and coalesce(credit_unit, '') <> ''
        and not has_unit

    union all

    select
        'credit_grants' as record_kind,
        source_file,
        position,
        grant_id as record_id,
        'granted_amount' as field,
        'decides nothing beside granted_quantity; the grant is in units' as finding,
        false as is_blocking
    from unit_grants
    where
        position = last_position
        and coalesce(granted_amount, '') <> ''

    union all

    select
        'corrections' as record_kind,
        corrections.source_file,
        corrections.position,
        corrections.correction_id as record_id,
        case when corrections.is_void then 'event_id' else 'action' end as field,
        case
            when corrections.is_void
                then concat_ws(
                    '', '''', corrections.event_id, ''' of the source ''', corrections.source,
                    ''' is no event that has landed; nothing is withdrawn'
                )
            else concat_ws(
                '', '''', corrections.action, ''' is unknown, void is known; nothing is withdrawn'
            )
        end as finding,
        false as is_blocking
    from corrections
    left join voided_events
        on corrections.source = voided_events.source
        and corrections.event_id = voided_events.event_id
    where not corrections.is_void or voided_events.event_id is null

)

select
    record_kind,
    source_file,
    -- The header is row 1.
    cast(position + 1 as bigint) as row_in_file,
    record_id,
    field,
    finding,
    is_blocking,
    case when is_blocking then 'error' else 'warning' end as severity
from findings
union all
select
    file_kind as record_kind,
    source_file,
    cast(1 as bigint) as row_in_file,
    cast(null as string) as record_id,
    column_name as field,
    case
        when column_name = meant_column then 'is there more than once; the first one is read'
        when meant_column is not null
            then concat_ws('', 'is read by nobody; ', meant_column, ' was probably meant')
        else 'is read by nobody'
    end as finding,
    false as is_blocking,
    case when meant_column is null then 'note' else 'warning' end as severity
from unread_columns
