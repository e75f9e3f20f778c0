"""What calibrations found: a table for a terminal, JSON, ranks and pictures in a folder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bayesrtw.durable import write_whole, writing
from bayesrtw.question.calibrate import LEVELS, Calibration
from bayesrtw.registry import encode, kind_of
from bayesrtw.report.document import as_json
from bayesrtw.report.terminal import indented

if TYPE_CHECKING:
    import pandas as pd

#: Version of the document's layout; additions do not raise it.
SCHEMA = 1


def verdict(table: "pd.DataFrame", calibrations: Sequence[Calibration], level: float) -> str:
    """Say in one or two sentences what calibrations found."""
    outside = table[~table["inside"]]
    text = (
        f"{len(table) - len(outside)} of {len(table)} quantities are inside their band of level "
        f"{level:.6g}; all would be with probability 0.95 or more if every posterior is right."
    )
    if len(outside):
        worst = outside.iloc[int(outside["p_value"].to_numpy(dtype=float).argmin())]
        text += f" Worst: {worst['quantity']} of {worst['name']}, {worst['engine']}."
    failed = sum(len(found.failed) for found in calibrations)
    unconverged = sum(len(found.unconverged) for found in calibrations)
    if failed:
        text += f" {failed} replicates could not be fitted and are left out."
    if unconverged:
        text += f" {unconverged} replicates failed gates of the sampler and count all the same."
    return text


def show_calibration(found: Calibration, table: "pd.DataFrame", console: Console) -> None:
    """Print the table of one calibration; effects of single estimates share a line."""
    console.print()
    heading = f"{found.name}, {kind_of(found.engine)} engine, {found.size:,} replicates"
    console.print(Text(heading, style="bold"))
    shown = Table(box=None, pad_edge=False)
    for column in ("quantity", "ranks", "P value", *(f"{100 * x:.0f} %" for x in LEVELS)):
        shown.add_column(column, justify="left" if column in ("quantity", "ranks") else "right")
    single = table["quantity"].str.startswith("theta[")
    for _, row in table[~single | ~table["inside"]].iterrows():
        share = [f"{100 * row[f'coverage_{100 * x:.0f}']:.1f}" for x in LEVELS]
        state = "inside" if row["inside"] else f"OUTSIDE by {row['excess']:.3f}"
        shown.add_row(Text(str(row["quantity"])), state, f"{row['p_value']:.3g}", *share)
    rest = table[single & table["inside"]]
    if len(rest):
        share = []
        for x in LEVELS:
            values = 100 * rest[f"coverage_{100 * x:.0f}"]
            share.append(f"{values.min():.1f} to {values.max():.1f}")
        least = f"from {rest['p_value'].min():.3g}"
        shown.add_row(f"theta of {len(rest)} estimates", "inside", least, *share)
    indented(console, shown)
    errors = ", ".join(f"{100 * table[f'error_{100 * x:.0f}'].iloc[0]:.1f}" for x in LEVELS)
    indented(console, Text(f"Monte-Carlo errors of coverage: {errors}", style="dim"))
    for what, listed in (("not fitted", found.failed), ("gates failed", found.unconverged)):
        if listed:
            text = f"{what}: {len(listed)} of {found.size + len(found.failed)}; first: {listed[0]}"
            indented(console, Text(text, style="yellow"))


def calibration_document(found: Calibration, table: "pd.DataFrame", level: float) -> dict[str, Any]:
    """Write a calibration as plain data."""
    rows = json.loads(table.drop(columns=["name", "engine"]).to_json(orient="records"))
    return {
        "schema": SCHEMA,
        "id": found.name,
        "engine": json.loads(json.dumps(encode(found.engine), default=str)),
        "seed": found.seed,
        "replicates": found.size,
        "rank_values": found.cells or None,
        "band_level": level,
        "not_fitted": list(found.failed),
        "gates_failed": list(found.unconverged),
        "quantities": {row.pop("quantity"): row for row in rows},
    }


def write_calibration(
    found: Calibration, table: "pd.DataFrame", level: float, out: Path, title: str = ""
) -> Path:
    """Write a calibration into ``out/<name>``."""
    import pandas as pd  # noqa: PLC0415

    from bayesrtw.plot.calibration import plot_calibration  # noqa: PLC0415
    from bayesrtw.plot.figure import write_figure  # noqa: PLC0415

    folder, kind = out / found.name, kind_of(found.engine)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        content = as_json(calibration_document(found, table, level))
        write_whole(folder / f"{kind}.json", content.encode())
        ranks = pd.DataFrame(dict(found.pit)).round(6)
        ranks.to_csv(folder / f"{kind}.csv", index_label="replicate", lineterminator="\n")
    figure = plot_calibration(found, level=level, title=title)
    for suffix in ("svg", "png"):
        write_figure(figure, folder / f"{kind}.{suffix}")
    return folder
