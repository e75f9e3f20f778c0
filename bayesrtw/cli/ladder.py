"""`bayesrtw ladder`: trials and cohorts under one assumption after another."""

from pathlib import Path

import click

from bayesrtw.cli.options import GivenRows, asked_for, evidence_option, json_option, terminal


@click.command()
@click.argument("name", metavar="ID_OR_TOML_OR_TABLE")
@evidence_option()
@click.option("--exact", "exact_only", is_flag=True, help="Leave out rungs that must be sampled.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also write table and pictures into a folder of the analysis's name in this one.",
)
@json_option
def ladder(
    name: str, source: GivenRows | None, exact_only: bool, out: Path | None, as_json: bool
) -> None:
    """Pool trials and cohorts under one assumption after another, from the trials alone to all at their word.

    The rung that the analysis registers decides; the others stand beside it. Then: how biased the
    cohorts would have to be, and how little they would have to count, to change the answer.
    """
    from bayesrtw.analysis.ladder import ladder as climb
    from bayesrtw.report import document
    from bayesrtw.report.ladder import as_data, show, write

    analysis, evidence = asked_for(name, source)
    if not exact_only:
        click.echo(
            "Rungs that must be sampled take up to a minute; --exact leaves them out.", err=True
        )
    found = climb(analysis, evidence, sampled=not exact_only)
    if out is not None:
        click.echo(f"written to {write(found, analysis, out)}", err=True)
    if as_json:
        click.echo(document.as_json({"id": analysis.id, **as_data(found, analysis)}), nl=False)
        return
    show(found, analysis, terminal())
