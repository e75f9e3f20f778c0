"""What commands about stored runs share: --store, --no-report, and the exit codes in --help."""

from pathlib import Path

import click

from bayesrtw.living.outcome import CODES

#: Where runs are kept unless --store says otherwise.
STORE = Path("store")

store_option = click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    default=STORE,
    show_default=True,
    help="Folder of the store of runs.",
)

report_option = click.option(
    "--report/--no-report",
    default=True,
    help="Write a page for people into each run; its figures and data are stored either way.",
)


def exit_codes() -> str:
    """Say what the exit codes mean."""
    listed = "; ".join(f"{code} {meaning}" for code, meaning in CODES.items())
    return f"Exit codes, the gravest of all analyses: {listed}; 2 the command was not understood."
