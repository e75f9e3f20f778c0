"""`bayesrtw publish`: a person lets a draft stand."""

from pathlib import Path

import click

from bayesrtw.cli.options import json_option
from bayesrtw.cli.store_option import store_option


@click.command()
@click.argument("run")
@store_option
@click.option("--by", required=True, help="Who decides; kept with the decision.")
@click.option("--reason", default="", help="Why; kept with the decision.")
@json_option
def publish(run: str, store: Path, by: str, reason: str, as_json: bool) -> None:
    """Publish the draft RUN: ANALYSIS, ANALYSIS/NUMBER or ANALYSIS/NAME.

    An update stores a changed conclusion as a draft. It stands once a person has published it; nothing
    else publishes it.

    Exit codes: 0 published; 1 it is no draft, or cannot be; 2 the command was not understood.
    """
    from bayesrtw.living.index import write_index
    from bayesrtw.living.publish import publish as publish_draft
    from bayesrtw.living.store import find_run, open_store

    opened = open_store(store)
    found = find_run(opened, run)
    publish_draft(opened, found, by=by, reason=reason)
    write_index(opened)
    name = f"{found.manifest['analysis']}/{found.name}"
    if as_json:
        import json

        click.echo(json.dumps({"published": name, "by": by, "reason": reason}, ensure_ascii=False))
    else:
        click.echo(f"published: {name} by {by}")
