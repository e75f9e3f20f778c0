"""`bayesrtw report`: one analysis as a page, Markdown, a Word document or JSON."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from bayesrtw.cli.options import Given, evidence_option, look_options

#: Formats, and the suffixes that choose them.
FORMATS = {"html": ".html", "md": ".md", "docx": ".docx", "json": ".json"}


@click.command()
@click.argument("name", metavar="ID_OR_TOML")
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
@look_options
def report(
    name: str, source: Given | None, out: Path | None, kind: str | None, look: dict[str, Any]
) -> None:
    """Run an analysis, hold it against its alternatives, and write the report that people read."""
    from bayesrtw.analysis.catalog import open_analysis
    from bayesrtw.analysis.run import run
    from bayesrtw.durable import write_whole
    from bayesrtw.errors import OutputError
    from bayesrtw.report.record import record
    from bayesrtw.report.render import render

    by_suffix = {suffix: each for each, suffix in FORMATS.items()}
    chosen = kind or (by_suffix.get(out.suffix.lower()) if out else None) or "html"
    analysis = open_analysis(name)
    analysis = replace(analysis, report=replace(analysis.report, **look))
    evidence = source.open(analysis.columns) if source is not None else None
    synthesis = run(analysis, evidence)
    content = render(synthesis, record(synthesis, evidence), chosen)
    path = out or Path(f"{analysis.id}{FORMATS[chosen]}")
    try:
        write_whole(path, content)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror}); choose another --out."
        ) from None
    click.echo(f"{path} written", err=True)
