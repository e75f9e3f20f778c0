"""Models with weights of a selection that the data tell, as trees without draws."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from bayesrtw.engine.arrays import back_moments
from bayesrtw.engine.curved_tree import of_effects
from bayesrtw.engine.integrate import tail_power
from bayesrtw.engine.tilted import rough, tilted
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.spec import Model
from bayesrtw.posterior.tree import assemble


def selected_trees(models: Sequence[Model], evidence: Evidence) -> list[xr.DataTree]:
    """Fit models that differ in their selection alone: log evidence, and effects as kernels."""
    fit = rough(models[0], evidence)
    design = fit.design
    attrs = {
        "tail_power": tail_power(design),
        "back_moments": back_moments(design),
        "grows_with_tau": "",
    }
    found = []
    for learned in tilted(fit, models, coefficients=True):
        data, coords = of_effects(design, learned, np.ones(1))
        quadrature = xr.Dataset(data, coords=coords, attrs=attrs)
        found.append(assemble({"quadrature": quadrature}, design, evidence, {"hyper": ""}))
    return found
