"""`bayesrtw calibrate`: whether posteriors are right about data drawn from their models."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bayesrtw.cli.options import GivenRows, evidence_option, json_option, terminal
from bayesrtw.cli.workers import Workers
from bayesrtw.cli.workers import workers as with_workers
from bayesrtw.durable import writing

if TYPE_CHECKING:
    from bayesrtw.engine import Engine

#: Exit code where a quantity leaves its band.
OUTSIDE = 3

#: Replicates from which on processes are started unasked.
LEAST_REPLICATES = 100


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID_OR_TOML]...")
@evidence_option("only its design is used")
@click.option(
    "--engine",
    "engines",
    type=click.Choice(["exact", "nuts"]),
    multiple=True,
    default=["exact"],
    show_default=True,
    help="Engine to calibrate; may be given twice.",
)
@click.option(
    "--replicates",
    type=click.IntRange(2),
    help="Data sets for each analysis; 2000 for exact, 200 for nuts.",
)
@click.option("--seed", type=click.IntRange(0), help="Seed of everything; the analysis's own.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("calibration"),
    show_default=True,
    help="Folder of tables and pictures; one folder an analysis.",
)
@json_option
@with_workers
def calibrate(
    ids: tuple[str, ...],
    source: GivenRows | None,
    engines: tuple[str, ...],
    replicates: int | None,
    seed: int | None,
    out: Path,
    as_json: bool,
    workers: Workers,
) -> None:
    """Calibrate analyses by simulation: all shipped ones, or those named by id or TOML path.

    Truths are drawn from the priors, data from the truths with the analysis's own design, and every
    truth is looked up in the posterior of its data. Ranks must be uniform: their distribution stays in
    a band that holds jointly, with 95 %, over all analyses, quantities and engines of one call.

    Exit codes: 0 all inside; 1 something could not be read, fitted or written; 3 a quantity is outside.
    """
    from bayesrtw.analysis.calibrate import calibrate_analysis
    from bayesrtw.analysis.catalog import analysis_ids, open_analysis
    from bayesrtw.question.calibrate import REPLICATES, judge, level_of
    from bayesrtw.report import calibration as report
    from bayesrtw.report.document import as_json as printed

    analyses = [open_analysis(name) for name in dict.fromkeys(ids or analysis_ids())]
    sources = source.open_each(analyses) if source is not None else [None] * len(analyses)
    _writable(out)
    chosen = list(dict.fromkeys(engines))
    most = max(replicates or REPLICATES[kind] for kind in chosen)
    found = []
    with workers.executor(most, least=LEAST_REPLICATES) as executor:
        for kind in chosen:
            for analysis, evidence in zip(analyses, sources, strict=True):
                progress = _Progress(f"{analysis.id}, {kind}")
                found.append(
                    calibrate_analysis(
                        analysis,
                        evidence,
                        engine=_engine(kind),
                        replicates=replicates,
                        seed=seed,
                        executor=executor,
                        progress=progress.tell,
                    )
                )
    table, level = judge(found), level_of(found)
    titles = {analysis.id: analysis.title for analysis in analyses}
    console = terminal()
    documents = {}
    for each in found:
        kind = "exact" if each.cells == 0 else "nuts"
        rows = table[(table["name"] == each.name) & (table["engine"] == kind)]
        folder = report.write_calibration(each, rows, level, out, titles[each.name])
        click.echo(f"{each.name}, {kind}: written to {folder}", err=True)
        documents[f"{each.name}/{kind}"] = report.calibration_document(each, rows, level)
        if not as_json:
            report.show_calibration(each, rows, console)
    text = report.verdict(table, found, level)
    if as_json:
        click.echo(printed({"verdict": text, "calibrations": documents}), nl=False)
    else:
        console.print(f"\n{text}")
    if not table["inside"].all():
        sys.exit(OUTSIDE)


def _engine(kind: str) -> "Engine | None":
    from bayesrtw.engine.nuts import Nuts

    return Nuts() if kind == "nuts" else None


def _writable(out: Path) -> None:
    """Say at once, and not after an hour, that nothing can be written."""
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)


class _Progress:
    """Says on stderr how far a calibration is: in place on a terminal, else by quarters."""

    def __init__(self, label: str) -> None:
        self.label, self.quarter = label, 0

    def tell(self, done: int, wanted: int) -> None:
        """Report replicates done and wanted."""
        text = f"{self.label}: {done} of {wanted} replicates"
        if sys.stderr.isatty():
            click.echo(f"\r{text}", err=True, nl=done == wanted)
        elif 4 * done // wanted > self.quarter:
            self.quarter = 4 * done // wanted
            click.echo(text, err=True)
