"""One Spark build in a process of its own, to be killed.

Usage: python -m tests.spark.build_once PROJECT WAREHOUSE CONF [MODEL ...]
Models named are built with all that they read; without any, everything is.
"""

import sys
from pathlib import Path

from dagster_project.lib.dbt_run import run_dbt
from dagster_project.lib.spark_session import write_spark_conf

# Writing and compiling code takes longer than what it then does to a handful of rows.
FEW_ROWS = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": "1",
}

if __name__ == "__main__":
    project, warehouse, conf = map(Path, sys.argv[1:4])
    select = [argument for model in sys.argv[4:] for argument in ("--select", f"+{model}")]
    write_spark_conf(conf, warehouse, "local[2]", "1g", FEW_ROWS)
    run_dbt(
        ["build", "--exclude-resource-types", "test", "unit_test", *select],
        project,
        "spark",
        warehouse,
        "2026-03",
    )
