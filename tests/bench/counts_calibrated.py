"""Calibrate each likelihood of counts in slices that can be stopped and taken up again; print table rows.

``uv run python tests/bench/counts_calibrated.py FOLDER 8 250`` keeps 8 slices of 250 replicates of each
likelihood in a folder, skips those that are there, and prints the rows of `docs/calibration.md`.
"""

import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import bayesrtw as brw

sys.path.insert(0, str(Path(__file__).parents[1] / "calibration"))
from test_counts_calibrated import CASES, calibrated


def row(kind, slices):
    """One row: replicates, quantities inside their joint band, least P, least and largest coverage."""
    pit = {name: np.concatenate([each.pit[name] for each in slices]) for name in slices[0].pit}
    whole = replace(slices[0], pit=pit)
    found = brw.judge([whole], tests=6 * len(CASES))
    cells = [kind, f"{whole.size:,}", f"{found['inside'].sum()} of {len(found)}"]
    cells.append(f"{found['p_value'].min():.2g}")
    for level in (50, 80, 95):
        own, error = 100 * found[f"coverage_{level}"], 100 * found[f"error_{level}"].max()
        cells.append(f"{own.min():.1f} to {own.max():.1f} ({error:.1f})")
    return "| " + " | ".join(cells) + " |"


def main():
    folder, count, size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(exist_ok=True)
    kept = {kind: [] for kind in CASES}
    for place in range(count):
        for kind, slices in kept.items():
            path = folder / f"{kind.replace(', ', '-')}.{place}.pkl"
            if not path.exists():
                path.write_bytes(pickle.dumps(calibrated(kind, size, seed=20261129 + 1000 * place)))
            slices.append(pickle.loads(path.read_bytes()))
    for kind, slices in kept.items():
        print(row(kind, slices))


if __name__ == "__main__":
    main()
