"""`bayesrtw verify`: whether a store is as it was written."""

import sys
from pathlib import Path

import click

from bayesrtw.cli.options import json_option
from bayesrtw.cli.store_option import store_option


@click.command()
@store_option
@click.option(
    "--head",
    "kept",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A copy of the store's head.json that was kept elsewhere: all that it vouches for must be there.",
)
@json_option
def verify(store: Path, kept: Path | None, as_json: bool) -> None:
    """Check every byte of a store, and name what else lies there; nothing is changed.

    Every run and every line of a journal names the digest of what came before it, and head.json where that
    chain ends; classes are worked out again from the stored probabilities. A fault is a run, a journal or a
    page that is not as it was written, is gone or stands elsewhere, or a symbolic link; a note is something
    that this program did not write, unfinished work of a writer, or a store from before the chain.
    Who can write to the store can write all of it anew: sign or time-stamp head.json, and keep a copy.

    Exit codes: 0 no faults; 1 faults; 2 the command was not understood.
    """
    from bayesrtw.living.chain import read_head
    from bayesrtw.living.store import analyses, open_store, run_names
    from bayesrtw.living.verify import verify as verify_store
    from bayesrtw.printed import numbered

    opened = open_store(store)
    head = read_head(kept) if kept is not None else None
    found = verify_store(opened, head)
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
        told = (count, "run"), (len(faults), "fault"), (len(found) - len(faults), "note")
        click.echo(", ".join(numbered(*each) for each in told))
    sys.exit(1 if faults else 0)
