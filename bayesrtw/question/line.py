"""The effect along a numeric moderator: mean and new setting at each value of it, exactly."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.arrays import improper, new_variance
from bayesrtw.engine.integrate import integrate, pruned
from bayesrtw.engine.normal import START, TOLERANCE
from bayesrtw.engine.problem import pose
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.design import build
from bayesrtw.model.spec import Model, check
from bayesrtw.posterior import mixture
from bayesrtw.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


def moderator_line(
    model: Model, evidence: Evidence, column: str, at: Array, *, ci_prob: float = 0.95
) -> "pd.DataFrame":
    """Give the mean effect at values of a numeric moderator, and that in a new setting there.

    Parameters
    ----------
    model, evidence
        What is pooled; the model has an intercept and a `Linear` term of the column, and the exact
        engine can fit it. Other moderators stay where the pooled mean has them.
    column
        The moderator.
    at
        Its values, in its own units, shape (value,).
    ci_prob
        Probability of the central interval.

    Returns
    -------
    DataFrame
        One row a value (the index): ``median, lower, upper`` of the mean effect, and ``new_lower,
        new_upper`` of the effect in a new setting, on the analysis scale.

    Raises
    ------
    SpecError
        If the model has no intercept or no such term.
    EngineRefusal
        If the posterior would be improper.
    """
    import pandas as pd  # noqa: PLC0415

    check(model, evidence)
    lines = {each.column: each for each in model.moderators if each.shape == "line"}
    if column not in lines:
        raise SpecError(
            f"column is {column!r}; the model has no numeric moderator of that name. "
            f"{suggestion(column, list(lines))}"
        )
    design = build(model, evidence)
    if "mu" not in design.quantities:
        raise SpecError("the model has no intercept, so there is no mean effect; add one.")
    reason = improper(design)
    if reason is not None:
        raise EngineRefusal(reason)
    values = np.asarray(at, dtype=np.float64)
    own = np.asarray(evidence.data[column].to_numpy(), dtype=np.float64)
    centre = float(own.mean()) if lines[column].centred else 0.0
    beta = design.quantities["beta"]
    slope = beta.combine[beta.labels.index(lines[column].name)]
    combine = design.quantities["mu"].combine[0] + np.outer(values - centre, slope)
    problem = pose(design)
    found = integrate(problem, START, TOLERANCE)
    normals = problem.normals(*pruned(found.nodes))
    weight, given = normals.weight, normals.given
    mean = given.mean @ combine.T
    variance = np.sum((combine @ given.covariance) * combine, axis=-1)
    at_nodes = dict(zip(problem.names, normals.hyper, strict=True))
    spread = new_variance(design, at_nodes, len(weight))
    ends = 0.5 - ci_prob / 2, 0.5, 0.5 + ci_prob / 2
    lower, median, upper = (mixture.quantile(q, weight, mean, np.sqrt(variance)) for q in ends)
    new = np.sqrt(variance + spread[:, None])
    new_lower, _, new_upper = (mixture.quantile(q, weight, mean, new) for q in ends)
    return pd.DataFrame(
        {
            "median": median,
            "lower": lower,
            "upper": upper,
            "new_lower": new_lower,
            "new_upper": new_upper,
        },
        index=pd.Index(values, name=column),
    )
