"""Columns as a labelled table, whose rows have unique and readable names."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE


def dataset_of(columns: Mapping[str, NDArray[np.generic]]) -> xr.Dataset:
    """Put columns into a labelled table whose rows have unique, readable names."""
    # Texts are texts: xarray would look in each for a date.
    data = {
        f"{ESTIMATE}_printed" if name == ESTIMATE else name: xr.Variable(
            (ESTIMATE,), np.asarray(values), fastpath=True
        )
        for name, values in columns.items()
    }
    return xr.Dataset(data, coords={ESTIMATE: _labels(columns)})


def _labels(columns: Mapping[str, NDArray[np.generic]]) -> NDArray[np.object_]:
    named = zip(columns.get("label", columns["study"]), columns["study"], strict=True)
    labels = [str(label) or str(study) for label, study in named]
    if len(set(labels)) == len(labels):
        return np.array(labels, dtype=object)
    for extra in ("stratum", "arm", "contrast", "comparison", "outcome", "follow_up_months"):
        count = _counts(labels)
        if extra not in columns or len(count) == len(labels):
            continue
        unit = " months" if extra == "follow_up_months" else ""
        values = [
            f"{value:g}{unit}" if isinstance(value, float) else str(value)
            for value in columns[extra]
        ]
        differs: dict[str, set[str]] = {}
        for label, value in zip(labels, values, strict=True):
            differs.setdefault(label, set()).add(value)
        labels = [
            f"{label} ({value})"
            if count[label] > 1 and len(differs[label]) > 1 and value not in ("", f"nan{unit}")
            else label
            for label, value in zip(labels, values, strict=True)
        ]
    count, seen = _counts(labels), dict.fromkeys(labels, 0)
    for index, label in enumerate(labels):
        if count[label] > 1:
            seen[label] += 1
            labels[index] = f"{label} #{seen[label]}"
    return np.array(labels, dtype=object)


def _counts(labels: Sequence[str]) -> dict[str, int]:
    count: dict[str, int] = {}
    for label in labels:
        count[label] = count.get(label, 0) + 1
    return count
