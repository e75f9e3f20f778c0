"""`bayesrtw history`: the stored runs of analyses."""

import sys
from pathlib import Path
from typing import Any

import click

from bayesrtw.cli.options import json_option
from bayesrtw.cli.store_option import store_option


@click.command()
@click.argument("ids", nargs=-1, metavar="[ANALYSIS]...")
@store_option
@json_option
def history(ids: tuple[str, ...], store: Path, as_json: bool) -> None:
    """List the runs of a store, oldest first: date, status, conclusion, and why each was made.

    Runs are in the order in which they were stored, whatever the clock said.

    Exit codes: 0 printed; 1 an analysis is not in the store, or a run cannot be read (the others are listed);
    2 the command was not understood.
    """
    from bayesrtw.errors import StoreError
    from bayesrtw.living.index import entries_of, entry_of
    from bayesrtw.living.inputs import shipped
    from bayesrtw.living.store import analyses, open_store

    opened = open_store(store)
    known = analyses(opened)
    for name in ids:
        if name not in known:
            raise StoreError(
                f"{store}: holds no analysis {name!r}. Choices: {', '.join(known) or 'none yet'}."
            )
    entries = [entry_of(opened, name) for name in ids] if ids else entries_of(opened)
    own = shipped()
    gone = [entry.analysis for entry in entries if entry.analysis not in own]
    if as_json:
        import json

        document = {
            entry.analysis: {
                "shipped": entry.analysis not in gone,
                "checked": entry.checked,
                "fault": entry.fault,
                "runs": [
                    {**_line(run, entry), "stands": place == entry.standing}
                    for place, run in enumerate(entry.history)
                ],
            }
            for entry in entries
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for entry in entries:
            note = "" if entry.analysis not in gone else "  (not among the shipped analyses)"
            click.echo(f"{entry.analysis}{note}")
            for place, run in enumerate(entry.history):
                click.echo(_shown(_line(run, entry), stands=place == entry.standing))
            if entry.checked:
                click.echo(f"  last looked at {entry.checked[:16]}")
    faults = [entry for entry in entries if entry.fault]
    for entry in faults:
        click.echo(f"error: {entry.fault}", err=True)
    sys.exit(1 if faults else 0)


def _line(run: Any, entry: Any) -> dict[str, Any]:
    manifest = run.manifest
    result = manifest["result"]
    return {
        "name": run.name,
        "sequence": run.sequence,
        "series": manifest["series"],
        "created": manifest["created"],
        "status": entry.status_of(run),
        "published_by": entry.decided.get(run.name, ""),
        "code": manifest["code"],
        "class": result["class"],
        "studies": result["studies"],
        "pooled": result["back"],
        "which": result.get("which", ""),
        "probability": (result["pooled"] or {}).get("probability"),
        "reasons": manifest["reasons"],
    }


def _shown(line: dict[str, Any], *, stands: bool) -> str:
    pooled = line["pooled"]
    answer = (
        f"{pooled['median']:.2f} ({pooled['lower']:.2f} to {pooled['upper']:.2f})" if pooled else ""
    )
    answer += f" {line['which']}" if line["which"] else ""
    mark = "*" if stands else " "
    who = [f"published by {line['published_by']}"] if line["published_by"] else []
    why = "; ".join([*line["reasons"], *who])
    return (
        f" {mark}{line['name']}  {line['created'][:10]}  {line['status']:<9}  {line['studies']:>3} studies  "
        f"{answer:<21}  {line['class']}{'  [' + why + ']' if why else ''}"
    )
