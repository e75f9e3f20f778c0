"""Whether an analysis is due: inputs, versions and schedule against the last run.

The common answer is no, and it must be cheap: only JSON and hashes are read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError
from typing import Any

from bayesrtw.living.inputs import Inputs, packages_of, software
from bayesrtw.living.journal import journal
from bayesrtw.living.store import Run, Store, read_run, run_names

#: A last fit that lies further ahead than this was dated by a clock that has gone back since.
CLOCK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an analysis stands."""

    latest: Run | None  #: Its last run; None if it was never run.
    reasons: tuple[str, ...]  #: Why it is due; empty if nothing is.
    scheduled: bool = False  #: Whether the schedule alone is why.
    fitted: str = ""  #: When it was last fitted, ISO 8601; empty if never.


def standing(store: Store, inputs: Inputs, *, at: datetime | None = None) -> Standing:
    """Say how an analysis stands."""
    names = run_names(store, inputs.analysis)
    if not names:
        return Standing(None, ("it was never run before",))
    latest = read_run(store, inputs.analysis, names[-1])
    seen: Mapping[str, Any] = latest.manifest["inputs"]
    fitted = str(latest.manifest["created"])
    for entry in journal(store, inputs.analysis).entries:
        if entry["kind"] == "heartbeat" and entry["run"] == latest.name:
            seen, fitted = entry["seen"], str(entry["fitted"])
    reasons = []
    hashes = inputs.hashes()
    if seen["analysis"] != hashes["analysis"]:
        reasons.append("the analysis file changed")
    if seen["evidence"] != hashes["evidence"]:
        reasons.append("the evidence changed")
    stored = latest.manifest["identity"]["versions"]
    changed = _changed(stored)
    if changed:
        reasons.append(f"the software changed ({', '.join(changed)})")
    late = _late(fitted, inputs.every_days, at or datetime.now(UTC))
    if late:
        reasons.append(late)
    return Standing(latest, tuple(reasons), bool(late) and len(reasons) == 1, fitted)


def _changed(stored: Mapping[str, str]) -> list[str]:
    try:
        current = software(packages_of(stored))
    except PackageNotFoundError as error:
        return [f"{error.name} is not installed"]
    return sorted(
        f"{name} {stored[name]} to {current[name]}"
        for name in stored
        if stored[name] != current[name]
    )


def _late(fitted: str, every_days: int | None, at: datetime) -> str:
    if every_days is None:
        return ""
    try:
        age = at - datetime.fromisoformat(fitted)
    except (ValueError, TypeError):
        return "its date cannot be read"
    if age < -CLOCK:
        return "the clock has gone back since it was last fitted"
    if age >= timedelta(days=every_days):
        return f"it was last fitted {age.days} days ago, and is due every {every_days}"
    return ""
