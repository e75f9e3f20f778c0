"""A synthesis as one JSON document: everything needed to read it and to repeat it."""

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesrtw.analysis.catalog import dataset_ids, register
from bayesrtw.analysis.run import Synthesis
from bayesrtw.evidence.measure import measure_named
from bayesrtw.evidence.participants import participants
from bayesrtw.posterior.stored import shares_in
from bayesrtw.posterior.tree import direction_of, pooled_of
from bayesrtw.printed import visible
from bayesrtw.registry import encode
from bayesrtw.report.behind import behind_of
from bayesrtw.report.rows import rows

if TYPE_CHECKING:
    import pandas as pd

#: Version of the document's layout; additions do not raise it.
SCHEMA = 1

#: Most rows whose numbers a document holds; beyond, it has the first ones, and no effect behind any of them.
#: A table of all estimates stands beside it.
MOST_TOLD = 10_000

_SCALE = ("mean", "sd", "median", "lower", "upper")


def document(synthesis: Synthesis) -> dict[str, Any]:
    """Write a synthesis as plain data."""
    analysis, tree = synthesis.analysis, synthesis.posterior
    attrs = tree.attrs
    table = json.loads(json.dumps(encode(analysis), default=str))
    return {
        "schema": SCHEMA,
        "id": analysis.id,
        "title": analysis.title,
        "question": analysis.question,
        "registered": str(analysis.registered) if analysis.registered else None,
        "revision": analysis.revision,
        "digest": analysis.digest,
        "shipped": _shipped(synthesis),
        "seed": analysis.seed,
        "rationale": list(analysis.rationale),
        "evidence": _evidence(synthesis),
        "rows": rows(synthesis, MOST_TOLD),
        "rows_left_out": max(0, synthesis.evidence.size - MOST_TOLD),
        "participants": participants(synthesis.evidence),
        "measure": attrs["measure"],
        "benefit": attrs["benefit"] or None,
        "event": direction_of(tree).event,
        "sides": [attrs["below"], attrs["above"]],
        "programme": attrs["programme"],
        "outcome": _outcome(synthesis),
        "unit": attrs["unit"],
        "engine": _engine(synthesis),
        "estimands": _questions(synthesis.estimates),
        "estimates": {name: _estimate(row) for name, row in _rows(_told(synthesis))},
        "pooled": _pooled(synthesis),
        "behind": behind_of(synthesis, measure_named(str(attrs["measure"]))),
        "weights": _weights(synthesis),
        "variants": {
            variant: _questions(estimates) for variant, estimates in synthesis.variants.items()
        },
        "findings": [
            {"check": f.check, "severity": f.severity, "message": f.message}
            for f in synthesis.findings
        ],
        "analysis": table,
        "versions": json.loads(str(attrs["versions"])),
    }


def as_json(content: object) -> str:
    """Print plain data as JSON that never holds NaN or infinity."""
    return visible(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def _rows(frame: "pd.DataFrame") -> list[tuple[str, dict[str, Any]]]:
    return [(str(name), dict(row)) for name, row in frame.iterrows()]


def number(value: Any) -> float | None:
    """Turn a figure into a JSON number, None where it does not exist."""
    return float(value) if math.isfinite(float(value)) else None


def cells(table: "pd.DataFrame") -> dict[str, dict[str, float | str | None]]:
    """Turn a table of numbers and words into plain data."""
    return {
        str(row): {
            str(column): value if isinstance(value, str) else number(value)
            for column, value in own.items()
        }
        for row, own in table.to_dict(orient="index").items()
    }


def records(rows: "list[dict[Any, Any]]") -> list[dict[str, Any]]:
    """Turn rows of numbers and words into plain data, in their order."""
    return [
        {
            str(name): value if isinstance(value, str) else number(value)
            for name, value in row.items()
        }
        for row in rows
    ]


def _told(synthesis: Synthesis) -> "pd.DataFrame":
    """Take what the document tells of quantities: all, or all but effects behind very many estimates."""
    table = synthesis.quantities
    return table if synthesis.evidence.size <= MOST_TOLD else table[table["variable"] != "theta"]


def _estimate(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: number(row[name]) for name in _SCALE},
        "ci_prob": number(row["ci_prob"]),
        "ci_kind": row["ci_kind"],
        "probability": number(row["probability"]),
        "back_transformed": {name: number(row[f"{name}_back"]) for name in _SCALE},
    }


def _questions(frame: "pd.DataFrame") -> dict[str, Any]:
    return {name: _question(row) for name, row in _rows(frame)}


def _question(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "of": row["of"],
        "which": row["which"],
        **_estimate(row),
        "threshold": number(row["threshold"]),
        "side": "above" if row["above"] else "below",
    }


def _shipped(synthesis: Synthesis) -> bool:
    """Whether the command with the analysis's id alone repeats this."""
    entry = register().get(synthesis.analysis.id)
    known = entry is not None and entry["digest"] == synthesis.analysis.digest
    return known and synthesis.evidence.provenance.dataset in dataset_ids()


def _evidence(synthesis: Synthesis) -> dict[str, Any]:
    data, origin = synthesis.evidence.data, synthesis.evidence.provenance
    designs: dict[str, int] = {}
    if "design" in data:
        for name in data["design"].to_numpy():
            designs[str(name)] = designs.get(str(name), 0) + 1
    return {
        "dataset": origin.dataset,
        "title": origin.title,
        "version": origin.version,
        "sha256": origin.sha256,
        "rows_sha256": synthesis.posterior.attrs["evidence_sha256"],
        "citation": origin.citation,
        "doi": origin.doi,
        "licence": origin.licence,
        "retrieved": origin.retrieved,
        "caveat": origin.caveat,
        "sample": origin.sample,
        "estimates": synthesis.evidence.size,
        "studies": len({str(name) for name in data["study"].to_numpy()}),
        "estimates_by_design": dict(sorted(designs.items())),
    }


def _outcome(synthesis: Synthesis) -> str:
    evidence = synthesis.evidence
    return "; ".join(evidence.outcomes[name].title for name in evidence.outcome_names)


def _engine(synthesis: Synthesis) -> dict[str, Any]:
    tree = synthesis.posterior
    found: dict[str, Any] = {
        "kind": tree.attrs["engine"],
        "settings": json.loads(str(tree.attrs["engine_settings"])),
    }
    if "quadrature" in tree.children:
        source = tree["quadrature"].to_dataset()
        found["nodes"] = int(source.sizes["node"])
        found["error"] = float(source["error"])
        proper = bool(np.all(tree["constant_data"]["precision"].to_numpy() > 0)) and all(
            prior.proper for prior in synthesis.analysis.model.hyper.values()
        )
        found["log_evidence"] = float(source["log_evidence"]) if proper else None
    return found


def _pooled(synthesis: Synthesis) -> dict[str, str] | None:
    """Name the pooled mean and the new setting that the answer is about, and say which they are."""
    model, has = synthesis.analysis.model, synthesis.quantities.index
    if model.pooled not in has:
        return None
    new = model.new if model.new in has else ""
    return {
        "of": model.pooled,
        "which": model.which(model.pooled),
        "new": new,
        "new_which": model.which(new),
    }


def _weights(synthesis: Synthesis) -> dict[str, Any] | None:
    """Share of each estimate and of the prior in the pooled mean."""
    few = synthesis.evidence.size <= MOST_TOLD
    if "quadrature" not in synthesis.posterior.children or not few:
        return None
    source = synthesis.posterior["quadrature"].to_dataset()
    found = shares_in(source, pooled_of(synthesis.posterior))
    if found is None:
        return None
    names, (shares, prior) = source["estimate"].to_numpy(), found
    return {
        "estimates": {str(name): float(share) for name, share in zip(names, shares, strict=True)},
        "prior": prior,
    }
