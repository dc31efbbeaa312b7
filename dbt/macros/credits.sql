-- Pairs of a grant and what it may pay, one after the other: each takes what is left of the grant, no
-- more than is left of the invoice, of its part for one period and of the charge in that part.
-- The list of (turn, grant_id, invoice_id, paid_billing_period, charge_code, ..., applied_quantity),
-- to be aggregated by customer: what one pair takes decides about those after it, so no window
-- function can tell.
{% macro credit_taken_in_turn() %}{{ adapter.dispatch('credit_taken_in_turn', 'meterhouse')() }}{% endmacro %}

{% macro duckdb__credit_taken_in_turn() %}
    {%- set limits = credit_limits('step[1]') -%}
    list_reduce(
        list([struct_pack(
            turn := turn, grant_id := grant_id, invoice_id := invoice_id,
            paid_billing_period := paid_billing_period, charge_code := charge_code,
            {% for limit in limits %}{{ limit }} := {{ as_quantity(limit) }}, {% endfor %}
            applied_quantity := {{ as_quantity('least(' ~ limits | join(', ') ~ ')') }}
        )] order by turn),
        lambda taken, step : list_append(taken, struct_pack(
            turn := step[1].turn, grant_id := step[1].grant_id, invoice_id := step[1].invoice_id,
            paid_billing_period := step[1].paid_billing_period, charge_code := step[1].charge_code,
            {% for limit in limits %}{{ limit }} := step[1].{{ limit }}, {% endfor %}
            applied_quantity := least(
                {% for limit, is_same in limits.items() %}
                {{ as_quantity('step[1].' ~ limit ~ ' - coalesce(list_sum(list_transform(list_filter(taken,
                    lambda pair : ' ~ is_same ~ '), lambda pair : pair.applied_quantity)), 0)') }}
                {{- ',' if not loop.last }}
                {% endfor %}
            )
        ))
    )
{% endmacro %}

{% macro spark__credit_taken_in_turn() %}
    {%- set limits = credit_limits('step') -%}
    {%- set nothing = as_quantity('0') -%}
    aggregate(
        sort_array(collect_list(named_struct(
            'turn', turn, 'grant_id', grant_id, 'invoice_id', invoice_id,
            'paid_billing_period', paid_billing_period, 'charge_code', charge_code
            {% for limit in limits %}, '{{ limit }}', {{ as_quantity(limit) }}{% endfor %}
        ))),
        cast(array() as array<struct<turn: bigint, grant_id: string, invoice_id: string,
            paid_billing_period: string, charge_code: string, applied_quantity: {{ quantity_type() }}>>),
        (taken, step) -> concat(taken, array(named_struct(
            'turn', step.turn, 'grant_id', step.grant_id, 'invoice_id', step.invoice_id,
            'paid_billing_period', step.paid_billing_period, 'charge_code', step.charge_code,
            'applied_quantity', {{ as_quantity('least(' ~ left_of_limits(limits) ~ ')') }}
        )))
    )
{% endmacro %}

{% macro left_of_limits(limits) %}
    {%- for limit, is_same in limits.items() -%}
    step.{{ limit }} - aggregate(filter(taken, pair -> {{ is_same }}), {{ as_quantity('0') }},
        (amount, pair) -> {{ as_quantity('amount + pair.applied_quantity') }}){{ ', ' if not loop.last }}
    {%- endfor -%}
{% endmacro %}

-- What a pair may take at most, and which pairs before it have taken of the same.
{% macro credit_limits(step) %}
    {% set of_invoice = 'pair.invoice_id = ' ~ step ~ '.invoice_id' %}
    {% set of_part = of_invoice ~ ' and pair.paid_billing_period = ' ~ step ~ '.paid_billing_period' %}
    {{ return({
        'grant_quantity': 'pair.grant_id = ' ~ step ~ '.grant_id',
        'invoice_quantity': of_invoice,
        'part_quantity': of_part,
        'charge_quantity': of_part ~ ' and pair.charge_code = ' ~ step ~ '.charge_code',
    }) }}
{% endmacro %}

-- Whether units of a grant pay for a charge: the one it names, or every one in its unit, in periods
-- that begin before it expires and end after it was granted.
{% macro is_paid_in_units(charges, grants) %}
    {{ grants }}.customer_id = {{ charges }}.customer_id
    and {{ grants }}.currency_code = {{ charges }}.currency_code
    and {{ grants }}.granted_at < {{ charges }}.used_to_at
    and {{ grants }}.expires_at > {{ charges }}.used_from_at
    and coalesce({{ grants }}.charge_code, {{ charges }}.charge_code) = {{ charges }}.charge_code
    and ({{ grants }}.charge_code is not null or {{ grants }}.credit_unit = {{ charges }}.unit)
{% endmacro %}

-- One row per item of a list.
{% macro list_rows(list) %}{{ adapter.dispatch('list_rows', 'meterhouse')(list) }}{% endmacro %}
{% macro duckdb__list_rows(list) %}unnest({{ list }}){% endmacro %}
{% macro spark__list_rows(list) %}explode({{ list }}){% endmacro %}
