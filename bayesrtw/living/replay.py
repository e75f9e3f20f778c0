"""A stored run once more, from its folder alone, and whether the digits agree."""

import json
from dataclasses import dataclass
from typing import Any

from bayesrtw.analysis.concluded import conclusion
from bayesrtw.analysis.run import run as run_analysis
from bayesrtw.bounded import bytes_of
from bayesrtw.errors import StoreError
from bayesrtw.living.diff import Later, difference
from bayesrtw.living.figures import figures, moved
from bayesrtw.living.inputs import stored_inputs
from bayesrtw.living.plain import parsed
from bayesrtw.living.refit import before_of, open_inputs
from bayesrtw.living.store import Run
from bayesrtw.living.verify import verify_run
from bayesrtw.report.document import document

#: Parts of synthesis.json that hold results.
RESULTS = ("estimands", "estimates", "weights", "variants")


@dataclass(frozen=True, slots=True)
class Replay:
    """How a run compares with the same run now."""

    numbers: int  #: Numbers of results that were compared.
    equal: int  #: How many have the same digits.
    largest: float  #: Largest difference, relative to the larger of the two and at least 1e-300.
    where: str  #: Where that is; empty if all are equal.
    within: bool  #: Whether no reported number moved by more than its numerical error.
    versions: tuple[str, ...]  #: Packages that differ, with the stored and the present version.

    @property
    def same(self) -> bool:
        """Whether every digit is the same."""
        return self.equal == self.numbers


def replay(run: Run) -> Replay:
    """Run a stored run again from its own folder."""
    faults = [oddity for oddity in verify_run(run) if oddity.severity == "fault"]
    if faults:
        raise StoreError(f"{run.folder}: {faults[0].where}: {faults[0].message} Restore it first.")
    opened = open_inputs(*stored_inputs(run.folder, str(run.manifest["analysis"])))
    synthesis = run_analysis(opened.analysis, opened.source)
    stored = parsed(bytes_of(run.folder / "synthesis.json"))
    now = json.loads(json.dumps(document(synthesis)))
    pairs = [pair for part in RESULTS for pair in _numbers(stored.get(part), now.get(part), part)]
    gaps = [(_gap(old, new), where) for where, old, new in pairs]
    largest, where = max(gaps, default=(0.0, ""))
    changed = moved(run.manifest["result"]["figures"], figures(synthesis))
    before, after = run.manifest["identity"]["versions"], opened.identity["versions"]
    return Replay(
        numbers=len(pairs),
        equal=sum(old == new for _, old, new in pairs),
        largest=largest,
        where=where if largest else "",
        within=not any(entry["moved"] for entry in changed),
        versions=tuple(
            f"{name} {before.get(name)} to {after.get(name)}"
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        ),
    )


def compare(old: Run, new: Run) -> dict[str, Any]:
    """Say what changed between any two runs of an analysis; the later one is fitted once more."""
    names = [str(run.manifest["analysis"]) for run in (old, new)]
    if names[0] != names[1]:
        raise StoreError(
            f"runs of {names[0]!r} and of {names[1]!r} answer different questions; name two runs of one."
        )
    opened = open_inputs(*stored_inputs(new.folder, names[1]))
    synthesis = run_analysis(opened.analysis, opened.source)
    before = before_of(old)
    same = before.identity["analysis"] == opened.identity["analysis"]
    held = before.conclusion if same else ""
    concluded = conclusion(synthesis, before=held)
    after = Later(synthesis, opened.source, figures(synthesis), new.manifest["identity"], concluded)
    return difference(before, after)


def _numbers(old: Any, new: Any, where: str) -> list[tuple[str, Any, Any]]:
    """Pair the numbers of two documents by their place."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = [*old, *(name for name in new if name not in old)]
        return [
            pair
            for name in names
            for pair in _numbers(old.get(name), new.get(name), f"{where}.{name}")
        ]
    if isinstance(old, float | int) or isinstance(new, float | int):
        return [(where, old, new)]
    return []


def _gap(old: Any, new: Any) -> float:
    if old == new:
        return 0.0
    if not isinstance(old, float | int) or not isinstance(new, float | int):
        return float("inf")
    return float(abs(old - new) / max(abs(old), abs(new), 1e-300))
