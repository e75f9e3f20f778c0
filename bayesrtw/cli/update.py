"""`bayesrtw update`: fit what is due, store it, and say what changed."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bayesrtw.cli.options import json_option
from bayesrtw.cli.store_option import exit_codes, report_option, store_option
from bayesrtw.cli.workers import Workers, workers

if TYPE_CHECKING:
    from bayesrtw.living.outcome import Ending
    from bayesrtw.living.update import Task

#: Fewer analyses than this are fitted in this process: a fresh one costs as much as a fit.
LEAST_TASKS = 3


@click.command(epilog=exit_codes())
@click.argument("ids", nargs=-1, metavar="[ID_OR_TOML]...")
@store_option
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of data set folders, used in place of shipped ones of the same id.",
)
@click.option(
    "--evidence",
    type=click.Path(exists=True, path_type=Path),
    help="One source in place of the data set that the analyses name.",
)
@click.option("--force", is_flag=True, help="Fit even what is not due.")
@json_option
@click.option(
    "--wait",
    type=click.FloatRange(0),
    default=600.0,
    show_default=True,
    help="Seconds to wait for another writer.",
)
@report_option
@workers
def update(
    ids: tuple[str, ...],
    store: Path,
    data: Path | None,
    evidence: Path | None,
    force: bool,
    as_json: bool,
    wait: float,
    report: bool,
    workers: Workers,
) -> None:
    """Bring analyses up to date: all shipped ones, or those named by id or by the path of a TOML file.

    An analysis is due when its file, the rows that it pools, the software or its schedule say so. What is
    not due gets a heartbeat. What is due is fitted, compared with the last published run and stored with
    its inputs, report and difference. A changed conclusion is stored as a draft and never published by
    this command.
    """
    found = bring_up_to_date(
        ids, store, workers, data=data, evidence=evidence, force=force, wait=wait, report=report
    )
    tell(found, as_json=as_json)
    sys.exit(found.code)


@dataclass(frozen=True, slots=True)
class Pass:
    """What one update of several analyses came to."""

    outcomes: "tuple[Ending, ...]"  #: In the order in which they were asked for.
    removed: tuple[str, ...]  #: Analyses with runs in the store that were not among them.
    code: int  #: The gravest exit code.


def bring_up_to_date(
    ids: Sequence[str],
    store: Path,
    workers: Workers,
    *,
    data: Path | None = None,
    evidence: Path | None = None,
    force: bool = False,
    wait: float = 600.0,
    report: bool = True,
) -> Pass:
    """Update analyses, printing progress on stderr, and write the index page."""
    from bayesrtw.living.index import write_index
    from bayesrtw.living.inputs import analysis_id, shipped
    from bayesrtw.living.outcome import gravest
    from bayesrtw.living.store import check_id, open_store
    from bayesrtw.living.update import Task, removed

    names = tuple(ids) or shipped()
    stems = [analysis_id(name) for name in names]
    twice = sorted({name for name in stems if stems.count(name) > 1})
    if twice:
        raise click.UsageError(f"analyses {', '.join(twice)} are asked for twice; name each once.")
    for stem in stems:
        check_id(stem)
    opened = open_store(store, create=True)
    tasks = [
        Task(
            name=name,
            store=store,
            data=data,
            evidence=evidence,
            force=force,
            wait=wait,
            report=report,
        )
        for name in names
    ]
    outcomes: list[Ending] = []
    for done in _bring(tasks, workers):
        outcomes.append(done)
        click.echo(f"[{len(outcomes)}/{len(tasks)}] {done.analysis}: {_words(done)}", err=True)
        if done.trace:
            click.echo(done.trace, err=True, nl=False)
    gone = [] if ids else removed(opened, names, shipped())
    for name in gone:
        click.echo(
            f"note: {name}: has runs in the store and is not among the analyses; they stay as they are.",
            err=True,
        )
    write_index(opened, gone)
    listed = sorted(outcomes, key=lambda done: stems.index(done.analysis))
    return Pass(tuple(listed), tuple(gone), gravest([done.code for done in outcomes]))


def tell(found: Pass, *, as_json: bool, one_line: bool = False) -> None:
    """Print what an update came to on stdout."""
    if as_json:
        import json

        document = {
            "code": found.code,
            "outcomes": [done.plain() for done in found.outcomes],
            "removed": list(found.removed),
        }
        click.echo(json.dumps(document, indent=None if one_line else 2, ensure_ascii=False))
        return
    from bayesrtw.living.outcome import CODES

    codes = [done.code for done in found.outcomes]
    parts = [f"{codes.count(code)} {CODES[code]}" for code in CODES if codes.count(code)]
    click.echo(f"{len(codes)} {'analyses' if len(codes) > 1 else 'analysis'}: {'; '.join(parts)}")


def _bring(tasks: "list[Task]", workers: Workers) -> "Iterator[Ending]":
    """Give heartbeats here, and fit what is due here or in processes."""
    from bayesrtw.errors import WorkerError
    from bayesrtw.living.inputs import analysis_id
    from bayesrtw.living.outcome import Ending
    from bayesrtw.living.update import beat, renew

    due = []
    for task in tasks:
        done = beat(task)
        if done is None:
            due.append(task)
        else:
            yield done
    if not due:
        return
    from bayesrtw.parallel import forks, map_tasks

    if not workers.dask and forks():
        # Loaded once, and shared with the processes that are forked from this one.
        import bayesrtw.living.refit
        import bayesrtw.report.render  # noqa: F401

    left = [analysis_id(task.name) for task in due]
    try:
        with workers.executor(len(due), least=LEAST_TASKS) as executor:
            for fitted in map_tasks(renew, due, executor):
                left.remove(fitted.analysis)
                yield fitted
    except WorkerError as error:
        for name in left:
            yield Ending(name, 1, "failed", f"not fitted: {error}")


def _words(done: "Ending") -> str:
    word = {1: "error", 50: "gate failed"}.get(done.code, done.state)
    where = f" ({done.status}: {done.run})" if done.run and done.status else ""
    return f"{word}: {done.text}{where}"
