"""Two sets of rows below one another."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import EvidenceError
from bayesrtw.evidence.labelled import dataset_of
from bayesrtw.evidence.quality import Judgements
from bayesrtw.evidence.table import Evidence


def combine(first: Evidence, second: Evidence) -> Evidence:
    """Put two sets of rows below one another; columns that only one has are empty in the other."""
    for name in first.outcomes.keys() & second.outcomes.keys():
        if first.outcomes[name].benefit != second.outcomes[name].benefit:
            raise EvidenceError(
                f"outcome {name!r}: benefit is {first.outcomes[name].benefit or 'not stated'!r} in "
                f"{first.where} and {second.outcomes[name].benefit or 'not stated'!r} in {second.where}; "
                "state the same for both, or rename one outcome."
            )
    columns: dict[str, NDArray[np.generic]] = {}
    for name in dict.fromkeys([*first.data.data_vars, *second.data.data_vars]):
        parts = []
        for evidence, other in ((first, second), (second, first)):
            if name in evidence.data:
                parts.append(evidence.data[name].to_numpy())
            else:
                text = other.data[name].dtype == object
                blank: NDArray[np.generic] = np.full(
                    evidence.size, "" if text else np.nan, dtype=object if text else float
                )
                parts.append(blank)
        columns[str(name)] = np.concatenate(parts)
    provenance = replace(
        first.provenance,
        dataset="+".join(filter(None, (first.provenance.dataset, second.provenance.dataset))),
        caveat=" ".join(
            dict.fromkeys(filter(None, (first.provenance.caveat, second.provenance.caveat)))
        ),
    )
    moved = tuple(replace(block, rows=block.rows + first.size) for block in second.dependence)
    return Evidence(
        dataset_of(columns),
        provenance,
        {**first.outcomes, **second.outcomes},
        (*first.dependence, *moved),
        Judgements((*first.judgements.rows, *second.judgements.rows)),
        (*first.quarantined, *second.quarantined),
        coding=first.coding.joined(second.coding),
    )
