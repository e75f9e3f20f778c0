"""`bayesrtw replay`: a stored run once more, from its folder alone."""

import sys
from pathlib import Path

import click

from bayesrtw.cli.options import json_option
from bayesrtw.cli.store_option import store_option


@click.command()
@click.argument("run")
@store_option
@json_option
def replay(run: str, store: Path, as_json: bool) -> None:
    """Run RUN again from its own inputs, and say whether the digits agree.

    RUN is ANALYSIS (its latest run), ANALYSIS/NUMBER or ANALYSIS/NAME.

    Exit codes: 0 every digit agrees; 10 digits differ by less than the numerical error; 50 numbers do not
    agree; 1 the run cannot be read or is not as it was written; 2 the command was not understood.
    """
    from bayesrtw.living.replay import replay as replay_run
    from bayesrtw.living.store import find_run, open_store

    stored = find_run(open_store(store), run)
    found = replay_run(stored)
    code = 0 if found.same else 10 if found.within else 50
    name = f"{stored.manifest['analysis']}/{stored.name}"
    for text in found.versions:
        click.echo(f"note: {text}", err=True)
    if as_json:
        import json
        from dataclasses import asdict

        document = {"run": name, "code": code, "same": found.same, **asdict(found)}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    elif found.same:
        click.echo(f"{name}: all {found.numbers} numbers have the same digits")
    else:
        word = "within the numerical error" if found.within else "beyond the numerical error"
        click.echo(
            f"{name}: {found.equal} of {found.numbers} numbers have the same digits; the others "
            f"differ {word}, by {found.largest:.1e} at most ({found.where})"
        )
    sys.exit(code)
