"""The sensor's decision, which has to be a function of cursor and listing alone."""

import os
from pathlib import Path

from dagster_project.lib.landing_cursor import changed_files, decide_load, list_landing


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


def test_a_file_replaced_under_its_name_starts_a_run(tmp_path: Path) -> None:
    """One that could not be opened, and was mended, would never be loaded."""
    file, new = tmp_path / "usage" / "a.parquet", tmp_path / "usage" / ".a.tmp"
    file.parent.mkdir()
    file.write_bytes(b"broken")
    os.utime(file, ns=(1, 1))
    cursor = decide_load(None, list_landing(tmp_path)).cursor
    assert decide_load(cursor, list_landing(tmp_path)).run_key is None
    # Of the same size and age, as some tools that copy files leave it
    new.write_bytes(b"mended")
    os.utime(new, ns=(1, 1))
    new.rename(file)
    assert decide_load(cursor, list_landing(tmp_path)).run_key is not None


def test_a_loaded_file_that_changed_is_named(tmp_path: Path) -> None:
    """What was added to it is billed to nobody."""
    (tmp_path / "usage").mkdir()
    for name in ("same", "grown", "new"):
        (tmp_path / "usage" / f"{name}.csv").write_bytes(b"12345")
    loaded = {"usage/same.csv": 5, "usage/grown.csv": 3, "usage/gone.csv": 9}
    assert changed_files(tmp_path, loaded) == [
        "usage/grown.csv: had 3 bytes when it was loaded and has 5 now"
    ]
