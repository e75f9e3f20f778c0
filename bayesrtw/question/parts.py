"""What each part of programmes adds, which studies tell it, and what is needed to add parts up elsewhere."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bayesrtw.engine.each_normal import EachNormal
from bayesrtw.engine.fitted import Fitted
from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.model.components import PAIR
from bayesrtw.model.design import build
from bayesrtw.question.answer import Answer, answered
from bayesrtw.question.asked import Subject, asked
from bayesrtw.question.table import quantiles

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Normals that a posterior over nodes is merged into, along one, two or three hyperparameters: quantiles of
#: shipped analyses move by less than half a hundredth of an SD, and by two hundredths where parts stand open,
#: whose classes of allocations share half as many slices.
MERGED = ((), (48,), (12, 8), (6, 5, 4))
#: Slices of a hyperparameter are alike on the scale of normal quantiles, and the outermost begin here: few
#: nodes in the tails matter as much as many in the middle.
REACH = 2.8


@dataclass(frozen=True, slots=True, eq=False)
class PartsTold:
    """A posterior of parts, and which studies tell it.

    Attributes
    ----------
    table
        One row a part, and a pair whose effect may differ from the sum: ``mean, sd, median, lower, upper``
        (analysis scale), ``probability`` (of benefit; of an effect above zero where nobody stated which
        are good), ``studies`` (whose arms differ in it) and ``prior``, the share of the prior.
    shares
        Share of each study in each part, shape (study, part): with the prior's they add up to one. If a part
        had one unit more effect, and the estimates with it, its posterior mean would move by this much
        through the study.
    studies
        Names of the studies.
    """

    table: "pd.DataFrame"
    shares: Array
    studies: tuple[str, ...]

    def first(self, part: str, count: int = 3) -> list[tuple[str, float]]:
        """Give the studies with the largest shares in a part, largest first."""
        own = self.shares[:, list(self.table.index).index(part)]
        order = np.argsort(-own, kind="stable")[:count]
        return [(self.studies[place], float(own[place])) for place in order if own[place] > 0.005]


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """A posterior of parts as few normals, from which that of every set of parts follows."""

    names: tuple[str, ...]  #: Parts, then pairs ``a x b``.
    weight: Array  #: Shares of the normals, shape (normal,).
    #: mean, covariance: of the parts' effects, shapes (normal, name) and (normal, name, name); analysis
    #: scale. Over all normals they are those of the posterior.
    mean: Array
    covariance: Array
    spread: Array  #: Variance of a new setting around the mean, shape (normal,).


def parts(model: Subject, evidence: object = None, *, ci_prob: float = 0.95) -> Answer:
    """Say what each part of programmes adds, and which studies tell it.

    Parameters
    ----------
    model, evidence
        A model of components with rows, or a synthesis.
    ci_prob
        Probability of central intervals.

    Returns
    -------
    Answer
        The table of `PartsTold`, with ``told_by``: the studies with the largest shares, in words.

    Raises
    ------
    SpecError
        If the model is not one of components.
    EngineRefusal
        If the model is one that no engine takes apart by studies.

    Notes
    -----
    The share of a study is the covariance of the part's effect with the slope of the study's log likelihood
    in it, given the hyperparameters: of normal estimates slope times difference, and of counts what takes
    its place. By partial integration these and the prior's add up to one.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> found = brw.network.parts(brw.run(brw.open_analysis("at-work-components")))
    >>> round(float(found.loc["exercise", "prior"]), 2)
    0.19
    """
    whole = asked(model, evidence)  # type: ignore[arg-type] # as every question
    told = told_by(whole, ci_prob=ci_prob)
    frame = told.table.copy()
    frame["told_by"] = [
        ", ".join(f"{study} {100 * share:.0f} %" for study, share in told.first(name))
        for name in frame.index
    ]
    caption = f"What each part adds, {100 * ci_prob:g} % intervals, and which studies tell it"
    words = "; ".join(
        f"{name} {row['median']:.2f} ({row['lower']:.2f} to {row['upper']:.2f})"
        for name, row in frame.iterrows()
    )
    said = f"What each part adds, analysis scale: {words}."
    return answered(frame, whole, caption, words=said)


def told_by(fit: Fitted, *, ci_prob: float = 0.95) -> PartsTold:
    """Work out the effects of parts of a fit, and the share of each study in them."""
    import pandas as pd  # noqa: PLC0415

    labels, combine, columns = _labels(fit)
    by_row = np.zeros(columns.shape)
    by_row[fit.kept] = _normals(fit, combine).told
    data = fit.evidence.data
    key = data["study"].to_numpy().astype(str)
    called = data["label"].to_numpy().astype(str) if "label" in data else key
    studies = list(dict.fromkeys(key.tolist()))
    shares = np.array([by_row[key == study].sum(axis=0) for study in studies])
    own = fit.mean_at(combine)
    levels = np.array([0.5, 0.5 - ci_prob / 2, 0.5 + ci_prob / 2])
    higher = fit.evidence.benefit != "lower"
    moments = np.array([each.moments() for each in own])
    table = pd.DataFrame(
        {
            "mean": moments[:, 0],
            "sd": moments[:, 1],
            **dict(zip(("median", "lower", "upper"), quantiles(own, levels), strict=True)),
            "probability": [each.beyond(0.0, above=higher) for each in own],
            "studies": [len(set(key[column != 0])) for column in columns.T],
            "prior": 1.0 - shares.sum(axis=0),
        },
        index=pd.Index(labels, name="part"),
    )
    names = tuple(str(called[np.flatnonzero(key == study)[0]]) or study for study in studies)
    return PartsTold(table, shares, names)


def material(fit: Fitted) -> Material:
    """Merge the nodes of a fit into few normals of its parts; means and covariances are kept."""
    labels, combine, _ = _labels(fit)
    weight, mean, covariance, values, spread, _, group = _normals(fit, combine)
    counts: tuple[int, ...] = MERGED[min(len(values), 3)]
    if group.max(initial=0) > 0:
        counts = tuple(count // 2 for count in counts)
    for value, count in zip(values, counts, strict=False):
        finer = np.empty_like(group)
        for each in np.unique(group):
            here = np.flatnonzero(group == each)
            order = here[np.argsort(value[here], kind="stable")]
            share = np.cumsum(weight[order]) - 0.5 * weight[order]
            score = ndtri(np.clip(share / weight[order].sum(), 1e-12, 1.0 - 1e-12))
            slices = np.floor(count * (score / REACH + 1.0) / 2.0).astype(np.intp)
            finer[order] = each * count + np.clip(slices, 0, count - 1)
        group = finer
    kept = np.unique(group)
    merged = [_merged(weight, mean, covariance, spread, group == each) for each in kept]
    return Material(
        tuple(labels),
        *(np.array([one[part] for one in merged]) for part in range(4)),
    )


def _merged(
    weight: Array, mean: Array, covariance: Array, spread: Array, here: NDArray[np.bool_]
) -> tuple[float, Array, Array, float]:
    """Weight, mean, covariance and spread of some nodes together."""
    total = float(weight[here].sum())
    own = weight[here] / total
    centre = own @ mean[here]
    gap = mean[here] - centre
    within = np.einsum("n,nij->ij", own, covariance[here]) + (gap * own[:, None]).T @ gap
    return total, centre, within, float(own @ spread[here])


def _labels(fit: Fitted) -> tuple[list[str], Array, Array]:
    """Name the parts of a fit, with what they are of the coefficients (part, column), and of rows."""
    names = [each.name for each in fit.model.moderators if each.shape == "sets"]
    if not names:
        raise SpecError("the model is not one of components; give it a term `components`.")
    design = build(fit.model, fit.evidence, partial=True)
    beta = design.quantities["beta"]
    rows = [place for place, label in enumerate(beta.labels) if label.startswith(f"{names[0]}[")]
    labels = [beta.labels[place][len(names[0]) + 1 : -1] for place in rows]
    combine = beta.combine[rows]
    return labels, combine, design.columns @ combine.T


def _normals(fit: Fitted, combine: Array) -> EachNormal:
    """Give parts of a fit node by node."""
    given = getattr(fit, "each_normal", None)
    if given is None:
        raise EngineRefusal(
            "which studies tell a part is worked out where effects are integrated exactly; here they are not."
        )
    found: EachNormal = given(combine)
    return found


def pairs_in(names: tuple[str, ...]) -> list[tuple[int, int, int]]:
    """Find pairs among names of parts: the place of each, and of both its parts."""
    found = []
    for place, name in enumerate(names):
        both = name.split(PAIR)
        if len(both) == 2 and all(part in names for part in both):
            found.append((place, names.index(both[0]), names.index(both[1])))
    return found
