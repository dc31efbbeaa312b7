"""What a check says about what it has found, in the same words everywhere."""

from collections.abc import Sequence

import dagster as dg

# Text of each file that could not be opened at the last load, and whether it stops an issue.
UNREAD_FILES = (
    "select source_file || ': ' || error, true from raw.failed_files order by source_file"
)


def verdict(
    findings: Sequence[str], *, stops: bool, check_name: str | None = None
) -> dg.AssetCheckResult:
    """A check that passes when nothing was found, and else names the first five.

    Args:
        findings: A clause for each.
        stops: Whether the run ends here; otherwise it warns.
        check_name: Needed where an asset has the check in itself.
    """
    more = [f"and {len(findings) - 5} more"] if len(findings) > 5 else []
    return dg.AssetCheckResult(
        check_name=check_name,
        passed=not findings,
        severity=dg.AssetCheckSeverity.ERROR if stops else dg.AssetCheckSeverity.WARN,
        description="; ".join([*findings[:5], *more]) or None,
        metadata={"findings": list(findings[:1000]), "finding_count": len(findings)},
    )
