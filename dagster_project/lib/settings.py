"""Every setting of an installation: where it reads, where it writes, which engine it uses.

What belongs here: names, defaults and checks of the METERHOUSE_* variables. Nothing else in
the project reads the environment; dbt gets its paths from ``Settings.as_environment``.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dagster_project.lib.plain_paths import is_plain, plain_path

PROJECT_ROOT = Path(__file__).resolve().parents[2]
DBT_PROJECT_DIR = PROJECT_ROOT / "dbt"
TEMPLATES_DIR = PROJECT_ROOT / "invoice_templates"

DEFAULT_FIRST_PERIOD = "2020-01"
DEFAULT_RUN_HISTORY_DAYS = 90

# The default name of the warehouse by engine: a file, or a folder of Parquet files.
TARGETS = {"duckdb": "warehouse.duckdb", "spark": "warehouse.spark"}
VARIABLES = (
    "METERHOUSE_DATA_DIR",
    "METERHOUSE_LANDING_DIR",
    "METERHOUSE_WAREHOUSE",
    "METERHOUSE_DOCUMENTS_DIR",
    "METERHOUSE_PUBLISH_DIR",
    "METERHOUSE_PRICING_DIR",
    "METERHOUSE_TARGET",
    "METERHOUSE_FIRST_PERIOD",
    "METERHOUSE_RUN_HISTORY_DAYS",
    "METERHOUSE_FAILURE_WEBHOOK",
    # The embedded Spark
    "METERHOUSE_SPARK_MASTER",
    "METERHOUSE_SPARK_MEMORY",
    # A Spark elsewhere; read by dbt/profiles.yml
    "METERHOUSE_SPARK_METHOD",
    "METERHOUSE_SPARK_HOST",
    "METERHOUSE_SPARK_PORT",
    "METERHOUSE_SPARK_USER",
    "METERHOUSE_SPARK_TOKEN",
    "METERHOUSE_SPARK_CLUSTER",
)
_PERIOD = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


class SettingsError(ValueError):
    """A setting that cannot be used; the message is one sentence for the person who set it."""


def check_period(text: str) -> str:
    """Return ``text`` if it is a billing period, ``YYYY-MM``.

    Raises: SettingsError otherwise.
    """
    if not _PERIOD.fullmatch(text):
        raise SettingsError(f"{text!r} is not a billing period; write it as YYYY-MM.")
    return text


def _days(text: str) -> int:
    if not text:
        return DEFAULT_RUN_HISTORY_DAYS
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or int(text) == 0:
        raise SettingsError(
            f"METERHOUSE_RUN_HISTORY_DAYS is {text!r}; it must be a number of days, 1 or more."
        )
    return int(text)


def _web_address(text: str) -> str:
    try:
        address = urlsplit(text)
        is_usable = address.scheme in ("http", "https") and bool(address.hostname)
    except ValueError:
        is_usable = False
    if text and not is_usable:
        # The address is not repeated: it may be a secret.
        raise SettingsError(
            "METERHOUSE_FAILURE_WEBHOOK is no address that begins with http:// or https://."
        )
    return text


@dataclass(frozen=True)
class Settings:
    """The settings of one installation; every path is absolute, and plain to every engine.

    Two installations whose paths differ share nothing: what Dagster, dbt and Great
    Expectations write at run time is under ``data_dir`` as well.
    """

    data_dir: Path
    landing_dir: Path
    warehouse: Path
    documents_dir: Path
    publish_dir: Path
    pricing_dir: Path
    target: str
    first_period: str
    run_history_days: int
    failure_webhook: str
    spark_method: str
    spark_master: str
    spark_memory: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings, taking defaults for what is not set or empty.

        Defaults are folders of the project; a relative path that was set is relative to the
        working directory, as everywhere on a command line.

        Raises: SettingsError for an unknown METERHOUSE_* variable, because a misspelt one
            would otherwise be a default in silence, and for a value that cannot be used.
        """
        for name in sorted(environment):
            if name.startswith("METERHOUSE_") and name not in VARIABLES:
                raise SettingsError(
                    f"{name} is not a setting of Meterhouse; known are {', '.join(VARIABLES)}."
                )

        def named(name: str, default: Path) -> Path:
            value = environment.get(name, "").strip()
            return Path(os.path.abspath(Path(value).expanduser())) if value else default  # noqa: PTH100

        def path(name: str, default: Path) -> Path:
            return plain_path(named(name, default), create=name != "METERHOUSE_PRICING_DIR")

        data_dir = path("METERHOUSE_DATA_DIR", PROJECT_ROOT / "data")
        target = environment.get("METERHOUSE_TARGET", "").strip() or "duckdb"
        if target not in TARGETS:
            raise SettingsError(
                f"METERHOUSE_TARGET is {target!r}; it must be one of {', '.join(TARGETS)}."
            )
        warehouse = named("METERHOUSE_WAREHOUSE", data_dir / TARGETS[target])
        publish_dir = path("METERHOUSE_PUBLISH_DIR", data_dir / "published")
        # A link to the file would leave what a killed run has written beside the link.
        if not is_plain(warehouse.name):
            raise SettingsError(
                f"METERHOUSE_WAREHOUSE ends in {warehouse.name!r}; that name may have letters,"
                " digits, spaces and . _ - + = , @ ~ in it."
            )
        for place in (warehouse.parent, publish_dir):
            if "?" in str(place.resolve()):
                raise SettingsError(
                    f"{place.resolve()} has a question mark in its path, and DuckDB would look"
                    " for its log elsewhere; choose another folder for the warehouse and for"
                    " what is published."
                )
        return cls(
            data_dir=data_dir,
            landing_dir=path("METERHOUSE_LANDING_DIR", data_dir / "landing"),
            warehouse=plain_path(warehouse.parent, create=True) / warehouse.name,
            documents_dir=path("METERHOUSE_DOCUMENTS_DIR", data_dir / "documents"),
            publish_dir=publish_dir,
            pricing_dir=path("METERHOUSE_PRICING_DIR", PROJECT_ROOT / "pricing_seeds"),
            target=target,
            first_period=check_period(
                environment.get("METERHOUSE_FIRST_PERIOD", "").strip() or DEFAULT_FIRST_PERIOD
            ),
            run_history_days=_days(environment.get("METERHOUSE_RUN_HISTORY_DAYS", "").strip()),
            failure_webhook=_web_address(
                environment.get("METERHOUSE_FAILURE_WEBHOOK", "").strip()
            ),
            spark_method=environment.get("METERHOUSE_SPARK_METHOD", "").strip() or "session",
            spark_master=environment.get("METERHOUSE_SPARK_MASTER", "").strip() or "local[*]",
            spark_memory=environment.get("METERHOUSE_SPARK_MEMORY", "").strip() or "2g",
        )

    @property
    def data_docs_dir(self) -> Path:
        """Data Docs of Great Expectations, a static site."""
        return self.data_dir / "data_docs"

    @property
    def dagster_home(self) -> Path:
        """Run history, schedules and sensor cursors of Dagster."""
        return self.data_dir / "dagster"

    @property
    def dbt_target_dir(self) -> Path:
        """What dbt compiles and logs; apart from the project, so installations do not meet."""
        return self.data_dir / "dbt"

    @property
    def checked_book_dir(self) -> Path:
        """The price book as the last run found it sound, which is the one that is rated."""
        return self.dbt_target_dir / "price_book"

    @property
    def book_dir(self) -> Path:
        """The price book for dbt: the checked one, before the first check what there is."""
        return self.checked_book_dir if self.checked_book_dir.exists() else self.pricing_dir

    @property
    def spark_conf_dir(self) -> Path:
        """Configuration of the embedded Spark."""
        return self.data_dir / "spark"

    @property
    def writer_lock(self) -> Path:
        """The file whose lock the one writer of the warehouse holds.

        It lies beside the warehouse: whoever shares that file has to share its lock.
        """
        return self.warehouse.with_name(f".{self.warehouse.name}.writer.lock")

    def as_environment(self) -> dict[str, str]:
        """The settings as variables for a child process, such as dbt; all paths absolute."""
        return {
            "METERHOUSE_DATA_DIR": str(self.data_dir),
            "METERHOUSE_LANDING_DIR": str(self.landing_dir),
            "METERHOUSE_WAREHOUSE": str(self.warehouse),
            "METERHOUSE_DOCUMENTS_DIR": str(self.documents_dir),
            "METERHOUSE_PUBLISH_DIR": str(self.publish_dir),
            "METERHOUSE_PRICING_DIR": str(self.pricing_dir),
            "METERHOUSE_TARGET": self.target,
            "METERHOUSE_FIRST_PERIOD": self.first_period,
            "METERHOUSE_RUN_HISTORY_DAYS": str(self.run_history_days),
            "METERHOUSE_FAILURE_WEBHOOK": self.failure_webhook,
            "METERHOUSE_SPARK_METHOD": self.spark_method,
            "METERHOUSE_SPARK_MASTER": self.spark_master,
            "METERHOUSE_SPARK_MEMORY": self.spark_memory,
            "SPARK_CONF_DIR": str(self.spark_conf_dir),
            "DBT_TARGET_PATH": str(self.dbt_target_dir / "target"),
            "DBT_LOG_PATH": str(self.dbt_target_dir / "logs"),
            # At debug level, dbt's default, 10 MB of log take a quarter of the run.
            "DBT_LOG_LEVEL_FILE": "info",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DO_NOT_TRACK": "1",
        }
