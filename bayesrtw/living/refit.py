"""Fit what is due, compare it with what was published, and store the run."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from bayesrtw.analysis.catalog import open_analysis, open_dataset
from bayesrtw.analysis.concluded import conclusion
from bayesrtw.analysis.query import Selected, selected
from bayesrtw.analysis.run import Synthesis, run
from bayesrtw.analysis.spec import Analysis
from bayesrtw.bounded import bytes_of
from bayesrtw.engine import choose
from bayesrtw.evidence.table import Evidence
from bayesrtw.living.attribution import Basis
from bayesrtw.living.diff import Earlier, Later, difference, first, pooled, set_aside
from bayesrtw.living.figures import figures, moved
from bayesrtw.living.fresh import Standing
from bayesrtw.living.inputs import Inputs, software, stored_inputs, write_inputs
from bayesrtw.living.journal import published
from bayesrtw.living.outcome import Ending
from bayesrtw.living.plain import parsed
from bayesrtw.living.put import put
from bayesrtw.living.rows import plain_rows
from bayesrtw.living.store import Run, Writer, as_line, drafting, now, run_names
from bayesrtw.living.update import heartbeat
from bayesrtw.living.verify import vouched
from bayesrtw.posterior.tree import PACKAGES
from bayesrtw.registry import encode
from bayesrtw.report.document import as_json
from bayesrtw.report.folder import write_results
from bayesrtw.report.markdown import change_as_markdown
from bayesrtw.report.numbers import places_of
from bayesrtw.report.text import headline


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """Inputs, decoded."""

    #: analysis, source, selection: the analysis, its evidence, and the rows that it pools.
    analysis: Analysis
    source: Evidence
    selection: Selected
    identity: Mapping[str, Any]  #: What the run's name is a hash of.

    @property
    def run_id(self) -> str:
        """Identity of the run, 64 hexadecimal digits."""
        return hashlib.sha256(as_line(self.identity).encode()).hexdigest()


def refit(
    writer: Writer, inputs: Inputs, found: Standing, *, force: bool = False, report: bool = True
) -> Ending:
    """Fit an analysis and store the run, unless it is the last one again."""
    start = time.monotonic()
    with drafting(writer) as draft:
        opened = open_inputs(*write_inputs(inputs, draft / "inputs"))
        latest = found.latest
        same = latest is not None and latest.manifest["run_id"] == opened.run_id
        if same and not found.scheduled and not force:
            text = "the files changed, and nothing that this analysis pools"
            return heartbeat(writer, inputs, found, text=text)
        synthesis = run(opened.analysis, opened.source)
        if same:
            assert latest is not None
            return _again(writer, inputs, found, latest, synthesis)
        base = published(writer.store, writer.analysis)
        if base is not None:
            vouched(writer.store, base)
        before = before_of(base) if base is not None else None
        passed = not any(finding.severity == "failed" for finding in synthesis.findings)
        held = before.conclusion if before and _same_series(before, opened) else ""
        concluded = conclusion(synthesis, before=held)
        after = Later(synthesis, opened.source, figures(synthesis), opened.identity, concluded)
        diff = difference(before, after) if before else first(after)
        code, reasons = _judged(diff, synthesis)
        # Whatever else is said of a run, a person decides about these.
        held_back = diff["conclusion"]["changed"] or diff["conflicts"] or not passed
        status = "draft" if held_back else "published"
        manifest = {
            "created": now(),
            "status": status,
            "code": code,
            "reasons": [*found.reasons, *reasons],
            "series": _series(writer, base, diff),
            "baseline": base.name if base else None,
            "identity": opened.identity,
            "inputs": inputs.hashes(),
            "every_days": inputs.every_days,
            "seconds": round(time.monotonic() - start, 3),
            "result": _result(synthesis, after, diff),
        }
        _fill(draft, synthesis, opened.source, diff, manifest, report=report)
        stored = put(writer, draft, opened.run_id, manifest)
    name = concluded.name if concluded else ""
    text = "; ".join(reasons) if reasons else ("first run" if base is None else "no number moved")
    return Ending(
        writer.analysis,
        code,
        "first" if base is None else "run",
        text,
        stored.name,
        status,
        name,
        (*found.reasons, *reasons),
        time.monotonic() - start,
    )


def open_inputs(toml: Path, entry: Path) -> Opened:
    """Decode the inputs of a run."""
    analysis = open_analysis(toml)
    source = open_dataset(entry, **analysis.reads)
    selection = selected(analysis, source)
    engine = analysis.engine or choose(analysis.model, selection.evidence)
    settings = encode(engine)
    said = [f"{finding.check}: {finding.message}" for finding in selection.findings]
    rows = hashlib.sha256(as_line([selection.evidence.digest(), *said]).encode())
    identity = {
        "analysis": analysis.digest,
        "evidence": rows.hexdigest(),
        "engine": settings,
        "seed": analysis.seed,
        "versions": software(PACKAGES[str(settings["kind"])]),
    }
    return Opened(analysis, source, selection, identity)


def _same_series(before: Earlier, opened: Opened) -> bool:
    return bool(before.identity["analysis"] == opened.identity["analysis"])


def before_of(base: Run) -> Earlier:
    """Take what a stored run says, with its inputs behind functions that read them when asked."""
    result, analysis = base.manifest["result"], str(base.manifest["analysis"])
    rows = parsed(bytes_of(base.folder / "rows.json"))

    def reopen() -> Basis:
        toml, entry = stored_inputs(base.folder, analysis)
        spec = open_analysis(toml)
        return Basis(spec, open_dataset(entry, strict=False, **spec.reads))

    def tree() -> xr.DataTree:
        return xr.open_datatree(base.folder / "posterior.nc", engine="h5netcdf")

    return Earlier(
        name=base.name,
        figures=result["figures"],
        rows=rows,
        identity=base.manifest["identity"],
        revision=result["revision"],
        version=result["version"],
        conclusion=result["class"],
        set_aside=tuple(result["set_aside"]),
        pits=tuple(result["pits"]),
        pooled=result["pooled"],
        reopen=reopen,
        tree=tree,
    )


def _judged(diff: Mapping[str, Any], synthesis: Synthesis) -> tuple[int, list[str]]:
    """Give the exit code of a run, and every reason for it."""
    reasons: list[tuple[int, str]] = []
    failed = [f.message for f in synthesis.findings if f.severity == "failed"]
    reasons += [(50, text) for text in failed]
    aside = [entry["text"] for entry in diff["set_aside"] if entry["new"]] if diff["from"] else []
    reasons += [(40, text) for text in aside]
    reasons += [(30, text) for text in diff["conflicts"]]
    reasons += [
        (30, f"{entry['row']} is surprising: tail probability {entry['tail']:.2g}")
        for entry in diff["surprise"]
        if entry["surprising"]
    ]
    if diff["drift"] and diff["drift"]["drift"]:
        reasons.append((30, f"new results drift from predictions (P = {diff['drift']['p']:.2g})"))
    found = diff["conclusion"]
    if found["changed"]:
        reasons.append((20, f"conclusion: {found['old']!r} to {found['new']!r} ({diff['label']})"))
    count = sum(entry["moved"] for entry in diff["results"])
    if count:
        reasons.append((10, f"{count} of {len(diff['results'])} numbers moved ({diff['label']})"))
    return max((code for code, _ in reasons), default=0), [text for _, text in reasons]


def _series(writer: Writer, base: Run | None, diff: Mapping[str, Any]) -> int:
    """Count series: a change of the analysis, or of software that moves numbers, opens a new one."""
    if base is None:
        return 1 if not run_names(writer.store, writer.analysis) else 2
    current = int(base.manifest["series"])
    software_only = diff["label"] == "method revision (software)"
    numbers_moved = any(entry["moved"] for entry in diff["results"])
    opens = diff["label"] == "method revision" or (software_only and numbers_moved)
    return current + 1 if opens else current


def _result(synthesis: Synthesis, after: Later, diff: Mapping[str, Any]) -> dict[str, Any]:
    """Give what readers of a store see without opening the run's files."""
    analysis, data = synthesis.analysis, synthesis.evidence.data
    attrs = synthesis.posterior.attrs
    table = synthesis.quantities
    back, line = {}, None
    mean = analysis.model.pooled
    if mean in table.index:
        row = dict(table.loc[mean])
        line = [float(row[name]) for name in ("lower", "median", "upper")]
        back = {name: float(row[f"{name}_back"]) for name in ("median", "lower", "upper")}
    concluded = after.conclusion
    return {
        "title": analysis.title,
        "question": analysis.question,
        "revision": analysis.revision,
        "registered": str(analysis.registered) if analysis.registered else None,
        "headline": headline(synthesis),
        "class": concluded.name if concluded else "",
        "conclusion": asdict(concluded) if concluded else None,
        "measure": attrs["measure"],
        "unit": attrs["unit"],
        "log": synthesis.evidence.measure.ratio,
        "places": places_of(
            zip(data["effect"].to_numpy(), data["se"].to_numpy(), strict=True),
            synthesis.evidence.measure,
        ),
        "back": back,
        "which": analysis.model.which(mean),
        "line": line,
        "pooled": pooled(synthesis),
        "figures": after.figures,
        "estimates": synthesis.evidence.size,
        "studies": len({str(name) for name in data["study"].to_numpy()}),
        "dataset": synthesis.evidence.provenance.dataset,
        "version": synthesis.evidence.provenance.version,
        "caveat": synthesis.evidence.provenance.caveat,
        "set_aside": list(set_aside(synthesis)),
        "failed": [f.message for f in synthesis.findings if f.severity == "failed"],
        "pits": diff["pits"],
    }


def _fill(
    draft: Path,
    synthesis: Synthesis,
    source: Evidence,
    diff: Mapping[str, Any],
    manifest: Mapping[str, Any],
    *,
    report: bool,
) -> None:
    """Write everything but the manifest into a draft."""
    result = manifest["result"]
    text = change_as_markdown(diff, headline=result["headline"], caveat=result["caveat"])
    folder = write_results(
        synthesis, draft, source=source, report=report, alternatives=False, change=diff
    )
    for item in folder.iterdir():
        item.rename(draft / item.name)
    folder.rmdir()
    (draft / "rows.json").write_text(as_json(plain_rows(synthesis.evidence)), encoding="utf-8")
    (draft / "analysis.json").write_text(
        json.dumps(encode(synthesis.analysis), indent=2, default=str, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )
    (draft / "diff.json").write_text(as_json(diff), encoding="utf-8")
    (draft / "diff.md").write_text(text, encoding="utf-8")
    (draft / "checks.json").write_text(as_json(_checks(synthesis, manifest)), encoding="utf-8")


def _checks(synthesis: Synthesis, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Certify a run: what was checked, with which software, and what came out."""
    tree = synthesis.posterior
    exact = "quadrature" in tree.children
    source = tree["quadrature"].to_dataset() if exact else None
    return {
        "schema": 1,
        "passed": not manifest["result"]["failed"],
        "failed": manifest["result"]["failed"],
        "engine": manifest["identity"]["engine"],
        "seed": manifest["identity"]["seed"],
        "versions": manifest["identity"]["versions"],
        "quadrature_error": float(source["error"]) if source is not None else None,
        "nodes": int(source.sizes["node"]) if source is not None else None,
        "findings": [
            {"check": f.check, "severity": f.severity, "message": f.message}
            for f in synthesis.findings
        ],
    }


def _again(
    writer: Writer, inputs: Inputs, found: Standing, latest: Run, synthesis: Synthesis
) -> Ending:
    """Hold the same run once more against the stored one: the digits must be the same."""
    new = figures(synthesis)
    stored = latest.manifest["result"]["figures"]
    changed = [entry for entry in moved(stored, new) if entry["moved"]]
    if changed:
        words = ", ".join(f"{entry['estimand']}: {entry['number']}" for entry in changed[:5])
        text = f"a refit of the same inputs with the same software gives other numbers ({words})"
        return Ending(
            writer.analysis,
            30,
            "refit",
            text,
            latest.name,
            conclusion=latest.manifest["result"]["class"],
        )
    return heartbeat(writer, inputs, found, refitted=now(), text="fitted again; the numbers agree")
