"""What changed between two runs, and why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from bayesrtw.analysis.conclusion import Conclusion, Rules, classify
from bayesrtw.analysis.outlook import USUAL, outlook, usual_trials
from bayesrtw.analysis.run import Synthesis
from bayesrtw.errors import BayesrtwError, EngineRefusal
from bayesrtw.evidence.table import Evidence
from bayesrtw.living.attribution import Basis, Triple, attribute, left_out, of_row
from bayesrtw.living.figures import Figures, moved
from bayesrtw.living.rows import Rows, compare_rows, plain_rows
from bayesrtw.living.surprise import drift, surprise

#: Version of the layout of diff.json; additions do not raise it.
SCHEMA = 1


@dataclass(frozen=True, slots=True, eq=False)
class Earlier:
    """The run that an update is compared with."""

    name: str  #: Its name.
    #: figures, rows: its numbers and its pooled rows.
    figures: Figures
    rows: Rows
    identity: Mapping[str, Any]  #: Analysis digest, evidence hash, engine, seed, versions.
    #: revision, version: of the analysis, and of the data set.
    revision: int
    version: int
    conclusion: str  #: Its class; empty if it has none.
    set_aside: tuple[str, ...]  #: Rows that were not used, one sentence each.
    #: Predictive distribution functions at all new results of the series so far.
    pits: tuple[float, ...]
    pooled: Triple | None  #: ``mean, width, probability`` of its pooled mean; None without one.
    #: Gives its analysis and evidence; called only where something must be refitted.
    reopen: Callable[[], Basis]
    #: Gives its posterior; called only where the exact engine cannot predict.
    tree: Callable[[], xr.DataTree]


@dataclass(frozen=True, slots=True, eq=False)
class Later:
    """The run that an update made."""

    synthesis: Synthesis  #: What was run.
    source: Evidence  #: The evidence before rows were selected.
    figures: Figures  #: Its numbers.
    identity: Mapping[str, Any]  #: Analysis digest, evidence hash, engine, seed, versions.
    conclusion: Conclusion | None  #: Its class and what it rests on; None without a pooled mean.


def set_aside(synthesis: Synthesis) -> tuple[str, ...]:
    """Give the rows that wait for a signature or were refused, one sentence each."""
    return tuple(
        finding.message for finding in synthesis.findings if finding.check == "quarantined"
    )


def pooled(synthesis: Synthesis) -> Triple | None:
    """Give the numbers of the pooled mean."""
    name = synthesis.analysis.model.pooled
    if name not in synthesis.quantities.index:
        return None
    return of_row(dict(synthesis.quantities.loc[name]))


def difference(before: Earlier, after: Later) -> dict[str, Any]:
    """Say what changed between two runs, and why."""
    synthesis = after.synthesis
    analysis = synthesis.analysis
    rows = compare_rows(before.rows, plain_rows(synthesis.evidence))
    method = before.identity["analysis"] != after.identity["analysis"]
    versions = _versions(before.identity["versions"], after.identity["versions"])
    evidence = any(rows[key] for key in ("added", "withdrawn", "corrected"))
    results = moved(before.figures, after.figures, tolerance=analysis.living.tolerance)
    side = Basis(analysis, after.source)
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "analysis": analysis.id,
        "title": analysis.title,
        "from": before.name,
        "event": synthesis.evidence.direction.event,
        "label": _label(rows, method=method, software=bool(versions)),
        "inputs": {
            **rows,
            "versions": versions,
            "method": _method(before, after) if method else {},
        },
        "results": results,
        "conclusion": _conclusion(before, after, analysis.conclusion),
        "set_aside": [
            {"text": text, "new": text not in before.set_aside} for text in set_aside(synthesis)
        ],
        "conflicts": _conflicts(before, after, rows, method=method),
    }
    now = pooled(synthesis)
    any_moved = any(entry["moved"] for entry in results)
    found["attribution"], found["left_out"] = None, []
    if any_moved and now is not None and before.pooled is not None:
        found["attribution"] = _attributed(before, side, now, software=bool(versions))
        if rows["new_studies"]:
            found["left_out"] = left_out(side, rows["new_studies"], now)
    found["surprise"], found["notes"] = _surprise(before, after, rows) if evidence else ([], [])
    pits = [*before.pits, *(entry["pit"] for entry in found["surprise"])]
    found["pits"], found["drift"] = pits, drift(pits)
    limit = analysis.living.surprise
    for entry in found["surprise"]:
        entry["surprising"] = entry["tail"] < limit
    return found


def first(after: Later) -> dict[str, Any]:
    """Give the difference of a run that has nothing before it."""
    analysis = after.synthesis.analysis
    name = after.conclusion.name if after.conclusion else ""
    return {
        "schema": SCHEMA,
        "analysis": analysis.id,
        "title": analysis.title,
        "from": None,
        "event": after.synthesis.evidence.direction.event,
        "label": "first run",
        "inputs": {},
        "results": [],
        "conclusion": {
            "old": "",
            "new": name,
            "changed": False,
            "robustness": robustness(after, analysis.conclusion),
            "outlook": next_trial(after, analysis.conclusion),
        },
        "set_aside": [{"text": text, "new": True} for text in set_aside(after.synthesis)],
        "conflicts": [],
        "attribution": None,
        "left_out": [],
        "surprise": [],
        "pits": [],
        "drift": None,
        "notes": [],
    }


def _label(rows: Mapping[str, Any], *, method: bool, software: bool) -> str:
    if method:
        return "method revision"
    words = [
        word
        for word, key in (
            ("new results", "added"),
            ("withdrawn results", "withdrawn"),
            ("corrections", "corrected"),
        )
        if rows[key]
    ]
    if words:
        return ", ".join(words)
    return "method revision (software)" if software else "nothing in the pooled rows"


def _versions(old: Mapping[str, str], new: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {"package": name, "old": old.get(name), "new": new.get(name)}
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _method(before: Earlier, after: Later) -> dict[str, Any]:
    return {
        "revision": {"old": before.revision, "new": after.synthesis.analysis.revision},
        "digest": {"old": before.identity["analysis"], "new": after.identity["analysis"]},
    }


def _conclusion(before: Earlier, after: Later, rules: Rules) -> dict[str, Any]:
    """Old and new class, and by how much the bound of the new one is exceeded."""
    found = after.conclusion
    new = found.name if found else ""
    entry: dict[str, Any] = {
        "old": before.conclusion,
        "new": new,
        "changed": bool(before.conclusion) and new != before.conclusion,
    }
    if found:
        entry |= {
            "benefit": found.benefit,
            "harm": found.harm,
            "opposite": found.opposite,
            "spread": [f.message for f in after.synthesis.findings if f.check == "spread"],
            "sceptical": found.sceptical,
            "bounds": {"probable": rules.probable, "likely": rules.likely, "hold": rules.hold},
            "robustness": robustness(after, rules, held=before.conclusion),
            "outlook": next_trial(after, rules),
        }
    return entry


def next_trial(after: Later, rules: Rules) -> dict[str, Any] | None:
    """Say how probable it is that one more trial changes the class."""
    synthesis = after.synthesis
    model, rows = synthesis.analysis.model, synthesis.evidence
    if after.conclusion is None:
        return None
    trial = {USUAL: usual_trials(rows)[USUAL]}
    try:
        table = outlook(model, rows, rules, now=after.conclusion.name, trials=trial)
    except EngineRefusal:
        return None
    found = table.loc[USUAL].to_dict()
    figures = {name: float(found[name]) for name in ("se", "change", "narrower")}
    return {**figures, "then": str(found["then"])}


def robustness(after: Later, rules: Rules, *, held: str = "") -> dict[str, Any] | None:
    """Count the registered variants that give the class of the analysis, by probability alone."""
    found = after.conclusion
    if found is None or rules.threshold:
        return None
    name = classify(rules, found.benefit, found.harm, before=held)
    classes = {}
    for variant, table in after.synthesis.variants.items():
        rows = table[
            (table["of"] == after.synthesis.analysis.model.pooled) & (table["threshold"] == 0.0)
        ]
        if len(rows):
            row = rows.iloc[0].to_dict()
            chance = float(row["probability"])
            higher = after.synthesis.posterior.attrs["benefit"] != "lower"
            benefit = chance if bool(row["above"]) == higher else 1.0 - chance
            classes[variant] = classify(rules, benefit, before=held)
    if not classes:
        return None
    others = {variant: other for variant, other in classes.items() if other != name}
    return {"variants": len(classes), "same": len(classes) - len(others), "others": others}


def _conflicts(
    before: Earlier, after: Later, rows: Mapping[str, Any], *, method: bool
) -> list[str]:
    """Breaches of the rules that keep a series honest."""
    analysis = after.synthesis.analysis
    found = []
    if method and analysis.revision <= before.revision:
        found.append(
            f"The analysis changed and its revision is still {analysis.revision}; a change of an analysis "
            "is a new revision: raise it and register it."
        )
    version = after.source.provenance.version
    in_place = [entry["row"] for entry in rows["corrected"] if entry["how"] == "in place"]
    if in_place and version <= before.version:
        found.append(
            f"Rows were changed in place ({', '.join(in_place[:5])}"
            f"{f' and {len(in_place) - 5} more' if len(in_place) > 5 else ''}) and the data set has no "
            "higher version; a correction is a new row (columns result and corrects), or a new version "
            "of the data set."
        )
    return found


def _attributed(before: Earlier, side: Basis, now: Triple, *, software: bool) -> dict[str, Any]:
    assert before.pooled is not None
    try:
        old = before.reopen()
        return attribute(old, side, before.pooled, now, software=software)
    except BayesrtwError as error:
        total = {name: now[name] - before.pooled[name] for name in now}
        text = f"Not attributed: a mixture of old and new cannot be fitted ({error})"
        return {
            "of": side.analysis.model.pooled,
            "shares": {},
            "total": total,
            "refits": 0,
            "note": text,
        }


def _surprise(
    before: Earlier, after: Later, rows: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Hold the new rows against the previous analysis with all other rows."""
    names = {entry["row"] for entry in rows["added"]}
    evidence = after.synthesis.evidence
    labels = evidence.data["estimate"].to_numpy()
    new = np.array([str(label) in names for label in labels], dtype=bool)
    same = before.identity["analysis"] == after.identity["analysis"]
    try:
        analysis = after.synthesis.analysis if same else before.reopen().analysis
        return surprise(analysis.model, evidence, new, before.tree), []
    except BayesrtwError as error:
        return [], [f"The previous analysis predicts nothing about the new rows ({error})"]
