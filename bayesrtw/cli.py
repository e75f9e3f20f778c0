"""The command line: parse, call one function, print.

Exit codes: 0 all went well; 1 something could not be read, fitted or written, and is named; 2 the
command was not understood; 3 `check --strict` found doubts.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from bayesrtw.errors import BayesrtwError, SpecError, shown

if TYPE_CHECKING:
    from datetime import datetime

    from bayesrtw.analysis.spec import Analysis
    from bayesrtw.evidence.rule import Doubt
    from bayesrtw.evidence.table import Evidence


#: Processes that several analyses are spread over unless --jobs says otherwise.
MOST_JOBS = 4

#: Matrices here are small: threads of a linear algebra library would only wait for each other, and
#: their number would decide the order of sums. Set before NumPy is loaded; a user's setting stands.
for _library in ("OPENBLAS", "MKL", "OMP"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")


class _Commands(click.Group):
    """Turns the package's errors into one message and exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command.

        Parameters
        ----------
        ctx
            Click's context.

        Returns
        -------
        object
            What the command returned.
        """
        try:
            return super().invoke(ctx)
        except BayesrtwError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(1)


@click.group(cls=_Commands)
@click.version_option(package_name="bayesrtw")
def main() -> None:
    """Pool what trials and cohorts say about return-to-work programmes."""


@main.command()
@click.argument("ids", nargs=-1, metavar="[ID_OR_TOML]...")
@click.option(
    "--evidence",
    "source",
    type=click.Path(exists=True, path_type=Path),
    help="A data set folder, a CSV, Excel or RevMan 5 file, or a Cochrane data package, in place of "
    "the shipped evidence.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder of results; one folder an analysis.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
@click.option("--notes", is_flag=True, help="List findings of severity 'note' too.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Processes for several analyses; as many as there are cores, at most 4.",
)
def run(
    ids: tuple[str, ...],
    source: Path | None,
    out: Path,
    as_json: bool,
    notes: bool,
    jobs: int | None,
) -> None:
    """Run analyses: all shipped ones, or those named by id or by the path of a TOML file.

    With --evidence and no id, one unregistered random-effects analysis for each outcome and measure
    of that evidence is run with default priors.
    """
    from contextlib import ExitStack  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    from bayesrtw.parallel import map_tasks, processes  # noqa: PLC0415
    from bayesrtw.report import document  # noqa: PLC0415

    evidence, analyses = _chosen(ids, source)
    progress = Console(stderr=True, soft_wrap=True)
    colour = sys.stdout.isatty()
    width = Console().width if colour else 110
    tasks = [_Task(analysis, evidence, out, as_json, notes, width, colour) for analysis in analyses]
    documents, failed = {}, []
    workers = min(jobs or min(MOST_JOBS, os.cpu_count() or 1), len(tasks))
    with ExitStack() as stack:
        # A fresh process costs seconds to load the libraries: worth it for several analyses only.
        executor = (
            stack.enter_context(processes(workers)) if workers > 1 and len(tasks) > 2 else None
        )
        for place, done in enumerate(map_tasks(_do, tasks, executor), 1):
            label = f"[{place}/{len(tasks)}] {done.id}"
            if done.error:
                failed.append(done.id)
                progress.print(f"error: {done.id}: {done.error}", markup=False, highlight=False)
                continue
            progress.print(f"{label} written to {done.folder}", markup=False, highlight=False)
            if as_json:
                documents[done.id] = done.document
            else:
                click.echo(done.shown, nl=False, color=colour or None)
    if as_json:
        click.echo(document.as_json(documents), nl=False)
    if failed:
        click.echo(f"error: {len(failed)} of {len(tasks)} failed: {', '.join(failed)}", err=True)
        sys.exit(1)


def _chosen(
    ids: tuple[str, ...], source: Path | None
) -> "tuple[Evidence | None, tuple[Analysis, ...]]":
    """Open what was asked for; every file is read before anything is fitted."""
    from bayesrtw.analysis.catalog import analysis_ids, open_analysis, open_dataset  # noqa: PLC0415
    from bayesrtw.analysis.default import default_analyses  # noqa: PLC0415

    evidence = open_dataset(source, strict=False) if source is not None else None
    if evidence is not None and not ids:
        return evidence, default_analyses(evidence)
    analyses = tuple(open_analysis(name) for name in ids or analysis_ids())
    names = [analysis.id for analysis in analyses]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SpecError(
            f"analyses {shown(twice)} are asked for twice; each has one folder of results: leave one "
            "out, or run it with another --out."
        )
    return evidence, analyses


@dataclass(frozen=True, slots=True)
class _Task:
    """One analysis to run and to write, and how its table is printed."""

    analysis: "Analysis"
    evidence: "Evidence | None"
    out: Path
    as_json: bool
    notes: bool
    width: int
    colour: bool


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of a task: plain data, so that it can come from another process."""

    id: str
    folder: str = ""
    shown: str = ""
    document: dict[str, Any] | None = None
    error: str = ""


def _do(task: _Task) -> _Done:
    """Run one analysis; errors of this package come back as text."""
    import io  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    from bayesrtw.analysis.run import run as run_analysis  # noqa: PLC0415
    from bayesrtw.report import document, text  # noqa: PLC0415
    from bayesrtw.report.folder import write_results  # noqa: PLC0415

    name = task.analysis.id
    try:
        synthesis = run_analysis(task.analysis, task.evidence)
        folder = str(write_results(synthesis, task.out))
    except BayesrtwError as error:
        return _Done(name, error=str(error))
    if task.as_json:
        return _Done(name, folder, document=document.document(synthesis))
    page = io.StringIO()
    console = Console(file=page, width=task.width, force_terminal=task.colour, highlight=False)
    text.show(synthesis, console, notes=task.notes)
    return _Done(name, folder, shown=page.getvalue())


@main.command("import")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    help="New folder of the data set; its name becomes the data set's id.",
)
@click.option(
    "--benefit",
    type=click.Choice(["higher", "lower"]),
    help="Direction of benefit of every outcome. Without it: as the source states it, else higher.",
)
@click.option(
    "--retrieved",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Day on which the source was obtained; today unless given.",
)
def import_(
    source: Path,
    folder: Path,
    benefit: "Literal['higher', 'lower'] | None",
    retrieved: "datetime | None",
) -> None:
    """Write a data set folder from a RevMan 5 file, a Cochrane data package, Excel or CSV.

    SOURCE is a .rm5 file, a data package (.zip, or its folder), an .xlsx workbook (first sheet) or a
    flat CSV file. Rows of a review that cannot be used are kept beside the cause and named. Nothing is
    written unless everything is.
    """
    from bayesrtw.evidence.imported import findings  # noqa: PLC0415
    from bayesrtw.evidence.source import read_source, usable  # noqa: PLC0415
    from bayesrtw.evidence.write import write_folder  # noqa: PLC0415

    day = retrieved.date() if retrieved is not None else None
    evidence = write_folder(read_source(source, benefit=benefit), folder, retrieved=day)
    for finding in findings(evidence):
        click.echo(str(finding), err=True)
    for limit in evidence.provenance.limits:
        click.echo(f"note: {limit}", err=True)
    click.echo(
        f"written: {folder}: {len(evidence.outcomes)} outcomes, {evidence.provenance.studies} studies, "
        f"{evidence.size} results, {usable(evidence)} of them usable"
    )


@main.command()
@click.argument("name", metavar="ID_OR_TOML")
@click.option(
    "--evidence",
    "source",
    type=click.Path(exists=True, path_type=Path),
    help="A data set folder, a CSV, Excel or RevMan 5 file, or a Cochrane data package, in place of "
    "the shipped evidence.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def sensitivity(name: str, source: Path | None, as_json: bool) -> None:
    """Hold an analysis against its alternatives: studies left out, priors, variants, years."""
    from rich.console import Console  # noqa: PLC0415

    from bayesrtw.analysis.catalog import open_analysis, open_dataset  # noqa: PLC0415
    from bayesrtw.analysis.sensitivity import sensitivity as panel_of  # noqa: PLC0415
    from bayesrtw.report import document, text  # noqa: PLC0415

    analysis = open_analysis(name)
    evidence = open_dataset(source, strict=False) if source is not None else None
    panel = panel_of(analysis, evidence)
    if as_json:
        tables = {
            heading: {
                str(row): {str(column): document.number(value) for column, value in cells.items()}
                for row, cells in table.to_dict(orient="index").items()
            }
            for heading, table in panel.tables.items()
        }
        content = {
            "id": analysis.id,
            "robustness": panel.robustness,
            "caveat": panel.caveat,
            "tables": tables,
        }
        click.echo(document.as_json(content), nl=False)
        return
    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    text.show_panel(panel, analysis, console)


@main.command("list")
def list_() -> None:
    """List the shipped analyses and data sets."""
    from bayesrtw.analysis.catalog import (  # noqa: PLC0415
        analysis_ids,
        dataset_ids,
        open_analysis,
        open_dataset,
    )

    click.echo("Analyses (bayesrtw run ID):")
    for name in analysis_ids():
        analysis = open_analysis(name)
        click.echo(f"  {name:<26} {analysis.title} (revision {analysis.revision})")
    click.echo("Data sets (bayesrtw.open_dataset):")
    for name in dataset_ids():
        evidence = open_dataset(name)
        origin = evidence.provenance
        bare = origin.studies - len({str(study) for study in evidence.data["study"].to_numpy()})
        click.echo(
            f"  {name:<26} {origin.title}: {origin.studies} studies"
            f"{f' ({bare} without a readable result)' if bare else ''}, {evidence.size} results "
            f"(version {origin.version})"
        )


def _known(ctx: click.Context, param: click.Parameter, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what is neither a file or folder nor the id of something shipped."""
    from bayesrtw.analysis import catalog  # noqa: PLC0415

    for path in paths:
        shipped = (*catalog.dataset_ids(), *catalog.analysis_ids())
        if path not in shipped and not Path(path).exists():
            raise click.BadParameter(f"Path {path!r} does not exist.", ctx, param)
    return paths


@main.command()
@click.argument("paths", nargs=-1, callback=_known, metavar="[PATH_OR_ID]...")
@click.option("--register", is_flag=True, help="Write models/register.lock anew first.")
@click.option("--strict", is_flag=True, help="Exit with 3 if there are doubts and no faults.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def check(paths: tuple[str, ...], register: bool, strict: bool, as_json: bool) -> None:
    """Check data sets and analyses: everything shipped, or the given folders, CSV and TOML files.

    A fault keeps a row out of every analysis; a doubt is a number that somebody should look up; a note
    explains itself. What was found is listed on stderr, gravest first. Without a path, everything
    shipped is checked and only faults are listed; --json lists all.

    Exit codes: 0 no faults; 1 faults; 2 the command was not understood; 3 doubts, with --strict.
    """
    from bayesrtw.analysis import catalog  # noqa: PLC0415
    from bayesrtw.evidence.doubt import counts, in_words  # noqa: PLC0415

    if register:
        lock = Path(str(catalog.models_folder())) / "register.lock"
        lock.write_text(catalog.register_text(), encoding="utf-8")
        click.echo(f"written: {lock.name}", err=as_json)
    checked = _checked(paths)
    listed = [each for _, found in checked for each in found]
    if as_json:
        _echo_findings(checked)
    else:
        for name, found in checked:
            if not any(each.severity == "fault" for each in found):
                click.echo(f"ok: {name}")
        shown_ = [each for each in listed if paths or each.severity == "fault"]
        for line in in_words(shown_):
            click.echo(line, err=True)
        for name, found in checked if paths else []:
            if found:
                click.echo(f"{name}: {counts(found)}", err=True)
    if any(each.severity == "fault" for each in listed):
        sys.exit(1)
    if strict and any(each.severity == "doubt" for each in listed):
        sys.exit(3)


def _checked(paths: tuple[str, ...]) -> "list[tuple[str, tuple[Doubt, ...]]]":
    """Check what was asked for, or everything shipped and the register."""
    from importlib.resources import files  # noqa: PLC0415

    from bayesrtw.analysis import catalog  # noqa: PLC0415
    from bayesrtw.evidence.doubt import inspect, whole  # noqa: PLC0415

    shipped, analyses = catalog.dataset_ids(), catalog.analysis_ids()
    found: list[tuple[str, tuple[Doubt, ...]]] = []
    for name in paths or shipped:
        path = Path(name)
        if paths and path.exists():
            if path.suffix.lower() != ".toml":
                found.append((name, inspect(path.resolve() if path.is_dir() else path).doubts))
        elif name in shipped:
            found.append((name, inspect(files("bayesrtw.data").joinpath(name)).doubts))
    own = [name for name in paths if name.lower().endswith(".toml") or name in analyses]
    for name in own if paths else analyses:
        try:
            catalog.open_analysis(name)
        except BayesrtwError as error:
            found.append((name, (whole(name, str(error)),)))
        else:
            found.append((name, ()))
    if not paths:
        lost = tuple(whole("register.lock", text) for text in catalog.registration_faults())
        found += [("register.lock", lost)] if lost else []
    return found


def _echo_findings(checked: "list[tuple[str, tuple[Doubt, ...]]]") -> None:
    import json  # noqa: PLC0415
    from dataclasses import asdict  # noqa: PLC0415

    listed = [each.severity for _, found in checked for each in found]
    document = {
        "counts": {f"{name}s": listed.count(name) for name in ("fault", "doubt", "note")},
        "checked": [
            {"name": name, "findings": [asdict(each) for each in found]} for name, found in checked
        ],
    }
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
