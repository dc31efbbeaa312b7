"""What sqlfluff sees of dbt's ``adapter`` when it renders a model, without a database.

What belongs here: stand-ins that are valid SQL of the right shape; nothing runs them.
"""

from __future__ import annotations

from collections.abc import Callable

# Macros that write more than an expression.
_SHAPES = {
    "days_with_news": "select date '2026-01-01' as event_date",
    "known_timezones": "select 'UTC' as timezone",
}


def dispatch(macro_name: str, macro_namespace: str | None = None) -> Callable[..., str]:
    """Stand-in for the engine's form of a macro: a call of a function of that name."""
    del macro_namespace

    def call(*arguments: object) -> str:
        text = ", ".join(str(argument) for argument in arguments)
        return _SHAPES.get(macro_name, f"{macro_name}({text})")

    return call


def get_relation(*_names: str) -> str:
    """Stand-in for the look into the catalogue: every table is there."""
    return "relation"
