"""`bayesrtw verify`: whether a store is as it was written."""

import sys
from pathlib import Path

import click

from bayesrtw.cli.options import json_option
from bayesrtw.cli.store_option import store_option


@click.command()
@store_option
@json_option
def verify(store: Path, as_json: bool) -> None:
    """Check every byte of a store, and name what else lies there; nothing is changed.

    A fault is a run or a journal that is not as it was written, a run that is gone, or a symbolic link; a
    note is something that this program did not write, or unfinished work of a writer.

    Exit codes: 0 no faults; 1 faults; 2 the command was not understood.
    """
    from bayesrtw.living.store import analyses, open_store, run_names
    from bayesrtw.living.verify import verify as verify_store

    opened = open_store(store)
    found = verify_store(opened)
    faults = [oddity for oddity in found if oddity.severity == "fault"]
    count = sum(len(run_names(opened, name)) for name in analyses(opened))
    if as_json:
        import json
        from dataclasses import asdict

        document = {"runs": count, "faults": len(faults), "found": [asdict(each) for each in found]}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for oddity in found:
            click.echo(str(oddity), err=True)
        click.echo(f"{count} runs, {len(faults)} faults, {len(found) - len(faults)} notes")
    sys.exit(1 if faults else 0)
