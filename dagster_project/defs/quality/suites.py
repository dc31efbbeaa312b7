"""The Great Expectations suites over usage, and their Data Docs.

Great Expectations takes seconds to import, so it is imported where it is used.
"""

import hashlib
import json
import shutil
import sys
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dagster_project.defs.quality.data_docs import finish_site
from dagster_project.lib.usage_frames import UsageFrames

_RESULTS = "results.json"


@dataclass(frozen=True)
class SuiteResult:
    """How one suite went: the expectations that failed, each with the rows that failed it."""

    name: str
    expectation_count: int
    failures: list[str]


def run_suites(frames: UsageFrames, period: str, site: Path) -> dict[str, SuiteResult]:
    """Run every suite over the frames of a period and build its Data Docs.

    Args:
        frames: The usage of the period.
        period: Billing period, ``YYYY-MM``.
        site: Folder of the static site, replaced.
    Returns: The result of each suite by name; a suite without rows has nothing to fail. Frames
        that are those of the site as it stands have its results.
    """
    digest = _digest(frames)
    kept = _kept_results(site, digest)
    if kept is not None:
        return kept
    # The main module of a run that Dagster launches has no file. pyspark takes that for a run
    # of its doctests and ends the process when Great Expectations looks for it.
    if not hasattr(sys.modules["__main__"], "__file__"):
        sys.modules["__main__"].__file__ = __file__
    import great_expectations as gx
    import great_expectations.expectations as gxe
    from great_expectations.core.run_identifier import RunIdentifier

    suites: dict[str, tuple[Any, list[Any]]] = {
        "completeness": (
            frames.watched_days,
            [gxe.ExpectColumnValuesToBeBetween(column="event_count", min_value=1)],
        ),
        "hourly_completeness": (
            frames.watched_hours,
            [gxe.ExpectColumnValuesToBeBetween(column="event_count", min_value=1)],
        ),
        "volume": (
            frames.volumes,
            [gxe.ExpectColumnValuesToBeBetween(column="ratio", min_value=0.5, max_value=2)],
        ),
        "ranges": (
            frames.days,
            [
                gxe.ExpectColumnValuesToBeUnique(column="usage_day"),
                gxe.ExpectColumnValuesToBeBetween(column="event_count", min_value=1),
            ],
        ),
        # Quantities are compared in SQL, exactly; what comes here are counts of findings.
        "quantities": (
            frames.meter_days,
            [
                gxe.ExpectColumnValuesToBeBetween(column="negative_count", max_value=0),
                gxe.ExpectColumnValuesToBeBetween(column="absurd_count", max_value=0),
            ],
        ),
        "known_subjects": (
            frames.days,
            [gxe.ExpectColumnValuesToBeBetween(column="known_share", min_value=0.95)],
        ),
        "freshness": (
            frames.last_days,
            [gxe.ExpectColumnValuesToBeBetween(column="silent_days", max_value=1)],
        ),
    }
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    for name in list(context.variables.data_docs_sites or {}):
        context.delete_data_docs_site(name)
    shutil.rmtree(site, ignore_errors=True)
    context.add_data_docs_site("data_docs", _site_config(site))
    source = context.data_sources.add_pandas("meterhouse")
    results = {}
    for name, (frame, expectations) in suites.items():
        if frame.empty:
            results[name] = SuiteResult(name, 0, [])
            continue
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(period)
        validation = context.validation_definitions.add(
            gx.ValidationDefinition(
                name=name,
                data=batch,
                suite=context.suites.add(
                    gx.ExpectationSuite(name=name, expectations=expectations)
                ),
            )
        )
        outcome = validation.run(
            batch_parameters={"dataframe": frame},
            result_format={"result_format": "COMPLETE"},
            run_id=RunIdentifier(run_name=period),
        )
        failures = [
            _describe(frame, result) for result in outcome.results if not result.success
        ]
        results[name] = SuiteResult(name, len(outcome.results), failures)
    context.build_data_docs()
    finish_site(site, {name: len(result.failures) for name, result in results.items()})
    kept_results = {name: asdict(result) for name, result in results.items()}
    (site / _RESULTS).write_text(
        json.dumps({"digest": digest, "results": kept_results}), "utf-8"
    )
    return results


def _digest(frames: UsageFrames) -> str:
    """Of what is looked at and of the expectations, which are in this file."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    digest.update(version("great-expectations").encode())
    for field in fields(frames):
        content = getattr(frames, field.name)
        text = json.dumps(content) if isinstance(content, list) else content.to_csv()
        digest.update(f"{field.name}\0{text}\0".encode())
    return digest.hexdigest()


def _kept_results(site: Path, digest: str) -> dict[str, SuiteResult] | None:
    """The results of the site, if it was made of the same."""
    try:
        kept = json.loads((site / _RESULTS).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if kept["digest"] != digest:
        return None
    return {name: SuiteResult(**result) for name, result in kept["results"].items()}


def _site_config(site: Path) -> Any:
    return {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "show_how_to_buttons": False,
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(site),
        },
    }


def _describe(frame: Any, result: Any) -> str:
    """The rows at fault, or the expectation itself when it has no rows to show."""
    rows = result.result.get("unexpected_index_list") or []
    if not rows:
        return str(result.expectation_config.type)
    shown = [
        ", ".join(f"{column} {value}" for column, value in frame.loc[index].items())
        for index in rows[:5]
    ]
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return "; ".join(shown) + more
