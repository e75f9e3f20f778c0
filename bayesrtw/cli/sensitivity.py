"""`bayesrtw sensitivity`: an analysis against its alternatives."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bayesrtw.cli.options import GivenRows, asked_for, evidence_option, json_option, terminal
from bayesrtw.cli.workers import Workers
from bayesrtw.cli.workers import workers as with_workers

if TYPE_CHECKING:
    from bayesrtw.analysis.sensitivity import Panel

#: An exact variant takes less time than starting a process: none is started unasked for fewer.
LEAST_VARIANTS = 50


@click.command()
@click.argument("name", metavar="ID_OR_TOML_OR_TABLE")
@evidence_option()
@json_option
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder for the tables as CSV, one a question, in place of printing them.",
)
@with_workers
def sensitivity(
    name: str, source: GivenRows | None, as_json: bool, out: Path | None, workers: Workers
) -> None:
    """Hold an analysis against its alternatives, and say how robust its conclusion is.

    Studies and families left out, priors, variants, correlations and years; then influence, power
    scaling, tipping points and, where there are moderators, their inclusion. Nothing is sampled.
    """
    from bayesrtw.analysis.sensitivity import sensitivity as panel_of
    from bayesrtw.report import document, text

    analysis, evidence = asked_for(name, source)
    with workers.executor(len(analysis.variant), least=LEAST_VARIANTS) as executor:
        panel = panel_of(analysis, evidence, executor=executor)
    if as_json:
        content = {
            "id": analysis.id,
            "robustness": panel.robustness,
            "caveat": panel.caveat,
            "tables": {name: document.cells(table) for name, table in panel.tables.items()},
            "questions": {name: document.cells(table) for name, table in panel.questions.items()},
            "notes": list(panel.notes),
        }
        click.echo(document.as_json(content), nl=False)
        return
    if out is not None:
        _write(panel, out)
        return
    console = terminal()
    text.show_panel(panel, analysis, console)


def _write(panel: "Panel", out: Path) -> None:
    """Write a CSV file a table."""
    from bayesrtw.durable import writing
    from bayesrtw.evidence.cells import guarded
    from bayesrtw.report.held import file_name, held

    click.echo(panel.robustness)
    for heading, table in held(panel).items():
        path = out / file_name(heading)
        safe = table.set_axis([guarded(str(name)) for name in table.index], axis=0)
        with writing(path):
            out.mkdir(parents=True, exist_ok=True)
            path.write_text(safe.to_csv(lineterminator="\n", index_label=heading), encoding="utf-8")
        click.echo(f"{path} written", err=True)
