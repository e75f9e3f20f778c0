"""`bayesrtw findings`: a summary of findings over several analyses, in GRADE's layout."""

import sys
from pathlib import Path

import click

from bayesrtw.cli.options import GivenRows, evidence_option, format_of, json_option
from bayesrtw.cli.predict import parsed_values

#: Formats, and the suffixes that choose them.
FORMATS = {"md": ".md", "html": ".html", "csv": ".csv", "json": ".json", "docx": ".docx"}


@click.command()
@click.argument("ids", metavar="ID_OR_TOML...", nargs=-1, required=True)
@evidence_option()
@click.option(
    "--at",
    "values",
    multiple=True,
    metavar="COLUMN=VALUE",
    help="Value of a moderator, for the analyses that have it; the pooled mean unless given.",
)
@click.option(
    "--certainty",
    type=click.Path(exists=True, path_type=Path),
    help="A certainty.toml of what people confirmed, or the data set folder or store that holds one.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; standard output, as Markdown, unless given.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(list(FORMATS)),
    help="What to write; by the suffix of --out unless given, else md.",
)
@json_option
def findings(
    ids: tuple[str, ...],
    source: GivenRows | None,
    values: tuple[str, ...],
    certainty: Path | None,
    out: Path | None,
    kind: str | None,
    as_json: bool,
) -> None:
    """Summarise the findings of one or more analyses: people, effects, certainty, and a sentence each.

    What an analysis states under [decision] gives its absolute effects and zones. Certainty is suggested from
    the numbers; what a person confirmed stands in a certainty.toml and is what gets printed. One beside the
    given evidence is read unasked.
    """
    from bayesrtw.analysis.catalog import open_analysis
    from bayesrtw.analysis.findings import findings as summarised
    from bayesrtw.analysis.run import run
    from bayesrtw.decision.certainty_file import FILE, confirmations
    from bayesrtw.errors import OutputError, SpecError
    from bayesrtw.report.findings import render_findings

    chosen = format_of(out, "json" if as_json else kind, FORMATS, "md")
    if out is None and chosen == "docx":
        raise OutputError("a Word document is no text for a terminal; give --out FILE.docx.")
    analyses = [open_analysis(name) for name in ids]
    rows = source.open_each(analyses) if source is not None else [None] * len(analyses)
    place = certainty
    if place is None and source is not None and (source.path / FILE).is_file():
        place = source.path
    confirmed = confirmations(place) if place is not None else ()
    moderators = [each for one in analyses for each in one.model.moderators]
    numeric = {each.column for each in moderators if each.shape == "line"}
    at = {
        column: _single(column, own) for column, own in (parsed_values(v, numeric) for v in values)
    }
    unknown = sorted(at.keys() - {each.column for each in moderators})
    if unknown:
        raise SpecError(f"--at names {unknown[0]!r}, which is no moderator of these analyses.")
    found = summarised(
        [run(one, own) for one, own in zip(analyses, rows, strict=True)], at=at, confirmed=confirmed
    )
    if certainty is not None and all(each.line.certainty.confirmed is None for each in found.rows):
        told = ", ".join(dict.fromkeys(each.analysis for each in confirmed)) or "none"
        click.echo(
            f"note: {certainty} confirms nothing that is asked here; analyses in it: {told}.",
            err=True,
        )
    raw = render_findings(found, chosen)
    if out is None:
        sys.stdout.write(raw.decode())
        return
    from bayesrtw.durable import write_whole, writing

    with writing(out, "; choose another place"):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, raw)
    click.echo(f"{out} written", err=True)


def _single(column: str, values: list[str] | list[float]) -> str | float:
    """Give the one value of a moderator."""
    from bayesrtw.errors import SpecError

    if len(values) != 1:
        raise SpecError(f"--at gives {column} {len(values)} values; a summary of findings has one.")
    return values[0]
