-- Pairs of a grant and an invoice, one after the other in the given order: each takes what is left
-- of the grant, no more than the invoice still owes, and no more than it still owes for the charge.
-- The list of (invoice_id, grant_id, charge_code, ..., applied_amount), to be aggregated by
-- customer: what one pair takes decides about those after it, so no window function can tell.
{% macro credit_taken_in_turn(ordering) %}{{ adapter.dispatch('credit_taken_in_turn', 'meterhouse')(ordering) }}{% endmacro %}

{% macro duckdb__credit_taken_in_turn(ordering) %}
    list_reduce(
        list([struct_pack(
            invoice_id := invoice_id, grant_id := grant_id, charge_code := charge_code,
            grant_amount := grant_amount, invoice_amount := invoice_amount, charge_amount := charge_amount,
            applied_amount := {{ as_money('least(grant_amount, invoice_amount, charge_amount)') }}
        )] order by {{ ordering }}),
        lambda taken, step : list_append(taken, struct_pack(
            invoice_id := step[1].invoice_id, grant_id := step[1].grant_id, charge_code := step[1].charge_code,
            grant_amount := step[1].grant_amount, invoice_amount := step[1].invoice_amount,
            charge_amount := step[1].charge_amount,
            applied_amount := {{ as_money("least(
                step[1].grant_amount - coalesce(list_sum(list_transform(list_filter(taken,
                    lambda pair : pair.grant_id = step[1].grant_id), lambda pair : pair.applied_amount)), 0),
                step[1].invoice_amount - coalesce(list_sum(list_transform(list_filter(taken,
                    lambda pair : pair.invoice_id = step[1].invoice_id), lambda pair : pair.applied_amount)), 0),
                step[1].charge_amount - coalesce(list_sum(list_transform(list_filter(taken,
                    lambda pair : pair.invoice_id = step[1].invoice_id and pair.charge_code = step[1].charge_code),
                    lambda pair : pair.applied_amount)), 0))") }}
        ))
    )
{% endmacro %}

{% macro spark__credit_taken_in_turn(ordering) %}
    aggregate(
        sort_array(collect_list(named_struct(
            'step', struct({{ ordering }}), 'invoice_id', invoice_id, 'grant_id', grant_id,
            'charge_code', charge_code, 'grant_amount', grant_amount, 'invoice_amount', invoice_amount,
            'charge_amount', charge_amount
        ))),
        cast(array() as array<struct<invoice_id: string, grant_id: string, charge_code: string, applied_amount: {{ money_type() }}>>),
        (taken, step) -> concat(taken, array(named_struct(
            'invoice_id', step.invoice_id, 'grant_id', step.grant_id, 'charge_code', step.charge_code,
            'applied_amount', {{ as_money('least(
                step.grant_amount - aggregate(filter(taken, pair -> pair.grant_id = step.grant_id),
                    cast(0 as ' ~ money_type() ~ '), (amount, pair) -> ' ~ as_money('amount + pair.applied_amount') ~ '),
                step.invoice_amount - aggregate(filter(taken, pair -> pair.invoice_id = step.invoice_id),
                    cast(0 as ' ~ money_type() ~ '), (amount, pair) -> ' ~ as_money('amount + pair.applied_amount') ~ '),
                step.charge_amount - aggregate(filter(taken,
                    pair -> pair.invoice_id = step.invoice_id and pair.charge_code = step.charge_code),
                    cast(0 as ' ~ money_type() ~ '), (amount, pair) -> ' ~ as_money('amount + pair.applied_amount') ~ '))') }}
        )))
    )
{% endmacro %}

-- One row per item of a list.
{% macro list_rows(list) %}{{ adapter.dispatch('list_rows', 'meterhouse')(list) }}{% endmacro %}
{% macro duckdb__list_rows(list) %}unnest({{ list }}){% endmacro %}
{% macro spark__list_rows(list) %}explode({{ list }}){% endmacro %}
