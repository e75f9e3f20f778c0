"""A folder of results: it appears whole, or not at all."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from bayesrtw.analysis.run import Synthesis
from bayesrtw.errors import OutputError, shown
from bayesrtw.model.moderator import Categorical
from bayesrtw.report.document import as_json, document


def write_results(synthesis: Synthesis, out: Path) -> Path:
    """Write a synthesis into ``out/<id>``, in place of an earlier one.

    Parameters
    ----------
    synthesis
        What `run` returned.
    out
        Folder of results; made if it does not exist.

    Returns
    -------
    Path
        The analysis's folder: ``estimates.csv``, ``synthesis.json``, ``posterior.nc``, and
        ``forest.svg`` and ``forest.png`` (one more pair for each further categorical moderator).

    Raises
    ------
    OutputError
        If the folder cannot be written; an earlier result is then still there.
    """
    target = out / synthesis.analysis.id
    try:
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
        partial = Path(tempfile.mkdtemp(prefix=f".{synthesis.analysis.id}-", dir=out))
    except OSError as error:
        raise OutputError(
            f"{out}: cannot be written ({error.strerror}); choose another --out."
        ) from None
    try:
        _fill(synthesis, partial)
        partial.chmod(0o755)
        _swap(partial, target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror}).") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _foreign(target: Path) -> list[str]:
    """Names in a folder of results that no run of this program wrote."""
    if not target.is_dir():
        return []
    own = re.compile(r"estimates\.csv|synthesis\.json|posterior\.nc|forest[^/]*\.(svg|png)")
    return sorted(item.name for item in target.iterdir() if not own.fullmatch(item.name))


def _fill(synthesis: Synthesis, folder: Path) -> None:
    from bayesrtw.plot.figure import write_figure  # noqa: PLC0415
    from bayesrtw.plot.forest import plot_forest  # noqa: PLC0415

    (folder / "synthesis.json").write_text(as_json(document(synthesis)), encoding="utf-8")
    table = synthesis.quantities.rename(columns={"variable": "kind"})
    table.to_csv(folder / "estimates.csv", lineterminator="\n")
    synthesis.posterior.to_netcdf(folder / "posterior.nc", engine="h5netcdf")
    columns = [term.column for term in synthesis.analysis.term if isinstance(term, Categorical)]
    for place, column in enumerate(columns or [None]):
        title = synthesis.analysis.title
        axes = plot_forest(synthesis.posterior, group_by=column, title=title)
        figure = axes.get_figure(root=True)
        assert figure is not None
        name = "forest" if place == 0 else f"forest-{column}"
        for suffix in ("svg", "png"):
            write_figure(figure, folder / f"{name}.{suffix}")


def _swap(partial: Path, target: Path) -> None:
    """Put the finished folder in place; between the two renames there is no result, never half."""
    if not target.exists():
        partial.rename(target)
        return
    old = target.with_name(f".{target.name}-old-{os.getpid()}")
    target.rename(old)
    try:
        partial.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
