-- Smallest multiple of the increment that is not nearer to zero than the value.
{% macro round_up_to(value, increment) %}
    {{ as_quantity(value ~ ' - ' ~ value ~ ' % ' ~ increment
        ~ ' + case when ' ~ value ~ ' % ' ~ increment ~ ' > 0 then ' ~ increment
        ~ ' when ' ~ value ~ ' % ' ~ increment ~ ' < 0 then -' ~ increment ~ ' else 0 end') }}
{% endmacro %}

-- Half away from zero to the minor units of the currency: the only rounding of money.
{% macro round_to_minor_units(amount, minor_units) %}
    case {{ minor_units }}
        {% for places in range(7) %}
        when {{ places }} then {{ as_money('round(' ~ amount ~ ', ' ~ places ~ ')') }}
        {% endfor %}
    end
{% endmacro %}

{% macro whole_packages(quantity, package_size) %}{{ adapter.dispatch('whole_packages', 'meterhouse')(quantity, package_size) }}{% endmacro %}

-- `/` on decimals is floating point in DuckDB, `//` on hugeint is exact.
{% macro duckdb__whole_packages(quantity, package_size) %}
    {{ as_quantity('(' ~ scaled_integer(quantity) ~ ' + ' ~ scaled_integer(package_size) ~ ' - 1) // ' ~ scaled_integer(package_size)) }}
{% endmacro %}

-- A quotient without remainder is exact; the remainder decides about one package more.
{% macro spark__whole_packages(quantity, package_size) %}
    {{ as_quantity('(' ~ quantity ~ ' - ' ~ quantity ~ ' % ' ~ package_size ~ ') / ' ~ package_size
        ~ ' + case when ' ~ quantity ~ ' % ' ~ package_size ~ ' > 0 then 1 else 0 end') }}
{% endmacro %}

-- The digits of a decimal without its point: 1.50 at scale 12 is 1500000000000.
{% macro scaled_integer(decimal) %}cast(replace(cast({{ decimal }} as string), '.', '') as {{ whole_number_type() }}){% endmacro %}

{% macro whole_number_type() %}{{ adapter.dispatch('whole_number_type', 'meterhouse')() }}{% endmacro %}
{% macro duckdb__whole_number_type() %}hugeint{% endmacro %}
{% macro spark__whole_number_type() %}decimal(38, 0){% endmacro %}

-- Whole numbers divided, what remains left aside; none may be negative.
{% macro whole_quotient(dividend, divisor, divisor_digits=none) %}{{ adapter.dispatch('whole_quotient', 'meterhouse')(dividend, divisor, divisor_digits) }}{% endmacro %}
{% macro duckdb__whole_quotient(dividend, divisor, divisor_digits=none) %}(({{ dividend }}) // ({{ divisor }})){% endmacro %}
-- Exact, since nothing remains. A divisor of 15 digits leaves room for quotients of 30, one of 29
-- for quotients of 24, one of 38 for quotients of 20. Unless it is said, the divisor tells, and the
-- dividend is divided in two parts where its quotient may be longer.
{% macro spark__whole_quotient(dividend, divisor, divisor_digits=none) %}
    {% if divisor_digits is none %}
    {%- set twenty = "cast('100000000000000000000' as decimal(21, 0))" -%}
    {%- set first = 'cast((' ~ dividend ~ ') div ' ~ twenty ~ ' as decimal(38, 0))' -%}
    case
        when {{ divisor }} < 1000000000000000
            then cast({{ first }} div {{ divisor }} as decimal(38, 0)) * {{ twenty }} + {{ spark__whole_quotient(
                first ~ ' % ' ~ divisor ~ ' * ' ~ twenty ~ ' + (' ~ dividend ~ ') % ' ~ twenty, divisor, 15
            ) }}
        else {{ spark__whole_quotient(dividend, divisor, 29) }}
    end
    {% else %}
    cast((({{ dividend }}) - ({{ dividend }}) % ({{ divisor }})) / try_cast({{ divisor }} as decimal({{ divisor_digits }}, 0)) as decimal(38, 0))
    {% endif %}
{% endmacro %}

{% macro share(amount, part, whole) %}{{ adapter.dispatch('share', 'meterhouse')(amount, part, whole) }}{% endmacro %}

-- amount (12 places) * part / whole, half away from zero at the 24th place; null where it does
-- not fit.
{% macro duckdb__share(amount, part, whole) %}
    try({{ as_amount("cast(sign(" ~ amount ~ ") * ((abs(" ~ scaled_integer(as_price(amount)) ~ ") * " ~ part
        ~ " * 1000000000000::hugeint * 2 + " ~ whole ~ ") // (2 * " ~ whole
        ~ ")) as decimal(38, 0)) * cast('0.000000000000000000000001' as decimal(24, 24))") }})
{% endmacro %}

-- In two steps of long division, whole units and then 24 places: Spark rounds a quotient to the
-- places its type has room for, which are too few.
{% macro spark__share(amount, part, whole) %}
    {% set product = 'cast(abs(' ~ as_price(amount) ~ ') * cast(' ~ part ~ ' as decimal(12, 0)) as ' ~ quantity_type() ~ ')' %}
    {% set divisor = 'cast(' ~ whole ~ ' as decimal(12, 0))' %}
    {% set rest = 'cast(' ~ product ~ ' % ' ~ divisor ~ ' as decimal(24, 12))' %}
    {% set rest_digits = 'cast(' ~ rest ~ " * cast('1000000000000' as decimal(13, 0)) as decimal(24, 0))" %}
    {% set numerator = '(' ~ rest_digits ~ " * cast('2000000000000' as decimal(13, 0)) + " ~ divisor ~ ')' %}
    {% set twice = '(2 * ' ~ divisor ~ ')' %}
    {{ as_amount('case when ' ~ amount ~ ' < 0 then -1 else 1 end * (try_cast((' ~ product ~ ' - ' ~ rest ~ ') / ' ~ divisor
        ~ ' as ' ~ amount_type() ~ ') + ' ~ as_amount('cast((' ~ numerator ~ ' - ' ~ numerator ~ ' % ' ~ twice ~ ') / ' ~ twice
        ~ " as decimal(38, 0)) * cast('0.000000000000000000000001' as decimal(24, 24))") ~ ')') }}
{% endmacro %}

-- amount * percent / 100, exact: the result needs two places more than the factors.
{% macro percent_of(amount, percent) %}
    cast(cast({{ amount }} * cast({{ percent }} as decimal(12, 6)) as decimal(38, 12)) * cast('0.01' as decimal(2, 2)) as decimal(38, 14))
{% endmacro %}

{% macro try_product(factor, other_factor) %}{{ adapter.dispatch('try_product', 'meterhouse')(factor, other_factor) }}{% endmacro %}
{% macro duckdb__try_product(factor, other_factor) %}try({{ as_amount(factor ~ ' * ' ~ other_factor) }}){% endmacro %}
{% macro spark__try_product(factor, other_factor) %}try_cast(try_multiply({{ factor }}, {{ other_factor }}) as {{ amount_type() }}){% endmacro %}

{% macro try_sum(amount, other_amount) %}{{ adapter.dispatch('try_sum', 'meterhouse')(amount, other_amount) }}{% endmacro %}
{% macro duckdb__try_sum(amount, other_amount) %}try({{ as_amount(amount ~ ' + ' ~ other_amount) }}){% endmacro %}
{% macro spark__try_sum(amount, other_amount) %}try_cast(try_add({{ amount }}, {{ other_amount }}) as {{ amount_type() }}){% endmacro %}

-- An amount less money; null where it does not fit. Whole and rest apart, since the money alone may
-- be too large for an amount.
{% macro try_difference(amount, money) %}
    {{ try_sum(
        try_amount(whole_amount(amount) ~ ' - ' ~ whole_part(as_quantity(money))),
        as_amount(rest_of_amount(amount) ~ ' - ' ~ as_amount(as_quantity(money) ~ ' % ' ~ as_quantity('1')))
    ) }}
{% endmacro %}

-- One percent of a rate of at most 10 places, exact.
{% macro hundredth(percent) %}{{ as_price(percent ~ " * cast('0.01' as decimal(2, 2))") }}{% endmacro %}

-- quantity (12 places) / whole number, half away from zero at the 12th place.
{% macro quotient(quantity, divisor) %}
    {%- set whole = 'cast(' ~ divisor ~ ' as ' ~ whole_number_type() ~ ')' -%}
    {%- set rest = scaled_integer('abs(' ~ as_quantity(quantity) ~ ')') ~ ' % ' ~ whole -%}
    {{ twelfths(quantity, whole, 'case when (' ~ rest ~ ') * 2 >= ' ~ whole ~ ' then 1 else 0 end') }}
{% endmacro %}

-- The same of what is not negative, up to the 12th place. A quotient is within a bound of 12 places
-- exactly when this is, and it begins as many packages.
{% macro quotient_up(quantity, divisor) %}
    {%- set whole = 'cast(' ~ divisor ~ ' as ' ~ whole_number_type() ~ ')' -%}
    {%- set rest = scaled_integer('abs(' ~ as_quantity(quantity) ~ ')') ~ ' % ' ~ whole -%}
    {{ twelfths(quantity, whole, 'case when ' ~ rest ~ ' > 0 then 1 else 0 end') }}
{% endmacro %}

{% macro twelfths(quantity, whole, carried) %}
    case
        when {{ whole }} = 1 then {{ as_quantity(quantity) }}
        else {{ as_quantity(sign_of(quantity) ~ ' * cast('
            ~ whole_quotient(scaled_integer('abs(' ~ as_quantity(quantity) ~ ')'), whole) ~ ' + ' ~ carried
            ~ " as decimal(38, 0)) * cast('0.000000000001' as decimal(12, 12))") }}
    end
{% endmacro %}

-- quantity * price / divisor, cut off at the 24th place: cutting never carries a value across a half.
-- Long division over the price in three parts of nine digits keeps every step within 38 digits for
-- divisors below 5 * 10^28. Null where the divisor is not, or the amount does not fit.
{% macro divided_product(quantity, price, divisor) %}
    case
        when {{ divisor }} = 1 then {{ try_product(quantity, as_price(price)) }}
        when {{ divisor }} < cast('50000000000000000000000000000' as decimal(38, 0))
            then {{ long_quotient(
                scaled_integer('abs(' ~ as_quantity(quantity) ~ ')'),
                scaled_integer('abs(' ~ as_price(price) ~ ')'),
                'cast(' ~ divisor ~ ' as ' ~ whole_number_type() ~ ')',
                '(' ~ sign_of('(' ~ quantity ~ ')') ~ ') * (' ~ sign_of('(' ~ price ~ ')') ~ ')'
            ) }}
    end
{% endmacro %}

{% macro long_quotient(units, price, divisor, sign) %}{{ adapter.dispatch('long_quotient', 'meterhouse')(units, price, divisor, sign) }}{% endmacro %}
{% macro duckdb__long_quotient(units, price, divisor, sign) %}
    try({{ as_amount(sign ~ ' * cast(' ~ product_quotient(units, price, divisor)
        ~ " as decimal(38, 0)) * cast('0.000000000000000000000001' as decimal(24, 24))") }})
{% endmacro %}
{% macro spark__long_quotient(units, price, divisor, sign) %}
    try_cast(try_multiply(
        {{ product_quotient(units, price, divisor) }} * {{ sign }},
        cast('0.000000000000000000000001' as decimal(24, 24))
    ) as {{ amount_type() }})
{% endmacro %}

-- units * price / divisor of whole numbers that are not negative, and what that leaves: step by step,
-- since the product of two amounts does not fit. A price has up to 27 digits.
{% macro product_quotient(units, price, divisor) %}{{ adapter.dispatch('product_quotient', 'meterhouse')(units, price, divisor) }}{% endmacro %}
{% macro duckdb__product_quotient(units, price, divisor) %}
    {%- set steps = division_steps(units, price, divisor) -%}
    ({{ units }} // {{ divisor }} * {{ price }}
        + {{ steps[0] }} // {{ divisor }} * 1000000000000000000
        + {{ steps[1] }} // {{ divisor }} * 1000000000
        + {{ steps[2] }} // {{ divisor }})
{% endmacro %}

-- `div` is a bigint, which the quotients of the parts are; that of the units may not be.
{% macro spark__product_quotient(units, price, divisor) %}
    {%- set steps = division_steps(units, price, divisor) -%}
    try_add(
        try_multiply({{ whole_quotient(units, divisor) }}, {{ price }}),
        cast({{ steps[0] }} div {{ divisor }} as decimal(38, 0)) * cast('1000000000000000000' as decimal(19, 0))
        + cast({{ steps[1] }} div {{ divisor }} as decimal(38, 0)) * cast('1000000000' as decimal(10, 0))
        + cast({{ steps[2] }} div {{ divisor }} as decimal(38, 0))
    )
{% endmacro %}

{% macro product_remainder(units, price, divisor) %}({{ division_steps(units, price, divisor)[2] }} % {{ divisor }}){% endmacro %}

-- What is divided for each part of nine digits of the price, the remainder before it included.
{% macro division_steps(units, price, divisor) %}{{ return(adapter.dispatch('division_steps', 'meterhouse')(units, price, divisor)) }}{% endmacro %}
{% macro duckdb__division_steps(units, price, divisor) %}
    {%- set rest = '(' ~ units ~ ' % ' ~ divisor ~ ')' -%}
    {%- set first = '(' ~ rest ~ ' * (' ~ price ~ ' // 1000000000000000000))' -%}
    {%- set second = '(' ~ first ~ ' % ' ~ divisor ~ ' * 1000000000 + ' ~ rest
        ~ ' * (' ~ price ~ ' // 1000000000 % 1000000000))' -%}
    {%- set third = '(' ~ second ~ ' % ' ~ divisor ~ ' * 1000000000 + ' ~ rest
        ~ ' * (' ~ price ~ ' % 1000000000))' -%}
    {{ return([first, second, third]) }}
{% endmacro %}
{% macro spark__division_steps(units, price, divisor) %}
    {%- set nine = "cast('1000000000' as decimal(10, 0))" -%}
    {%- set eighteen = "cast('1000000000000000000' as decimal(19, 0))" -%}
    {%- set rest = '(' ~ units ~ ' % ' ~ divisor ~ ')' -%}
    {%- set first = '(' ~ rest ~ ' * cast(' ~ price ~ ' div ' ~ eighteen ~ ' as decimal(38, 0)))' -%}
    {%- set second = '(' ~ first ~ ' % ' ~ divisor ~ ' * ' ~ nine ~ ' + ' ~ rest
        ~ ' * cast(' ~ price ~ ' div ' ~ nine ~ ' % 1000000000 as decimal(38, 0)))' -%}
    {%- set third = '(' ~ second ~ ' % ' ~ divisor ~ ' * ' ~ nine ~ ' + ' ~ rest
        ~ ' * cast(' ~ price ~ ' % ' ~ nine ~ ' as decimal(38, 0)))' -%}
    {{ return([first, second, third]) }}
{% endmacro %}

-- What a quantity times a unit price is multiplied with and divided by, in whole numbers: the days of
-- its share, and the units that the price is for.
{% macro price_multiple(share_day_count, price_quantity) %}
    case
        when {{ price_quantity }} is null then cast({{ share_day_count }} as decimal(38, 0))
        else cast({{ share_day_count }} * {{ ratio_divisor(price_quantity) }} as decimal(38, 0))
    end
{% endmacro %}

{% macro price_divisor(quantity_divisor, share_of_day_count, price_quantity) %}
    case
        when {{ price_quantity }} is null then {{ try_whole_product(quantity_divisor, share_of_day_count) }}
        else {{ try_whole_product(try_whole_product(quantity_divisor, share_of_day_count), ratio_dividend(price_quantity)) }}
    end
{% endmacro %}

{% macro try_whole_product(factor, other_factor) %}{{ adapter.dispatch('try_whole_product', 'meterhouse')(factor, other_factor) }}{% endmacro %}
{% macro duckdb__try_whole_product(factor, other_factor) %}try(cast({{ factor }} * {{ other_factor }} as decimal(38, 0))){% endmacro %}
{% macro spark__try_whole_product(factor, other_factor) %}try_cast(try_multiply({{ factor }}, {{ other_factor }}) as decimal(38, 0)){% endmacro %}

-- Two whole numbers whose ratio is a decimal: 3600 is 3600 / 1, 0.025 is 25 / 1000.
{% macro ratio_dividend(decimal) %}cast(replace({{ without_last_zeros(decimal) }}, '.', '') as decimal(38, 0)){% endmacro %}
{% macro ratio_divisor(decimal) %}
    cast(concat('1', repeat('0', cast(length({{ without_last_zeros(decimal) }}) - position('.' in {{ without_last_zeros(decimal) }}) as integer))) as decimal(38, 0))
{% endmacro %}
{% macro without_last_zeros(decimal) %}trim(trailing '0' from cast({{ as_quantity(decimal) }} as string)){% endmacro %}

-- amount * part / whole towards zero at the 24th place: near enough to round money once, since
-- cutting digits off never carries a value across a half. Part and whole have up to 6 places, and
-- the product of an amount and its part may not fit.
{% macro share_of_money(amount, part, whole) %}
    {{ divided_product(
        as_quantity(amount),
        scaled_integer('cast(' ~ part ~ ' as decimal(18, 6))'),
        scaled_integer('cast(' ~ whole ~ ' as decimal(18, 6))')
    ) }}
{% endmacro %}

-- The same of a sum that may be larger than an amount, which has 12 places.
{% macro share_of_sum(amount, part, whole) %}
    {%- set digits = product_quotient(
        scaled_integer('abs(' ~ as_quantity(amount) ~ ')'),
        scaled_integer('cast(' ~ part ~ ' as decimal(18, 6))'),
        scaled_integer('cast(' ~ whole ~ ' as decimal(18, 6))')
    ) -%}
    {{ as_quantity(sign_of(amount) ~ ' * cast(' ~ digits ~ " as decimal(38, 0)) * cast('0.000000000001' as decimal(12, 12))") }}
{% endmacro %}

-- An amount times a factor of 6 places, to 24 places: whole and rest apart, since 30 places leave
-- 8 digits before the point. Null where it does not fit.
{% macro multiplied_amount(amount, factor) %}
    {{ try_sum(
        try_product(whole_amount(amount), factor), as_amount(rest_of_amount(amount) ~ ' * ' ~ factor)
    ) }}
{% endmacro %}

-- Sharing money out by the largest remainder: the whole minor units of amount * part / whole,
-- and what is left of the next one, which only ranks the parts. None may be negative.
{% macro whole_share(amount, part, whole, minor_units) %}
    {%- set units = product_quotient(
        scaled_integer(as_money(amount)), scaled_integer(as_money(part)),
        minor_divisor(whole, minor_units)
    ) -%}
    {{ as_money("cast(" ~ units ~ " * " ~ millionths(minor_units) ~ " as decimal(38, 0)) * cast('0.000001' as decimal(6, 6))") }}
{% endmacro %}

-- What the parts up to one get of money that is shared out in proportion to them, cut to the
-- minor unit. Parts of both signs, as usage and its reversal, may add up to less than one.
{% macro share_so_far(amount, so_far, whole, minor_units) %}
    {{ as_money(
        sign_of(amount) ~ ' * ' ~ sign_of(so_far) ~ ' * ' ~ sign_of(whole) ~ ' * '
        ~ whole_share('abs(' ~ amount ~ ')', 'abs(' ~ so_far ~ ')', 'abs(' ~ whole ~ ')', minor_units)
    ) }}
{% endmacro %}

-- What one of the parts gets: the last takes what rounding leaves, an only one all of it.
{% macro share_of_part(amount, part, so_far, whole, minor_units) %}
    case
        when {{ part }} = {{ whole }} and {{ so_far }} = {{ whole }} then {{ as_money(amount) }}
        else {{ as_money(
            share_so_far(amount, so_far, whole, minor_units) ~ ' - '
            ~ share_so_far(amount, '(' ~ so_far ~ ' - ' ~ part ~ ')', whole, minor_units)
        ) }}
    end
{% endmacro %}

{% macro share_remainder(amount, part, whole, minor_units) %}
    cast({{ product_remainder(
        scaled_integer(as_money(amount)), scaled_integer(as_money(part)),
        minor_divisor(whole, minor_units)
    ) }} as decimal(38, 0))
{% endmacro %}

{% macro minor_divisor(whole, minor_units) %}(cast({{ scaled_integer(as_money(whole)) }} * {{ millionths(minor_units) }} as {{ whole_number_type() }})){% endmacro %}

-- Of a decimal as a whole number; `sign` is floating point in Spark.
{% macro sign_of(number) %}case when {{ number }} < 0 then -1 else 1 end{% endmacro %}

-- How many millionths of the currency make one minor unit.
{% macro millionths(minor_units) %}case {{ minor_units }} {% for places in range(7) %}when {{ places }} then {{ 10 ** (6 - places) }} {% endfor %}end{% endmacro %}

{% macro minor_unit(minor_units) %}{{ as_money("case " ~ minor_units ~ " when 0 then 1 when 1 then 0.1 when 2 then 0.01 when 3 then 0.001 when 4 then 0.0001 when 5 then 0.00001 else 0.000001 end") }}{% endmacro %}

-- Money times an exchange rate, exact: 6 places and 12 are the 18 of the result. Null where it does
-- not fit, 10^20 or more.
{% macro exchanged(amount, rate) %}{{ adapter.dispatch('exchanged', 'meterhouse')(amount, rate) }}{% endmacro %}
{% macro duckdb__exchanged(amount, rate) %}try(cast({{ as_money(amount) }} * {{ as_price(rate) }} as decimal(38, 18))){% endmacro %}
{% macro spark__exchanged(amount, rate) %}try_cast(try_multiply({{ as_money(amount) }}, {{ as_price(rate) }}) as decimal(38, 18)){% endmacro %}
