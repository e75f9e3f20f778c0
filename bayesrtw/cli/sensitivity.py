"""`bayesrtw sensitivity`: an analysis against its alternatives."""

import sys

import click

from bayesrtw.cli.options import Given, evidence_option, json_option
from bayesrtw.cli.workers import Workers
from bayesrtw.cli.workers import workers as with_workers

#: An exact variant takes less time than starting a process: none is started unasked for fewer.
LEAST_VARIANTS = 50


@click.command()
@click.argument("name", metavar="ID_OR_TOML")
@evidence_option()
@json_option
@with_workers
def sensitivity(name: str, source: Given | None, as_json: bool, workers: Workers) -> None:
    """Hold an analysis against its alternatives, and say how robust its conclusion is.

    Studies and families left out, priors, variants, correlations and years; then influence, power
    scaling, tipping points and, where there are moderators, their inclusion. Nothing is sampled.
    """
    from rich.console import Console

    from bayesrtw.analysis.catalog import open_analysis
    from bayesrtw.analysis.sensitivity import sensitivity as panel_of
    from bayesrtw.report import document, text

    analysis = open_analysis(name)
    evidence = source.open(analysis.columns) if source is not None else None
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
    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    text.show_panel(panel, analysis, console)
