"""`bayesrtw export`: the rows of an analysis for RevMan, GRADEpro, a spreadsheet or R."""

from pathlib import Path

import click

from bayesrtw.cli.options import GivenRows, asked_for, evidence_option, json_option


@click.command()
@click.argument("name", metavar="ID_OR_TOML_OR_TABLE")
@evidence_option()
@click.option(
    "--to",
    required=True,
    metavar="revman|gradepro|csv|metafor",
    help="A file of RevMan 5, the same for GRADEpro, a table of effects, or that table with lines of R.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder of the files; this folder unless given. Files of these names are replaced.",
)
@json_option
def export(name: str, source: GivenRows | None, to: str, out: Path, as_json: bool) -> None:
    """Write the rows that an analysis pools for another program.

    What a format cannot hold (several rows a study in RevMan, correlated errors in a table) is refused
    with the formats that can.
    """
    from bayesrtw.analysis.run import run
    from bayesrtw.durable import write_whole, writing
    from bayesrtw.report import document
    from bayesrtw.report.export import exported

    analysis, evidence = asked_for(name, source)
    files = exported(run(analysis, evidence), to)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            write_whole(out / file, content)
            if not as_json:
                click.echo(f"{out / file} written", err=True)
    if as_json:
        written = {"id": analysis.id, "format": to, "written": [str(out / file) for file in files]}
        click.echo(document.as_json(written), nl=False)
