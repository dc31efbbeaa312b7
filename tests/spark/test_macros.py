"""Every macro that has a form for each engine gives the same on both.

What belongs here: expressions with their result, written once. A case is SQL with Jinja.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.lib.dbt_project import link_dbt_project
from dagster_project.lib.dbt_run import DbtRunError, run_dbt
from dagster_project.lib.settings import TARGETS
from tests.harness import REPOSITORY

Q = "decimal(38, 12)"
M = "decimal(28, 6)"
P = "decimal(26, 12)"
A = "decimal(38, 24)"
PARSED = {
    "0": "0.000000000000",
    "12": "12.000000000000",
    "-12.5": "-12.500000000000",
    "+7": "7.000000000000",
    "99999999999999999999999999.999999999999": "99999999999999999999999999.999999999999",
    "100000000000000000000000000": None,
    "0.0000000000001": None,
    "0.0000000000010": "0.000000000001",
    "0012.5000000000000": "12.500000000000",
    "4.0E-7": "0.000000400000",
    "1e3": "1000.000000000000",
    "1E+25": "10000000000000000000000000.000000000000",
    "1e26": None,
    "1e-13": None,
    "-1.5e1": "-15.000000000000",
    "5.": "5.000000000000",
    ".5": "0.500000000000",
    "+.5e1": "5.000000000000",
    "-.": None,
    "1e99999999999": None,
    "1e-99999999999": None,
    "": None,
    "x": None,
    # Space around a number is no part of it.
    "1 ": "1.000000000000",
    "\u00a0-1.5\t": "-1.500000000000",
    "1 000": None,
    " ": None,
    "1,5": None,
    "0x10": None,
    # The parser of whole numbers in DuckDB takes these, some of them rounded.
    "0xFFFFFFFF": None,
    "0b11111111": None,
    "1_000": None,
    "12.7": "12.700000000000",
    "9.6": "9.600000000000",
    "99.5": "99.500000000000",
    "1e2": "100.000000000000",
    "1.5e1": "15.000000000000",
    "15e5": "1500000.000000000000",
    "9e18": "9000000000000000000.000000000000",
    "15e2 ": "1500.000000000000",
    "007": "7.000000000000",
    "999999999999999999": "999999999999999999.000000000000",
    "9223372036854775808": "9223372036854775808.000000000000",
    "NaN": None,
    "1e999": None,
}
NUMBERS = {
    "1": "true",
    "1.": "true",
    ".1": "true",
    " 1 ": "true",
    "1 1": "false",
    ".": "false",
    "-1.5E+99999": "true",
    "e5": "false",
    "": "false",
    "1e": "false",
    "1x": "false",
    "１": "false",
}


def literal(text: str) -> str:
    """SQL of a text, doubled quotes; Jinja hands it to the macro as an expression."""
    return "'" + text.replace("'", "''") + "'"


def called(macro: str, *arguments: str) -> str:
    """Jinja that calls a macro with SQL expressions."""
    return "{{ " + macro + "(" + ", ".join(repr(argument) for argument in arguments) + ") }}"


def compared_rows(one: str, other: str) -> str:
    """Whether two rows, given as select lists, have the same hash."""
    hashes = " = ".join(called("row_hash", name) for name in ("one", "other"))
    return f"(select {hashes} from (select {one}) as one cross join (select {other}) as other)"


def decimal(text: str, kind: str = Q) -> str:
    """SQL of a decimal of a type."""
    return f"cast('{text}' as {kind})"


def whole(text: str) -> str:
    """SQL of a whole number of up to 38 digits."""
    return decimal(text, "decimal(38, 0)")


def of_rows(aggregate: str, *rows: str) -> str:
    """An aggregate over the column x of some rows."""
    values = ", ".join(f"({row})" for row in rows)
    return f"(select {aggregate} from (values {values}) as t (x))"


CASES: list[tuple[str, str | None]] = [
    *(
        (called("parse_quantity", literal(text)), expected)
        for text, expected in PARSED.items()
    ),
    (called("parse_quantity", "concat('1', chr(10))"), "1.000000000000"),
    (called("parse_quantity", "concat('1', chr(10), '1')"), None),
    *((called("is_number", literal(text)), expected) for text, expected in NUMBERS.items()),
    (called("is_number", "concat('1', chr(10))"), "true"),
    (called("is_number", "concat('1', chr(10), 'x')"), "false"),
    *(
        (called("trimmed", f"concat('{space}', 'a b', '{space}')"), "a b")
        for space in (" ", "\t", "\u0085", "\u00a0", "\u2007\u202f\u3000", "\ufeff")
    ),
    # Rows that differ in what a price would differ in; a null is a value like any other.
    (compared_rows("1 as a, 'x' as b", "1 as a, 'x' as b"), "true"),
    (compared_rows("1 as a, 'x' as b", "1 as a, 'y' as b"), "false"),
    (compared_rows("'x' as a, null as b", "null as a, 'x' as b"), "false"),
    (compared_rows("'' as a, 'x' as b", "cast(null as string) as a, 'x' as b"), "false"),
    # Arithmetic
    (called("whole_packages", decimal("0.001"), decimal("1000")), "1.000000000000"),
    (called("whole_packages", decimal("1000"), decimal("1000")), "1.000000000000"),
    (
        called("whole_packages", decimal("1000.000000000001"), decimal("1000")),
        "2.000000000000",
    ),
    (
        called("whole_packages", decimal("1"), decimal("0.000000000003")),
        "333333333334.000000000000",
    ),
    (
        called("whole_packages", decimal("99999999999999999999"), decimal("1")),
        "99999999999999999999.000000000000",
    ),
    (called("share", decimal("1"), "10", "30"), "0.333333333333333333333333"),
    (called("share", decimal("2"), "10", "30"), "0.666666666666666666666667"),
    (called("share", decimal("-2"), "10", "30"), "-0.666666666666666666666667"),
    (called("share", decimal("25"), "22", "31"), "17.741935483870967741935484"),
    (called("share", decimal("0.000000000001"), "1", "2"), "0.000000000000500000000000"),
    (called("share", decimal("0"), "1", "31"), "0.000000000000000000000000"),
    (
        called("share", decimal("123456789.123456789012"), "365", "366"),
        "123119475.491971934397213114754098",
    ),
    (
        called(
            "percent_of",
            decimal("100.005", "decimal(28, 6)"),
            decimal("19", "decimal(26, 12)"),
        ),
        "19.00095000000000",
    ),
    (called("round_up_to", decimal("60.2"), decimal("1")), "61.000000000000"),
    (called("round_up_to", decimal("-60.2"), decimal("1")), "-61.000000000000"),
    (called("round_to_minor_units", decimal("2.345", "decimal(38, 24)"), "2"), "2.350000"),
    (called("round_to_minor_units", decimal("-2.345", "decimal(38, 24)"), "2"), "-2.350000"),
    (called("round_to_minor_units", decimal("2.5", "decimal(38, 24)"), "0"), "3.000000"),
    (
        (
            f"cast({decimal('99999999999999999999999999.999999999999')}"
            f" * {decimal('0.000000000001', 'decimal(26, 12)')} as decimal(38, 24))"
        ),
        "99999999999999.999999999999999999999999",
    ),
    (
        called(
            "try_product",
            decimal("99999999999999999999999999"),
            decimal("1", "decimal(26, 12)"),
        ),
        None,
    ),
    (
        called("try_product", decimal("99999999999999"), decimal("1", "decimal(26, 12)")),
        "99999999999999.000000000000000000000000",
    ),
    (
        called(
            "try_sum",
            decimal("99999999999999", "decimal(38, 0)"),
            decimal("0.5", "decimal(38, 24)"),
        ),
        "99999999999999.500000000000000000000000",
    ),
    (
        called(
            "try_sum",
            decimal("99999999999999", "decimal(38, 0)"),
            decimal("1", "decimal(38, 24)"),
        ),
        None,
    ),
    (called("quotient", decimal("1"), "3"), "0.333333333333"),
    (called("quotient", decimal("-2"), "3"), "-0.666666666667"),
    (
        called("quotient", decimal("50000000000000000000000"), "3600000000"),
        "13888888888888.888888888889",
    ),
    (called("quotient", decimal("5"), whole("10000000000000")), "0.000000000001"),
    (called("quotient", decimal("4.999999999999"), whole("10000000000000")), "0.000000000000"),
    (
        called(
            "quotient",
            decimal("99999999999999999999999999"),
            whole("2678400000000000000000000"),
        ),
        "37.335722819594",
    ),
    (
        called("quotient", decimal("-99999999999999999999999999"), whole("7")),
        "-14285714285714285714285714.142857142857",
    ),
    # A third is above 0.333333333333, so that it enters the tier after that bound.
    (called("quotient_up", decimal("1"), whole("3")), "0.333333333334"),
    (called("quotient_up", decimal("6"), whole("3")), "2.000000000000"),
    (called("quotient_up", decimal("6"), whole("1")), "6.000000000000"),
    (
        called("divided_product", decimal("30"), decimal("0.05", P), whole("60")),
        "0.025000000000000000000000",
    ),
    (
        called("divided_product", decimal("-2"), decimal("1", P), whole("3")),
        "-0.666666666666666666666666",
    ),
    (
        called("divided_product", decimal("2"), decimal("-1", P), whole("3")),
        "-0.666666666666666666666666",
    ),
    (
        called("divided_product", decimal("0"), decimal("1", P), whole("3")),
        "0.000000000000000000000000",
    ),
    (
        called("divided_product", decimal("7"), decimal("0.000000000003", P), whole("1")),
        "0.000000000021000000000000",
    ),
    (
        called(
            "divided_product",
            decimal("22762916224820859"),
            decimal("0.01", P),
            whole("3865470566400"),
        ),
        "58.887827067379474950333436",
    ),
    # The divisor and the price as long as they may be.
    (
        called(
            "divided_product",
            decimal("99999999999999999999999999.999999999999"),
            decimal("12345678901234.567890123456", P),
            whole("49999999999999999999999999999"),
        ),
        "24691357802.469135780246912000493827",
    ),
    (
        called("divided_product", decimal("1"), decimal("1", P), whole("5" + "0" * 28)),
        None,
    ),
    (
        called("divided_product", decimal("9" * 26), decimal("1", P), whole("3")),
        None,
    ),
    (
        called("divided_product", decimal("9" * 26), decimal("99999999999999", P), whole("3")),
        None,
    ),
    (called("ratio_dividend", decimal("3600")), "3600"),
    (called("ratio_divisor", decimal("3600")), "1"),
    (called("ratio_dividend", decimal("0.025")), "25"),
    (called("ratio_divisor", decimal("0.025")), "1000"),
    (called("ratio_divisor", decimal("1")), "1"),
    (called("share_of_money", decimal("119", M), "19", "119"), "19.000000000000000000000000"),
    (called("share_of_money", decimal("-100", M), "1", "3"), "-33.333333333333333333333333"),
    (
        called("share_of_money", decimal("2000000000000", M), "19", "119"),
        "319327731092.436974789915966386554621",
    ),
    (
        called("share_of_money", decimal("12345678901.23", M), "7", "107"),
        "807661236.529065420560747663551401",
    ),
    (called("whole_share", *(decimal(text, M) for text in ("10", "1", "3")), "2"), "3.330000"),
    (
        called(
            "whole_share",
            *(decimal(text, M) for text in ("1000000000", "300000000", "700000000")),
            "2",
        ),
        "428571428.570000",
    ),
    (
        called(
            "whole_share",
            *(
                decimal(text, M)
                for text in ("60000000000000", "33333333333333", "99999999999998")
            ),
            "2",
        ),
        "20000000000000.200000",
    ),
    (
        called(
            "share_remainder",
            *(
                decimal(text, M)
                for text in ("60000000000000", "33333333333333", "99999999999998")
            ),
            "2",
        ),
        "400000000000",
    ),
    (
        called(
            "multiplied_amount", decimal("99999999999999.5", A), "cast(0.5 as decimal(12, 6))"
        ),
        "49999999999999.750000000000000000000000",
    ),
    (
        called(
            "multiplied_amount",
            decimal("-0.000000000000000000000003", A),
            "cast(0.5 as decimal(12, 6))",
        ),
        "-0.000000000000000000000002",
    ),
    (
        called("multiplied_amount", decimal("90000000000000", A), "cast(8 as decimal(12, 6))"),
        None,
    ),
    *(
        (called("try_difference", decimal(amount, A), decimal(money, M)), difference)
        for amount, money, difference in (
            (
                "99000000000000.5",
                "180000000000000",
                "-80999999999999.500000000000000000000000",
            ),
            ("0.000000000000000000000001", "1", "-0.999999999999999999999999"),
            ("0.25", "-0.75", "1.000000000000000000000000"),
            ("1", "180000000000000", None),
            ("5", "-180000000000000", None),
        )
    ),
    (
        called("share_of_sum", decimal("720000000000000", M), "19", "119"),
        "114957983193277.310924369747",
    ),
    (called("share_of_sum", decimal("-100", M), "1", "3"), "-33.333333333333"),
    (called("exchanged", decimal("-1.5", M), decimal("0.25", P)), "-0.375000000000000000"),
    (called("exchanged", decimal("180000000000000", M), decimal("900000", P)), None),
    (called("try_amount", decimal("-100000000000000", M)), None),
    (
        called("try_amount", decimal("-99999999999999.5", M)),
        "-99999999999999.500000000000000000000000",
    ),
    (called("try_quantity_sum", decimal("9" * 26), decimal("1")), None),
    (
        called("try_quantity_sum", decimal("9" * 25), decimal("0.5")),
        "9999999999999999999999999.500000000000",
    ),
    (
        called("share_remainder", *(decimal(text, M) for text in ("10", "1", "3")), "2"),
        "10000000000",
    ),
    # 10 for the charge and 50 of the open grant; then what is left of both grants.
    (
        (
            "(select {{ joined_text('t', 't') }} from (select concat_ws(' ',"
            " application.invoice_id, application.grant_id, application.paid_billing_period,"
            " cast({{ as_money('application.applied_quantity') }} as string)) as t"
            " from (select {{ list_rows('uses') }} as application from"
            " (select {{ credit_taken_in_turn() }} as uses from"
            " (select cast(n as bigint) as turn, invoice_id, grant_id, charge_code,"
            " paid_billing_period, {{ as_money('a') }} as grant_quantity,"
            " {{ as_money('b') }} as invoice_quantity, {{ as_money('d') }} as part_quantity,"
            " {{ as_money('c') }} as charge_quantity"
            " from (values (4, 'i2', 'g2', '', '3', 100, 80, 80, 80),"
            " (2, 'i1', 'g2', '', '1', 100, 60, 15, 15),"
            " (3, 'i1', 'g2', '', '2', 100, 60, 50, 50),"
            " (1, 'i1', 'g1', 'c', '1', 30, 60, 15, 10),"
            " (5, 'i2', 'g1', 'c', '3', 30, 80, 80, 25)) as pairs"
            " (n, invoice_id, grant_id, charge_code, paid_billing_period, a, b, d, c))"
            " as typed) as folded)"
            " as listed) as shown)"
        ),
        # 10 of the charge, 5 more of its part, 45 until the invoice is paid.
        "\n".join(
            (
                *("i1 g1 1 10.000000", "i1 g2 1 5.000000", "i1 g2 2 45.000000"),
                *("i2 g1 3 20.000000", "i2 g2 3 50.000000"),
            )
        ),
    ),
    # 6 of 10, then 5 and 4 of 15 - 6, then nothing of 4. What is no sum counts once a plan.
    *(
        (
            (
                "(select {{ joined_text('t', 't') }} from (select concat_ws(' ',"
                " line.price_id, cast(line.free_quantity as string)) as t from (select"
                " {{ list_rows('lines') }} as line from (select"
                " {{ allowance_taken_in_turn('term_from_at, price_id') }}"
                " as lines from (select cast(a as timestamp) as term_from_at, b as price_id,"
                f" cast(a as timestamp) as line_from_at, {is_additive} as is_additive,"
                " {{ as_quantity('c') }} as metered_quantity, {{ as_quantity('d') }}"
                f" as available from (values {rows}) as rows (a, b, c, d)) as typed)"
                " as folded) as listed) as shown)"
            ),
            expected,
        )
        for is_additive, rows, expected in (
            (
                "true",
                (
                    "('2026-01-21', 'd', 5, 4), ('2026-01-11', 'b', 5, 15),"
                    " ('2026-01-11', 'c', 7, 10), ('2026-01-01', 'a', 6, 10)"
                ),
                "a 6.000000000000\nb 5.000000000000\nc 4.000000000000\nd 0.000000000000",
            ),
            (
                "false",
                (
                    "('2026-01-11', 'c', 12, 11), ('2026-01-01', 'b', 12, 3),"
                    " ('2026-01-01', 'a', 12, 10)"
                ),
                "a 10.000000000000\nb 3.000000000000\nc 1.000000000000",
            ),
        )
    ),
    # Text
    (called("json_text_by_name", literal('{"a": "x/é", "b": null}'), literal("a")), "x/é"),
    (called("json_text_by_name", literal('{"a": "x", "b": null}'), literal("b")), None),
    # A backslash in a literal means itself on one engine only.
    (
        called(
            "json_text_by_name",
            """concat('{"a~', chr(92), '"/1": "x"}')""",
            literal('a~"/1'),
        ),
        "x",
    ),
    (
        "(select max(part) from (select {{ split_rows(\"'a;b|c'\", \"';'\") }} as part) as t)",
        "b|c",
    ),
    (
        "(select count(*) from (select {{ split_rows(\"'a;b|c'\", \"'|'\") }} as part) as t)",
        "2",
    ),
    (
        called("sha256", literal("é")),
        "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c",
    ),
    ('{{ sql_text("it\'s \\\\ a \\\\n") }}', "it's \\ a \\n"),
    (called("json_quoted", literal('a"b/é')), '"a\\"b/é"'),
    (
        called("json_quoted", "concat(chr(27), chr(127), chr(10), chr(9), '\x85\u2028')"),
        '"\\u001B\x7f\\n\\t\x85\u2028"',
    ),
    (called("json_quoted", "chr(92)"), '"\\\\"'),
    (called("json_quoted", "''"), '""'),
    (called("json_quoted", "cast(null as string)"), "null"),
    # Dates
    (called("add_months", "cast('2026-01-31' as date)", "1"), "2026-02-28"),
    (called("add_months", "cast('2026-01-31' as date)", "2"), "2026-03-31"),
    (called("add_months", "cast('2026-02-28' as date)", "1"), "2026-03-28"),
    (called("add_months", "cast('2024-02-29' as date)", "12"), "2025-02-28"),
    (called("add_days", "cast('2024-02-28' as date)", "2"), "2024-03-01"),
    (called("days_between", "cast('2024-02-28' as date)", "cast('2024-03-01' as date)"), "2"),
    (called("days_between", "cast('2024-03-01' as date)", "cast('2024-02-28' as date)"), "-2"),
    (
        called("months_between", "cast('2025-12-31' as date)", "cast('2026-02-01' as date)"),
        "2",
    ),
    (
        called(
            "microseconds_between",
            "timestamp '2026-01-01 00:00:00'",
            "timestamp '2026-02-01 00:00:00.5'",
        ),
        "2678400500000",
    ),
    (called("month_text", "cast('2026-02-01' as date)"), "2026-02"),
    (called("iso_weekday", "cast('2026-11-23' as date)"), "1"),
    (called("iso_weekday", "cast('2026-11-29' as date)"), "7"),
    (called("bound_to_instant", "'2026-02-15'", "'Europe/Berlin'"), "2026-02-14 23:00:00"),
    (called("bound_to_instant", "'2026-02-30'", "'Europe/Berlin'"), None),
    (
        called("bound_to_instant", "'2026-02-15T10:00:00Z'", "'Europe/Berlin'"),
        "2026-02-15 10:00:00",
    ),
    (
        called("bound_to_instant", "'2026-02-15T10:00:00'", "'Europe/Berlin'"),
        "2026-02-15 10:00:00",
    ),
    (
        called("bound_to_instant", "'2026-02-15T10:00:00.123456+05:30'", "'Europe/Berlin'"),
        "2026-02-15 04:30:00.123456",
    ),
    (called("bound_to_instant", "'2026-02-15 10:00'", "'UTC'"), "2026-02-15 10:00:00"),
    (called("bound_to_instant", "'soon'", "'UTC'"), None),
    (called("bound_to_instant", "'2026'", "'UTC'"), None),
    (called("bound_to_instant", "'T10:00:00Z'", "'UTC'"), None),
    (
        called("utc_to_local", "timestamp '2026-03-29 00:59:59'", "'Europe/Berlin'"),
        "2026-03-29 01:59:59",
    ),
    (
        called("utc_to_local", "timestamp '2026-03-29 01:00:00'", "'Europe/Berlin'"),
        "2026-03-29 03:00:00",
    ),
    # Lists and groups
    (of_rows("{{ list_item(sorted_list('x'), 2) }}", "'b'", "'a'"), "b"),
    (of_rows("{{ list_item(sorted_list('x'), 3) }}", "'b'", "'a'"), None),
    (
        of_rows(
            "{{ last_cut(sorted_list('x'), \"date '2026-01-02'\") }}",
            "date '2026-01-03'",
            "date '2026-01-02'",
        ),
        "2026-01-02",
    ),
    (
        of_rows(
            "{{ last_cut(sorted_list('x'), \"date '2025-01-02'\") }}", "date '2026-01-03'"
        ),
        None,
    ),
    *(
        (
            of_rows(
                "{{ last_zone(sorted_list(zone_span('x', \"case when x < date '2026-01-03'"
                f" then 'first' else 'last' end\")), \"date '{day}'\") }}}}",
                "date '2026-01-03'",
                "date '2026-01-02'",
            ),
            zone,
        )
        for day, zone in (
            ("2026-01-01", None),
            ("2026-01-02", "first"),
            ("2026-01-03", "last"),
        )
    ),
    (of_rows("{{ joined_text('x', 'x') }}", "'b'", "'a'"), "a\nb"),
    (
        (
            "(select max(t) from (select {{ joined_over('x', 'order by x rows between"
            " unbounded preceding and unbounded following') }} as t"
            " from (values ('b'), ('a')) as v (x)) as w)"
        ),
        "a|b",
    ),
    ("(select sum(n) from (select {{ numbers_to('3') }} as n) as t)", "6"),
    (
        "(select count(*) from ({{ known_timezones() }}) as z where timezone = 'Asia/Tokyo')",
        "1",
    ),
    # Timestamps and decimals as text are in content_hash.
    ("cast(timestamp '2026-01-01 00:00:00.120' as string)", "2026-01-01 00:00:00.12"),
    (f"cast({decimal('0', 'decimal(38, 24)')} as string)", "0.000000000000000000000000"),
    (f"cast({decimal('-0.000000000001')} as string)", "-0.000000000001"),
]
OVERFLOWS = [
    (
        f"cast({decimal('99999999999999999999999999')} * {decimal('1', 'decimal(26, 12)')}"
        " as decimal(38, 24))"
    ),
    f"cast({decimal('100000000000000')} as decimal(38, 24))",
]
# Local times around changes of the clock; midnights, since days and periods begin there.
ZONE_TIMES = """
    select zones.timezone, times.local_time
    from ({{ known_timezones() }}) as zones
    cross join (values
        (timestamp '2026-01-01 00:00:00'), (timestamp '2026-07-01 00:00:00'),
        (timestamp '2026-03-08 02:30:00'), (timestamp '2026-11-01 00:00:00'),
        (timestamp '2026-11-01 01:30:00'), (timestamp '2026-03-29 02:30:00'),
        (timestamp '2026-10-25 02:30:00'), (timestamp '2026-03-08 00:00:00'),
        (timestamp '2025-03-30 00:00:00'), (timestamp '2025-10-26 00:00:00'),
        (timestamp '2025-04-06 01:45:00'), (timestamp '2024-10-06 02:15:00')
    ) as times (local_time)
    -- Younger than the time zones that come with Java.
    where zones.timezone <> 'America/Coyhaique'
"""
Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="module", params=["duckdb", "spark"])
def run_sql(request: pytest.FixtureRequest, dbt_folders: dict[str, Path]) -> Query:
    """Runs SQL with Jinja on an engine, under the settings of the profile."""
    target = request.param
    if target == "spark":
        request.getfixturevalue("spark")
    project = link_dbt_project(
        REPOSITORY / "dbt", REPOSITORY / "pricing_seeds", dbt_folders[target]
    )
    warehouse = dbt_folders[target] / TARGETS[target]
    if target == "duckdb":
        duckdb.connect(str(warehouse)).close()

    def run(sql: str) -> list[tuple[Any, ...]]:
        arguments = ["show", "--limit", "-1", "--inline", sql]
        (shown,) = run_dbt(arguments, project, target, warehouse, "2026-01")
        return [tuple(row) for row in shown.agate_table.rows]

    return run


def test_every_case_has_its_result(run_sql: Query) -> None:
    """A customer would get another invoice on the other engine."""
    # Read as text with a sign before it, so that nothing makes a number of it on the way.
    columns = ", ".join(
        f"'=' || cast({expression} as string) as c{number}"
        for number, (expression, _) in enumerate(CASES)
    )
    (row,) = run_sql(f"select {columns}")
    wrong = [
        (expression, found, expected)
        for (expression, expected), found in zip(CASES, row, strict=True)
        if found != (None if expected is None else f"={expected}")
    ]
    assert wrong == []


@pytest.mark.parametrize("expression", OVERFLOWS)
def test_what_does_not_fit_stops_the_build(run_sql: Query, expression: str) -> None:
    """Spark would round places away, or bill nothing, without a word."""
    with pytest.raises(DbtRunError, match=r"(?i)out.of.range|cast|overflow"):
        run_sql(f"select '=' || cast({expression} as string) as overflow")


LOCAL_TIMES: dict[str, set[tuple[Any, ...]]] = {}


def test_local_times_are_the_same_instants(
    run_sql: Query, request: pytest.FixtureRequest
) -> None:
    """A period would begin an hour earlier on one engine where the clock is turned back."""
    columns = ", ".join(
        f"concat('=', cast({expression} as string)) as {name}"
        for name, expression in (
            ("local_time", "local_time"),
            ("utc", called("local_to_utc", "local_time", "timezone")),
            ("local", called("utc_to_local", "local_time", "timezone")),
        )
    )
    rows = run_sql(f"select timezone, {columns} from ({ZONE_TIMES}) as zone_times")
    assert len(rows) > 5000
    LOCAL_TIMES[request.node.callspec.params["run_sql"]] = set(rows)
    if len(LOCAL_TIMES) == 2:
        one, other = LOCAL_TIMES.values()
        # Where the engines know other rules of a zone, their releases differ, not the macros.
        local = {(row[0], row[1], row[3]) for row in one} ^ {
            (row[0], row[1], row[3]) for row in other
        }
        other_rules = {zone for zone, *_ in local}
        assert len(other_rules) < 10, other_rules
        assert [row for row in sorted(one ^ other) if row[0] not in other_rules] == []
