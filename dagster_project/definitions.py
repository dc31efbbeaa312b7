"""Entry point of the code location; what is defined is in ``defs``."""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """Everything Meterhouse defines for Dagster."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
