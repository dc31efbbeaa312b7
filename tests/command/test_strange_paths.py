"""An installation whose folders have names that mean something to the engines it uses."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from dagster_project.lib.settings import Settings, SettingsError
from tests.command.command import prepare, run
from tests.command.test_command import tiny

STRANGE = 'it\'s "a" %20 %s #b &e {x} {{ y }} *[z] \\ äß$HOME;--'


def test_folders_may_have_any_name(tmp_path: Path) -> None:
    """An apostrophe in the path of the data directory stopped every seed."""
    installation = prepare(tmp_path / STRANGE / "deep", tiny())
    # A pattern would fit the seeds of this one as well.
    beside = tmp_path / STRANGE.replace("*[z]", "qz")
    seeds = beside / "deep" / "dbt" / "pricing_seeds"
    seeds.mkdir(parents=True)
    (seeds / "prices.csv").write_text("nothing")
    folders = {}
    for name in ("landing", "pricing", "documents", "published"):
        folders[name] = tmp_path / f"{name} {STRANGE}{'' if name == 'published' else ' ?a=b'}"
    installation.landing.rename(folders["landing"])
    installation.pricing.rename(folders["pricing"])
    outcome = run(
        installation,
        "issue",
        "--period",
        "2026-01",
        METERHOUSE_LANDING_DIR=str(folders["landing"]),
        METERHOUSE_PRICING_DIR=str(folders["pricing"]),
        METERHOUSE_DOCUMENTS_DIR=str(folders["documents"]),
        METERHOUSE_PUBLISH_DIR=str(folders["published"]),
        XDG_CACHE_HOME=str(tmp_path / "cache"),
    )
    assert outcome.code == 0, outcome
    issued = installation.rows("select total_amount from ledger.issued_invoices order by all")
    assert [row["total_amount"] for row in issued] == [Decimal(9), Decimal(12)]
    assert {path.name for path in (folders["documents"] / "2026-01").iterdir()} == {
        "index.html",
        *(f"INV-00000{number}.{end}" for number in (1, 2) for end in ("html", "pdf", "json")),
    }
    assert (folders["published"] / "meterhouse.duckdb").exists()
    there = {STRANGE, beside.name, "cache", *(path.name for path in folders.values())}
    assert {path.name for path in tmp_path.iterdir()} == there


@pytest.mark.parametrize(
    "variable", ["METERHOUSE_DATA_DIR", "METERHOUSE_WAREHOUSE", "METERHOUSE_PUBLISH_DIR"]
)
def test_a_warehouse_below_a_question_mark_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """DuckDB would look for its log in another folder, and fail at its first commit."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    environment = {
        "METERHOUSE_DATA_DIR": str(tmp_path / "data"),
        variable: str(tmp_path / "is it?" / "w"),
    }
    with pytest.raises(SettingsError, match="question mark"):
        Settings.from_environment(environment)


def test_the_name_of_the_warehouse_itself_is_plain() -> None:
    """Its name is in the SQL of dbt-duckdb."""
    with pytest.raises(SettingsError, match="may have letters"):
        Settings.from_environment({"METERHOUSE_WAREHOUSE": "/srv/it's.duckdb"})


def test_plain_paths_stay_as_they_are(tmp_path: Path) -> None:
    """Nobody finds a link where there need not be one."""
    folder = tmp_path / "Ünsere Daten, 2026 +1=2 @x~"
    settings = Settings.from_environment({"METERHOUSE_DATA_DIR": str(folder)})
    assert settings.data_dir == folder
    assert not folder.exists()
