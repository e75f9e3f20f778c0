"""A folder of results: it appears whole, or not at all; and the index over all of them."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bayesrtw.analysis.run import Synthesis
from bayesrtw.durable import draft_folder, replace_file, writing
from bayesrtw.errors import OutputError, shown
from bayesrtw.evidence.cells import guarded
from bayesrtw.evidence.table import Evidence
from bayesrtw.report.document import as_json, document

#: What a run of this program writes into a folder of results.
OWN = re.compile(
    r"estimates\.csv|synthesis\.json|posterior\.nc|report\.html|(forest[^/]*|network|league)\.(svg|png)"
)


def write_results(
    synthesis: Synthesis,
    out: Path,
    *,
    source: Evidence | None = None,
    report: bool = False,
    alternatives: bool = True,
    change: Mapping[str, Any] | None = None,
    pictures: bool = True,
) -> Path:
    """Write a synthesis into ``out/<id>``, in place of an earlier one; a report has its pictures always."""
    target = out / synthesis.analysis.id
    with writing(out):
        if target.is_symlink():
            raise OutputError(
                f"{target}: is a symbolic link, which is not followed; nothing was written. Remove it, or "
                "choose another --out."
            )
        taken = target.exists() and not (target / "synthesis.json").is_file()
        if taken:
            raise OutputError(
                f"{target}: exists and holds no synthesis; nothing was written. Choose another --out, "
                "or move it away."
            )
        foreign = _foreign(target)
        if foreign:
            raise OutputError(
                f"{target}: holds {shown(foreign)}, which this program did not write and would delete; "
                "move it away, or choose another --out."
            )
        out.mkdir(parents=True, exist_ok=True)
    with writing(target), draft_folder(out) as partial:
        content = _content(synthesis, source, alternatives, change) if report else None
        _fill(synthesis, partial, content, pictures)
        _swap(partial, target)
    return target


def _foreign(target: Path) -> list[str]:
    """Names in a folder of results that no run of this program wrote."""
    if not target.is_dir():
        return []
    return sorted(item.name for item in target.iterdir() if not OWN.fullmatch(item.name))


def _content(
    synthesis: Synthesis,
    source: Evidence | None,
    alternatives: bool,
    change: Mapping[str, Any] | None,
) -> dict[str, Any]:
    from bayesrtw.report.record import record  # noqa: PLC0415

    return {
        **record(synthesis, source, alternatives=alternatives),
        "change": change,
    }


def _fill(
    synthesis: Synthesis, folder: Path, report: dict[str, Any] | None, pictures: bool
) -> None:
    content = report or document(synthesis)
    (folder / "synthesis.json").write_text(as_json(content), encoding="utf-8")
    table = synthesis.quantities.rename(columns={"variable": "kind"})
    table["label"] = [guarded(str(label)) for label in table["label"]]
    table.index = table.index.map(lambda name: guarded(str(name)))
    table.to_csv(folder / "estimates.csv", lineterminator="\n")
    # Made in memory: on a disk that fills up, the HDF5 library would end the process.
    # Its view is let go of at once: a buffer that is collected together with one says so on stderr.
    with synthesis.posterior.to_netcdf(engine="h5netcdf") as tree:
        (folder / "posterior.nc").write_bytes(tree)
    if not (report or pictures):
        return
    from bayesrtw.plot.figure import figure_bytes  # noqa: PLC0415
    from bayesrtw.report.figures import figures, forests  # noqa: PLC0415
    from bayesrtw.report.render import page  # noqa: PLC0415

    drawn = figures(synthesis, report) if report else forests(synthesis)
    for each in drawn.values():
        if each.file:
            (folder / f"{each.file}.svg").write_bytes(each.svg)
            (folder / f"{each.file}.png").write_bytes(figure_bytes(each.figure, "png"))
    if report:
        (folder / "report.html").write_text(page(synthesis, report, drawn), encoding="utf-8")


def write_index(out: Path) -> Path:
    """Write ``index.html`` over the results in a folder, whichever run they are of."""
    from bayesrtw.report.html import render_index  # noqa: PLC0415

    found = []
    for place in sorted(out.glob("*/synthesis.json")):
        if not place.parent.is_symlink() and (place.parent / "report.html").is_file():
            found.append(_read(place))
    path = out / "index.html"
    with writing(path, ""):
        if path.is_symlink():
            raise OutputError(f"{path}: is a symbolic link, which is not followed; remove it.")
        replace_file(path, render_index([each for each in found if each]).encode(), sync=False)
    return path


def _read(place: Path) -> dict[str, Any] | None:
    try:
        return whole(place.read_text(encoding="utf-8"), place.parent.name)
    except (OSError, ValueError):
        return None


def whole(text: str, name: str) -> dict[str, Any] | None:
    """Read a synthesis by the name of its folder; None where another version or another hand wrote it."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    has = isinstance(content, dict) and {"id", "estimates", "rows", "measure"} <= content.keys()
    return content if has and content["rows"] and content["id"] == name else None


def _swap(partial: Path, target: Path) -> None:
    """Put the finished folder in place; between the two renames there is no result, never half."""
    if not target.exists():
        partial.rename(target)
        return
    old = partial.with_name(f"{partial.name}-old")
    target.rename(old)
    try:
        partial.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
