-- Grain: one row per meter, name that it reads from an event as a dimension or in its filter, and
-- band of that name; one that is read as it is sent has no band.
with

filters as (

    select * from {{ ref('stg_pricing__filters') }}
    where price_id is null

),

meters as (

    select * from {{ ref('meters') }}

),

dimensions as (

    select
        meter_code,
        dimensions,
        {{ split_rows('dimensions', "'|'") }} as name

    from meters
    where coalesce(dimensions, '') <> ''

),

named as (

    select
        meter_code,
        name,
        position(concat_ws('', '|', name, '|') in concat_ws('', '|', dimensions, '|'))
            as dimension_position,
        0 as is_filtered
    from dimensions

    union all

    select
        meter_code,
        property_name as name,
        cast(null as integer) as dimension_position,
        1 as is_filtered
    from filters

),

names as (

    select
        meters.event_type,
        named.meter_code,
        named.name,
        max(named.dimension_position) as dimension_position,
        max(named.is_filtered) = 1 as is_filtered

    from named
    inner join meters
        on named.meter_code = meters.meter_code
    group by meters.event_type, named.meter_code, named.name

),

-- The days of a week count from 1, a holiday is the eighth.
bands as (

    select
        event_type,
        dimension as name,
        'size' as band_kind,
        property as property_name,
        up_to,
        cast(null as string) as day_numbers,
        cast(null as integer) as from_minute,
        cast(null as integer) as to_minute,
        cast(null as string) as holiday_date,
        band
    from {{ ref('dimension_bands') }}

    union all

    select
        cast(null as string) as event_type,
        dimension as name,
        'time' as band_kind,
        cast(null as string) as property_name,
        cast(null as {{ quantity_type() }}) as up_to,
        {{ day_numbers('days') }} as day_numbers,
        cast(substr(from_time, 1, 2) as integer) * 60 + cast(substr(from_time, 4, 2) as integer)
            as from_minute,
        cast(substr(to_time, 1, 2) as integer) * 60 + cast(substr(to_time, 4, 2) as integer)
            as to_minute,
        cast(null as string) as holiday_date,
        band
    from {{ ref('time_bands') }}

    union all

    select
        cast(null as string) as event_type,
        dimension as name,
        'holiday' as band_kind,
        cast(null as string) as property_name,
        cast(null as {{ quantity_type() }}) as up_to,
        cast(null as string) as day_numbers,
        cast(null as integer) as from_minute,
        cast(null as integer) as to_minute,
        holiday_date,
        cast(null as string) as band
    from {{ ref('holidays') }}

),

banded as (

    select
        names.*,
        bands.band_kind,
        case when bands.band_kind is null then names.name else bands.property_name end
            as property_name,
        bands.up_to,
        bands.day_numbers,
        bands.from_minute,
        bands.to_minute,
        bands.holiday_date,
        bands.band

    from names
    left join bands
        on names.name = bands.name
        and names.event_type = coalesce(bands.event_type, names.event_type)

),

-- Numbered by type, so that metering can keep beside a slice which of them its events have.
filter_properties as (

    select
        event_type,
        property_name,
        row_number() over (partition by event_type order by property_name) as filter_number

    from banded
    where is_filtered and property_name is not null
    group by event_type, property_name

)

select
    banded.event_type,
    banded.meter_code,
    banded.name,
    cast(banded.dimension_position as integer) as dimension_position,
    banded.is_filtered,
    banded.property_name,
    cast(filter_properties.filter_number as integer) as filter_number,
    cast(row_number() over (
        partition by banded.meter_code, banded.name
        order by
            banded.band_kind, banded.up_to nulls last, banded.day_numbers, banded.from_minute,
            banded.holiday_date
    ) as integer) as band_number,
    banded.band_kind,
    {{ as_quantity('banded.up_to') }} as up_to,
    banded.day_numbers,
    banded.from_minute,
    banded.to_minute,
    banded.holiday_date,
    banded.band
from banded
left join filter_properties
    on banded.is_filtered
    and banded.event_type = filter_properties.event_type
    and banded.property_name = filter_properties.property_name
