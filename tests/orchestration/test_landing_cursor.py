"""The sensor's decision, which has to be a function of cursor and listing alone."""

from dagster_project.lib.landing_cursor import decide_load


def test_nothing_landed_starts_nothing() -> None:
    """An empty landing directory would otherwise start a run every half minute."""
    assert decide_load(None, []).run_key is None


def test_a_new_file_starts_one_run() -> None:
    """Usage that landed would otherwise wait for a person."""
    first = decide_load(None, ["usage/a.ndjson"])
    assert first.run_key is not None
    assert decide_load(first.cursor, ["usage/a.ndjson"]).run_key is None
    second = decide_load(first.cursor, ["usage/a.ndjson", "usage/b.ndjson"])
    assert second.run_key not in (None, first.run_key)


def test_the_order_of_a_listing_does_not_matter() -> None:
    """File systems list in any order; that must not look like new files."""
    first = decide_load(None, ["b", "a"])
    assert decide_load(first.cursor, ["a", "b"]).run_key is None


def test_the_same_files_have_the_same_run_key_after_a_restart() -> None:
    """A daemon that lost its cursor must not load twice at once."""
    assert decide_load(None, ["a"]).run_key == decide_load("other", ["a"]).run_key


def test_names_with_separators_do_not_collide() -> None:
    """Two files must not look like one with a longer name."""
    assert decide_load(None, ["a b"]).run_key != decide_load(None, ["a", "b"]).run_key
