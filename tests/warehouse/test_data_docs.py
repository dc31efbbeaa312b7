"""Data Docs open without a network, and one page leads to all periods."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from dagster_project.defs.quality.data_docs import write_index
from dagster_project.defs.quality.suites import run_suites
from dagster_project.lib.usage_frames import UsageFrames


@pytest.fixture(scope="module")
def data_docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two periods; in both a day is silent and a meter grows absurdly."""
    folder = tmp_path_factory.mktemp("data_docs")
    frames = UsageFrames(
        watched_days=pd.DataFrame(
            {"event_type": ["call"], "usage_day": ["2026-01-09"], "event_count": [0]}
        ),
        watched_hours=pd.DataFrame({"event_count": []}),
        acknowledged=[],
        volumes=pd.DataFrame({"ratio": [1.0]}),
        days=pd.DataFrame(
            {"usage_day": ["2026-01-08"], "event_count": [4], "known_share": [1.0]}
        ),
        meter_days=pd.DataFrame(
            {"meter_code": ["m"], "negative_count": [0], "absurd_count": [1]}
        ),
        last_days=pd.DataFrame({"silent_days": [0]}),
    )
    for period in ("2026-01", "2026-02"):
        results = run_suites(frames, period, folder / period)
        assert [name for name, result in results.items() if result.failures] == [
            "completeness",
            "quantities",
        ]
    write_index(folder)
    return folder


def test_one_index_leads_to_the_results_of_every_period(data_docs: Path) -> None:
    """Finance looks for what went wrong last month, and in which suite."""
    page = (data_docs / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'<a class="(passed|failed)" href="([^"]+)"', page)
    assert [state for state, _ in links].count("failed") == 4
    assert len(links) == 12
    assert page.index("2026-02") < page.index("2026-01")
    for _, link in links:
        assert (data_docs / link).is_file()


def test_result_pages_fetch_nothing(data_docs: Path) -> None:
    """Behind a closed network the browser would wait for style sheets that never come."""
    pages = list(data_docs.glob("*/validations/**/*.html"))
    assert len(pages) == 12
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"<(link|script|img)[^>]*(href|src)=\"https://", text), page
        assert "<style>" in text
