"""`bayesrtw import`: a reviewer's file becomes a data set folder."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bayesrtw.cli.options import json_option, table_options

if TYPE_CHECKING:
    from datetime import datetime

    from bayesrtw.reading.flat import Stated


@click.command("import")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    help="New folder of the data set; its name becomes the data set's id.",
)
@click.option(
    "--retrieved",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Day on which the source was obtained; today unless given.",
)
@table_options
@json_option
def import_(
    source: Path,
    folder: Path,
    retrieved: "datetime | None",
    stated: "Stated",
    as_json: bool,
) -> None:
    """Write a data set folder from a RevMan 5 file, a Cochrane data package, Excel or CSV.

    SOURCE is a .rm5 file, a data package (.zip, or its folder), an .xlsx workbook, a flat CSV file or a
    file of a statistics program. Rows of a review that cannot be used are kept beside the cause and
    named. Nothing is written unless everything is.
    """
    import json
    from dataclasses import asdict

    from bayesrtw.printed import numbered
    from bayesrtw.reading.imported import findings
    from bayesrtw.reading.source import read_source, usable
    from bayesrtw.reading.write import write_folder

    day = retrieved.date() if retrieved is not None else None
    evidence = write_folder(read_source(source, stated), folder, retrieved=day)
    counts = {
        "outcomes": len(evidence.outcomes),
        "studies": evidence.provenance.studies,
        "results": evidence.size,
        "usable": usable(evidence),
    }
    found, limits = findings(evidence), evidence.provenance.limits
    if as_json:
        said = [asdict(finding) for finding in found]
        content = {"written": str(folder), **counts, "findings": said, "limits": list(limits)}
        click.echo(json.dumps(content, indent=2, ensure_ascii=False))
        return
    for finding in found:
        click.echo(str(finding), err=True)
    for limit in limits:
        click.echo(f"note: {limit}", err=True)
    click.echo(
        f"written: {folder}: {numbered(counts['outcomes'], 'outcome')}, "
        f"{numbered(counts['studies'], 'study', 'studies')}, {numbered(counts['results'], 'result')}, "
        f"{counts['usable']} of them usable"
    )
