"""`bayesrtw watch`: run again when the evidence changes."""

import signal
import sys
from pathlib import Path
from types import FrameType

import click

from bayesrtw.cli.store_option import exit_codes, report_option, store_option
from bayesrtw.cli.workers import Workers, workers


@click.command(epilog=f"With --once. {exit_codes()} Otherwise 0 when it is stopped.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("ids", nargs=-1, metavar="[ID_OR_TOML]...")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each pass.")
@click.option("--once", is_flag=True, help="One pass, and its exit code.")
@click.option(
    "--poll",
    type=click.FloatRange(0.01),
    default=2.0,
    show_default=True,
    help="Seconds between looks.",
)
@click.option(
    "--settle",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Seconds without a change before anything is run.",
)
@report_option
@workers
def watch(
    folder: Path,
    ids: tuple[str, ...],
    store: Path,
    as_json: bool,
    once: bool,
    poll: float,
    settle: float,
    report: bool,
    workers: Workers,
) -> None:
    """Run again whenever the evidence in FOLDER changes, until Ctrl-C.

    FOLDER is a data set folder or holds data set folders. Without an id, the shipped analyses of those
    data sets are watched.
    """
    from bayesrtw.cli.update import bring_up_to_date, tell
    from bayesrtw.living.watch import Pace
    from bayesrtw.living.watch import watch as watch_folder

    names = ids or _concerned(folder)

    def one() -> int:
        found = bring_up_to_date(names, store, workers, data=folder, report=report)
        tell(found, as_json=as_json, one_line=True)
        return found.code

    if once:
        sys.exit(one())
    signal.signal(signal.SIGTERM, _stop)
    click.echo(f"watching {folder} for {len(names)} analyses; Ctrl-C stops", err=True)
    try:
        watch_folder(folder, lambda: _ignored(one()), pace=Pace(poll=poll, settle=settle))
    except KeyboardInterrupt:
        click.echo("stopped", err=True)


def _ignored(_code: int) -> None:
    """Drop an exit code: a watch goes on."""


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _concerned(folder: Path) -> tuple[str, ...]:
    """Shipped analyses whose data set lies in the folder."""
    from bayesrtw.errors import EvidenceError
    from bayesrtw.living.inputs import dataset_of, shipped

    here = {folder.resolve().name, *(item.name for item in folder.iterdir() if item.is_dir())}
    names = tuple(name for name in shipped() if dataset_of(name) in here)
    if not names:
        raise EvidenceError(
            f"{folder}: holds no data set of a shipped analysis; name analyses after the folder."
        )
    return names
