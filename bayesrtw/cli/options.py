"""Options that several commands take, said once so that they mean and read the same everywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

#: Print one JSON document instead of tables, as the argument ``as_json``.
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout."
)


def evidence_option(more: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the option ``--evidence``, as one argument ``source``."""
    return click.option(
        "--evidence",
        "source",
        type=click.Path(exists=True, path_type=Path),
        help="A data set folder, a CSV, Excel or RevMan 5 file, or a Cochrane data package, in place of "
        f"the shipped evidence{f'; {more}' if more else ''}.",
    )
