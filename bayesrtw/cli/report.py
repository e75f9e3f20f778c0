"""`bayesrtw report`: one analysis as a page, Markdown, a Word document or JSON."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from bayesrtw.cli.options import (
    GivenRows,
    asked_for,
    evidence_option,
    format_of,
    json_option,
    look_options,
)

#: Formats, and the suffixes that choose them.
FORMATS = {"html": ".html", "md": ".md", "docx": ".docx", "json": ".json"}


@click.command()
@click.argument("name", metavar="ID_OR_TOML_OR_TABLE")
@evidence_option()
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; <id>.<format> in this folder unless given.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(list(FORMATS)),
    help="What to write; by the suffix of --out unless given, else html.",
)
@click.option(
    "--tables",
    type=click.Path(file_okay=False, path_type=Path),
    help="A new folder for every table as CSV, LaTeX and a workbook, in place of a report.",
)
@click.option(
    "--methods",
    is_flag=True,
    help="Print a paragraph on methods for a paper, or write it to --out, in place of a report.",
)
@click.option(
    "--results",
    is_flag=True,
    help="Print a paragraph on results for a paper, or write it to --out, in place of a report.",
)
@json_option
@look_options
def report(
    name: str,
    source: GivenRows | None,
    out: Path | None,
    kind: str | None,
    tables: Path | None,
    methods: bool,
    results: bool,
    as_json: bool,
    look: dict[str, Any],
) -> None:
    """Run an analysis, hold it against its alternatives, and write the report that people read.

    With --json all that it says is printed in place of a file.

    Beside a Word document stands its supplement, beside Markdown a folder of its pictures.
    """
    from bayesrtw.analysis.run import run
    from bayesrtw.report import document, prose
    from bayesrtw.report.record import record
    from bayesrtw.report.render import files

    if as_json and (out or kind or tables or methods or results):
        raise click.UsageError("--json prints all that a report says; give it alone.")
    paragraphs = methods or results
    chosen = "" if paragraphs else format_of(out, kind, FORMATS, "html")
    analysis, evidence = asked_for(name, source)
    analysis = replace(analysis, report=replace(analysis.report, **look))
    synthesis = run(analysis, evidence)
    content = record(synthesis, evidence)
    if as_json:
        click.echo(document.as_json(content), nl=False)
        return
    said = [prose.methods(content)] * methods + [prose.results(content)] * results
    if paragraphs and out is not None:
        _write(out.parent, {out.name: "\n".join(said).encode()})
    elif paragraphs:
        click.echo("\n".join(said), nl=False)
    if tables is not None:
        from bayesrtw.report.tables import tables as tables_of

        _write(tables, tables_of(content))
    if paragraphs or tables is not None:
        return
    path = out or Path(f"{analysis.id}{FORMATS[chosen]}")
    found = files(synthesis, content, chosen, path.stem)
    first = next(iter(found))
    # The report itself keeps the name that was asked for, whatever its suffix.
    _write(path.parent, {path.name if each == first else each: raw for each, raw in found.items()})


def _write(folder: Path, found: dict[str, bytes]) -> None:
    """Write files, the first of which is what was asked for."""
    from bayesrtw.durable import write_whole, writing

    for name, raw in found.items():
        path = folder / name
        with writing(path, "; choose another place"):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, raw)
        click.echo(f"{path} written", err=True)
