"""sources.csv of a price book: every row is checked, and which of them holds is never open."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.lib.ingest.times import TimeRule, rules_of_file
from dagster_project.lib.path_patterns import pattern_matches, patterns_overlap
from dagster_project.lib.price_book.records import COLUMNS, Row
from dagster_project.lib.price_book.sources import (
    UnsoundSourcesError,
    check_sources,
    read_time_rules,
)

HEADER = "source,path_pattern,timezone,time_format"
SOUND = """\
meter,,Europe/London,
meter,london/*,Europe/London,%d/%m/%Y %H:%M
,london/*,,epoch_ms
,paris/**,Europe/Paris,%Y%m%d
,,Asia/Kolkata,
"""


def rows(text: str) -> list[Row]:
    names = HEADER.split(",")
    return [
        Row("sources.csv", number, dict(zip(names, line.split(","), strict=True)))
        for number, line in enumerate(text.splitlines(), start=2)
    ]


def test_a_sound_table_has_no_defect() -> None:
    assert list(check_sources({"sources.csv": rows(SOUND)})) == []
    assert list(check_sources({})) == []


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        ("x,,Europe/Londn,", "timezone", "'Europe/Londn' is not a time zone"),
        ("x,,,", "timezone", "neither timezone nor time_format"),
        ("x,,UTC,DD/MM/YYYY", "time_format", "'DD/MM/YYYY' is not a format"),
        ("x,,UTC,%H:%M", "time_format", "tells a day"),
        ("x,,UTC,%d/%q/%Y", "time_format", "'%d/%q/%Y' is not a format"),
        ("x,,UTC,epoch", "time_format", "epoch_s, epoch_ms"),
        ("x,usage/a/*,UTC,", "path_pattern", "below usage/"),
        ("meter,,UTC,", "source", "row 2"),
        # The file london/ab would be of both.
        (",lond*/ab,UTC,", "path_pattern", "row 4"),
        (",,UTC,", "source", "row 6"),
    ],
)
def test_a_defect_names_its_row_and_column(row: str, column: str, words: str) -> None:
    (defect,) = check_sources({"sources.csv": rows(SOUND + row)})
    assert (defect.row, defect.column) == (7, column)
    assert words in defect.message


def test_no_load_goes_by_an_unsound_table(tmp_path: Path) -> None:
    """What is loaded with a wrong zone cannot be taken back."""
    (tmp_path / "sources.csv").write_text("timezone,source\nNowhere,a\n")
    with pytest.raises(UnsoundSourcesError, match="row 2, column timezone: 'Nowhere'"):
        read_time_rules(tmp_path)
    (tmp_path / "sources.csv").write_text("\ufefftimezone,source\nUTC,a\n", "utf-8")
    assert read_time_rules(tmp_path) == [TimeRule("a", "UTC", "")]
    assert read_time_rules(tmp_path / "elsewhere") == []


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        (
            "sources.csv",
            "source,time_zone,time_format\na,Europe/Paris,%d/%m/%Y %H:%M\n",
            "time_zone",
        ),
        ("sources.csv", "source,zone,time_format\na,Europe/Paris,%d/%m/%Y %H:%M\n", "'zone'"),
        ("sources.csv", "source,path,timezone\na,x/*,Europe/Paris\n", "'path'"),
        ("sources.csv", "source;timezone\na;Europe/Paris\n", "semicolons"),
        ("sources.csv", "a,,Europe/Paris,\n", "no header"),
        ("sources.csv", "source,timezone\na,Europe/Paris,x\n", "the row has 3 fields"),
        ("sources.csv", 'source,timezone\na,"Europe/Paris\n', "not readable as CSV"),
        ("source.csv", "source,timezone\na,Europe/Paris\n", "sources.csv was probably meant"),
        ("sources.tsv", "source\ttimezone\na\tEurope/Paris\n", "sources.csv was probably"),
    ],
)
def test_no_load_leaves_out_what_a_table_says(
    tmp_path: Path, file: str, content: str, words: str
) -> None:
    """A column or file that nobody reads would have every time be in UTC, for ever."""
    (tmp_path / file).write_text(content)
    with pytest.raises(UnsoundSourcesError, match=f"{file}.*{words}"):
        read_time_rules(tmp_path)


def test_a_load_does_not_look_at_the_rest_of_a_price_book(tmp_path: Path) -> None:
    for name in (*COLUMNS, "resale.csv", "notes.csv", "sauce.xlsx"):
        (tmp_path / name).write_text("nothing,of,use\n")
    (tmp_path / "sources.csv").write_text("source,timezone\na,UTC\n")
    assert read_time_rules(tmp_path) == [TimeRule("a", "UTC", "")]


def test_the_most_specific_row_holds() -> None:
    rules = [
        TimeRule(row["source"], row["timezone"], row["time_format"], row["path_pattern"])
        for row in rows(SOUND)
    ]

    def chosen(path: str) -> list[tuple[str, str, str]]:
        found = rules_of_file(rules, f"usage/{path}")
        return [(rule.source, rule.timezone, rule.time_format) for rule in found]

    assert chosen("london/a.csv") == [
        ("meter", "Europe/London", "%d/%m/%Y %H:%M"),
        ("", "", "epoch_ms"),
    ]
    assert chosen("paris/x/a.csv")[1] == ("", "Europe/Paris", "%Y%m%d")
    assert chosen("a.csv") == [("meter", "Europe/London", ""), ("", "Asia/Kolkata", "")]


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("a.csv", "a.csv", True),
        ("a.csv", "x/a.csv", False),
        ("*.csv", "x/a.csv", False),
        ("**/*.csv", "x/y/a.csv", True),
        ("**/*.csv", "a.csv", True),
        ("x/**", "x/y/a.csv", True),
        ("x/?.csv", "x/a.csv", True),
        ("x/[ab].csv", "x/a.csv", False),
        ("x/[ab].csv", "x/[ab].csv", True),
        ("*", "new\nline.csv", True),
    ],
)
def test_a_pattern_is_of_the_whole_path(pattern: str, path: str, matches: bool) -> None:
    assert pattern_matches(pattern, path) is matches


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("a*", "*b", True),
        ("a*", "b*", False),
        ("a/*", "*/b", True),
        ("a*", "a/b", False),
        ("a**", "a/b", True),
        ("a?c", "abd", False),
        ("**.csv", "x/*.csv", True),
        ("", "", True),
    ],
)
def test_two_patterns_overlap_where_one_path_fits_both(
    one: str, other: str, overlap: bool
) -> None:
    assert patterns_overlap(one, other) is overlap
    assert patterns_overlap(other, one) is overlap
