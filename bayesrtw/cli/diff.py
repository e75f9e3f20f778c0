"""`bayesrtw diff`: what changed between two stored runs, and why."""

from pathlib import Path

import click

from bayesrtw.cli.options import json_option
from bayesrtw.cli.store_option import store_option


@click.command()
@click.argument("run")
@click.argument("other", required=False)
@store_option
@json_option
def diff(run: str, other: str | None, store: Path, as_json: bool) -> None:
    """Say what changed in RUN since the run that it was compared with, or from RUN to OTHER.

    A run is ANALYSIS (its latest), ANALYSIS/NUMBER or ANALYSIS/NAME. Prints Markdown. With OTHER, that run is
    fitted once more from its own inputs.

    Exit codes: 0 printed; 1 a run cannot be read; 2 the command was not understood.
    """
    from bayesrtw.living.store import find_run, open_store

    opened = open_store(store)
    found = find_run(opened, run)
    if other is None:
        name = "diff.json" if as_json else "diff.md"
        click.echo((found.folder / name).read_text(encoding="utf-8"), nl=False)
        return
    from bayesrtw.living.replay import compare
    from bayesrtw.report.document import as_json as as_document
    from bayesrtw.report.markdown import change_as_markdown

    later = find_run(opened, other)
    changed = compare(found, later)
    result = later.manifest["result"]
    text = change_as_markdown(changed, headline=result["headline"], caveat=result["caveat"])
    click.echo(as_document(changed) if as_json else text, nl=False)
