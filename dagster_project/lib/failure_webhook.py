"""Telling another system that a run failed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

_ATTEMPTS = 3
_TIMEOUT_SECONDS = 5


@dataclass(frozen=True)
class RunFailure:
    """What is sent, as one JSON object under these names.

    ``period`` is the billing month, ``2026-01...2026-03`` of a run over several, None of one
    without. ``error`` is one sentence,
    ``failed_checks`` says of each check what it found; those that only warn are among them.
    """

    run_id: str
    job: str
    period: str | None
    error: str
    failed_checks: list[str] = field(default_factory=list)


def send_failure(url: str, failure: RunFailure) -> str | None:
    """Post a failure as JSON; try three times, five seconds each.

    Returns: None, or a sentence that says why it could not be sent; nothing is raised, since
        whoever fails already has something more important to say. The address is not in it,
        as it may be a secret.
    """
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    retry = Retry(
        _ATTEMPTS - 1,
        backoff_factor=0.5,
        allowed_methods=None,
        status_forcelist=(429, 500, 502, 503, 504),
        respect_retry_after_header=False,
    )
    try:
        with requests.Session() as session:
            for scheme in ("http://", "https://"):
                session.mount(scheme, HTTPAdapter(max_retries=retry))
            answer = session.post(url, json=asdict(failure), timeout=_TIMEOUT_SECONDS)
    except requests.RequestException as error:
        reason = _reason(error)
    else:
        if answer.ok:
            return None
        reason = f"it answered {answer.status_code}"
    return f"The failure could not be sent to METERHOUSE_FAILURE_WEBHOOK: {reason}."


def _reason(error: BaseException) -> str:
    """The kind of what lies at the bottom; the texts above it hold the address."""
    inner = getattr(error.args[0], "reason", None) if error.args else None
    return type(inner or error).__name__
