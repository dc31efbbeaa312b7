"""Texts and names inside SQL that is put together here."""


def quoted(text: object) -> str:
    """Return a SQL string literal of a text or a path."""
    return "'" + str(text).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
