"""`bayesrtw run`: fit analyses, print their answers, write their results."""

import sys
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bayesrtw.cli.options import GivenRows, evidence_option, json_option, look_options, place_of
from bayesrtw.cli.process import unforeseen
from bayesrtw.cli.workers import Workers
from bayesrtw.cli.workers import workers as with_workers
from bayesrtw.errors import BayesrtwError, OutputError, SpecError, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bayesrtw.analysis.spec import Analysis
    from bayesrtw.evidence.table import Evidence
    from bayesrtw.report.shared import SharedPlace

#: A fresh process costs seconds to load the libraries: worth it for several analyses only.
LEAST_TASKS = 3


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID_OR_TOML_OR_TABLE]...")
@evidence_option()
@click.option(
    "--out",
    callback=place_of,
    default="results",
    metavar="DIRECTORY|URL",
    show_default=True,
    help="Folder of results, one folder an analysis; or a URL such as s3://bucket/results, to which workers "
    "write.",
)
@click.option(
    "--missing", is_flag=True, help="Leave out analyses whose results are in --out already."
)
@json_option
@click.option(
    "--levels",
    type=click.Choice(["2", "3"]),
    default="3",
    help="Without an id: 3 levels where studies have several estimates (the default), or 2.",
)
@click.option("--notes", is_flag=True, help="List findings of severity 'note' too.")
@click.option(
    "--report/--no-report",
    default=True,
    help="Hold each analysis against its alternatives, draw it, and write report.html and an index of all; "
    "without, its numbers alone.",
)
@look_options
@with_workers
def run(
    ids: tuple[str, ...],
    source: GivenRows | None,
    out: "Path | SharedPlace",
    missing: bool,
    as_json: bool,
    levels: str,
    notes: bool,
    report: bool,
    look: dict[str, Any],
    workers: Workers,
) -> None:
    """Run analyses: all shipped ones, or those named by id or by the path of a TOML file.

    With --evidence (or the path of a table alone) and no id, one unregistered random-effects analysis for
    each outcome and measure of that evidence is run with default priors.
    """
    from rich.console import Console

    from bayesrtw.parallel import map_tasks
    from bayesrtw.report import document

    progress = Console(stderr=True, soft_wrap=True)
    if not isinstance(out, Path):
        # Of a place that cannot be written to one hears before anything is read or fitted.
        out.reach()
    there = _present(out) if missing else set[str]()
    found, broken = _chosen(ids, source, int(levels))
    chosen = [
        (replace(analysis, report=replace(analysis.report, **look)), evidence)
        for analysis, evidence in found
        if not (missing and analysis.id in there)
    ]
    if len(chosen) < len(found):
        left = (
            f"{len(found) - len(chosen)} of {len(found)} analyses have results in {out}: left alone"
        )
        progress.print(left, markup=False, highlight=False)
    for error in broken.values():
        progress.print(f"error: {error}", markup=False, highlight=False)
    colour = sys.stdout.isatty()
    width = Console().width if colour else 110
    tasks = [
        _Task(analysis, evidence, out, as_json, notes, report, width, colour)
        for analysis, evidence in chosen
    ]
    documents, failed = {}, [*broken]
    with workers.executor(len(tasks), least=LEAST_TASKS) as executor:
        for place, done in enumerate(_each(map_tasks(_do, tasks, executor), tasks), 1):
            label = f"[{place}/{len(tasks)}] {done.id}"
            if done.error:
                failed.append(done.id)
                progress.print(f"error: {done.id}: {done.error}", markup=False, highlight=False)
            if not done.folder:
                continue
            progress.print(f"{label} written to {done.folder}", markup=False, highlight=False)
            if as_json:
                documents[done.id] = done.document
            else:
                click.echo(done.shown, nl=False, color=colour or None)
    if as_json:
        click.echo(document.as_json(documents), nl=False)
    every = len(tasks) + len(broken)
    if report and every and len(failed) < every:
        from bayesrtw.report.folder import write_index

        index = write_index(out) if isinstance(out, Path) else out.write_index()
        progress.print(f"open {index} in a browser", markup=False, highlight=False)
    if failed:
        click.echo(f"error: {len(failed)} of {every} failed: {', '.join(failed)}", err=True)
        sys.exit(1)


def _chosen(
    ids: tuple[str, ...], source: GivenRows | None, levels: int
) -> "tuple[list[tuple[Analysis, Evidence | None]], dict[str, BayesrtwError]]":
    """Open what was asked for, and say what of several cannot be; all is read before anything is fitted."""
    from bayesrtw.analysis.catalog import analysis_ids
    from bayesrtw.analysis.default import default_analyses

    if source is not None and not ids:
        evidence = source.open()
        # What an analysis does not pool, its worker need not have: its first step is to select by this.
        return [
            (each, evidence.select(**each.evidence.where))
            for each in default_analyses(evidence, levels=levels)
        ], {}
    analyses, broken = _opened(ids or analysis_ids())
    names = [analysis.id for analysis in analyses]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SpecError(
            f"analyses {shown(twice)} are asked for twice; each has one folder of results: leave one "
            "out, or run it with another --out."
        )
    sources = source.open_each(analyses) if source is not None else [None] * len(analyses)
    return list(zip(analyses, sources, strict=True)), broken


def _present(out: "Path | SharedPlace") -> set[str]:
    """Ids of the analyses that have results already."""
    if isinstance(out, Path):
        return {place.parent.name for place in out.glob("*/synthesis.json")}
    return out.present()


def _opened(names: "Sequence[str]") -> "tuple[list[Analysis], dict[str, BayesrtwError]]":
    """Open analyses by name or path; an error is raised where none of them can be."""
    from bayesrtw.analysis.catalog import open_analysis

    opened: list[Analysis] = []
    broken: dict[str, BayesrtwError] = {}
    for name in names:
        try:
            opened.append(open_analysis(name))
        except BayesrtwError as error:
            broken[str(name)] = error
    if not opened:
        raise next(iter(broken.values()))
    return opened, broken


@dataclass(frozen=True, slots=True)
class _Task:
    """One analysis to run and to write, and how its table is printed."""

    analysis: "Analysis"
    evidence: "Evidence | None"
    out: "Path | SharedPlace"
    as_json: bool
    notes: bool
    report: bool
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


def _each(results: "Iterator[_Done]", tasks: "list[_Task]") -> "Iterator[_Done]":
    """Give what became of every task, of those too that workers died over."""
    from bayesrtw.errors import WorkerError

    left = [task.analysis.id for task in tasks]
    try:
        for done in results:
            left.remove(done.id)
            yield done
    except WorkerError as error:
        yield from (_Done(name, error=f"not fitted: {error}") for name in left)


def _do(task: _Task) -> _Done:
    """Run one analysis; errors come back as text, so that none takes the other analyses with it."""
    name = task.analysis.id
    try:
        return _run(task)
    except BayesrtwError as error:
        return _Done(name, error=str(error))
    except Exception as error:  # One analysis must not stop the others, whatever becomes of it.
        return _Done(name, error=unforeseen(error))


def _run(task: _Task) -> _Done:
    """Run, write and print one analysis."""
    import io
    import json

    from rich.console import Console

    from bayesrtw.analysis.run import run as run_analysis
    from bayesrtw.report import text
    from bayesrtw.report.folder import write_results

    synthesis = run_analysis(task.analysis, task.evidence)
    out, failed = task.out, ""
    # What has a URL is made on this machine, and sent whole.
    with nullcontext(out) if isinstance(out, Path) else out.draft() as place:
        write = partial(write_results, synthesis, place, source=task.evidence, pictures=False)
        try:
            written = write(report=task.report)
        except OutputError:
            raise
        except Exception as error:  # An alternative that fails must not take the answer with it.
            if not task.report:
                raise
            written = write(report=False)
            failed = (
                f"no report: {error if isinstance(error, BayesrtwError) else unforeseen(error)}"
            )
        content = json.loads((written / "synthesis.json").read_text(encoding="utf-8"))
        folder = str(written) if isinstance(out, Path) else out.put(written)
    if task.as_json:
        return _Done(task.analysis.id, folder, document=content, error=failed)
    page = io.StringIO()
    console = Console(file=page, width=task.width, force_terminal=task.colour, highlight=False)
    text.show(synthesis, content, console, notes=task.notes)
    return _Done(task.analysis.id, folder, shown=page.getvalue(), error=failed)
