"""Simulation-based calibration: whether posteriors are right about data drawn from the model.

A truth is drawn from the priors, data from the truth, and the posterior of the data is asked for the
probability that it gives to values below the truth. Over many replicates that probability is uniform for
every quantity if the engine is right (Talts, Betancourt, Simpson, Vehtari & Gelman 2018,
arXiv:1804.06788), and central intervals hold the truth as often as they say. The exact engine gives the
probability itself; draws give ranks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtr

from bayesrtw.dims import CHAIN, DRAW
from bayesrtw.engine import Engine, fit
from bayesrtw.engine.batch import batch_of, settle
from bayesrtw.engine.exact import Exact
from bayesrtw.errors import ConvergenceError, EngineRefusal, SpecError, shown
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.checked import paired
from bayesrtw.model.design import build
from bayesrtw.model.simulate import Simulated, offset, simulate
from bayesrtw.model.spec import Model
from bayesrtw.parallel import map_tasks
from bayesrtw.pictured import Drawing, Pictured, as_html
from bayesrtw.posterior import mixture
from bayesrtw.posterior.gates import failures
from bayesrtw.posterior.stored import effect_in, labels_in
from bayesrtw.posterior.summarise import hyper_distribution
from bayesrtw.question.answer import table_as_html
from bayesrtw.question.uniformity import excess, p_value
from bayesrtw.registry import kind_of, must_be

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Replicates unless told otherwise: what tells a coverage of 94 % from 95 %, and what sampling affords.
INTEGRATED, SAMPLED = "integrated", "sampled"
REPLICATES = {INTEGRATED: 2_000, SAMPLED: 200}

#: Values that the rank among thinned draws can take: 199 draws, so that every interval of `LEVELS`
#: is a whole number of cells.
CELLS = 200

#: Central intervals whose coverage is reported.
LEVELS = (0.5, 0.8, 0.95)

#: The exact engine unless it is given: distribution functions to 1e-4, a fiftieth of the standard error
#: of 10,000 ranks, at a third of the cost of its own settings.
ENGINE = Exact(nodes=40, tolerance=1e-4)

#: Replicates of one task: what takes about a second.
TOGETHER = {"batch": 500, INTEGRATED: 10, SAMPLED: 5}

#: Probability that all bands hold together if every posterior is right.
JOINT = 0.95

#: Called with the replicates done and wanted.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration(Pictured):
    """Where truths lie in their posteriors.

    Attributes
    ----------
    name
        What was calibrated, e.g. the id of an analysis.
    engine
        The engine with its settings.
    seed
        Seed of the data sets and of the engine.
    pit
        Quantity to the posterior probability of values up to the truth, shape (replicate,). Of an
        engine that draws: (rank + 1) / `cells`.
    cells
        How many values a rank can take; 0 where the probability is exact.
    failed
        Replicates that the engine refused, one sentence each; they have no place in `pit`.
    unconverged
        Replicates whose diagnostics failed their gates, one sentence each; they count all the same.
    """

    name: str
    engine: Engine
    seed: int
    pit: Mapping[str, Array]
    cells: int
    failed: tuple[str, ...] = ()
    unconverged: tuple[str, ...] = ()

    def _pictures(self) -> Mapping[str, Drawing | str]:
        return {"calibration": Drawing((self,))}

    def _repr_html_(self) -> str:
        """Give the verdict of each quantity, for a notebook."""
        told = [*self.failed, *self.unconverged]
        return as_html(f"Calibration of {self.name}", told, [table_as_html(judge([self]))])

    @property
    def size(self) -> int:
        """Replicates that gave an answer."""
        return len(next(iter(self.pit.values())))


def calibrate(
    model: Model,
    evidence: Evidence,
    *,
    engine: Engine | None = None,
    replicates: int | None = None,
    seed: int = 20260301,
    name: str = "model",
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """Calibrate a model by simulation, with the design of given evidence.

    Parameters
    ----------
    model
        Its priors are all proper.
    evidence
        Rows whose standard errors, groups, moderators and known covariance every data set has.
    engine
        `Exact` or `Nuts`; None takes `ENGINE`. What ranks do not need is switched off. One
        heterogeneity SD and independent estimates go through the exact engine's batched kernel.
    replicates
        How many data sets; None takes 2,000 for `Exact` and 200 for `Nuts`.
    seed
        Seed of everything.
    name
        What results are called.
    executor
        Where the fits are done, see `bayesrtw.parallel.map_tasks`; None works here.
    progress
        Called with the replicates done and wanted.

    Returns
    -------
    Calibration
        For `judge` and `bayesrtw.plot.calibration`.

    Raises
    ------
    SpecError
        If nothing can be drawn from the model.
    EngineRefusal
        If the engine cannot fit it.

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> frame = pd.DataFrame({"study": list("ABC"), "effect": [0.3, 0.1, 0.2], "se": [0.1] * 3})
    >>> model = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 0.5)),
    ...                          brw.Exchangeable(brw.prior.HalfNormal(0.25))))
    >>> found = calibrate(model, brw.Evidence.from_frame(frame), replicates=1000, seed=1)
    >>> bool(judge([found])["inside"].all())
    True
    """
    paired(model, evidence)
    if engine is not None:
        must_be(Engine, engine, "engine")
    used = (engine or ENGINE).counting(CELLS - 1)
    kind = SAMPLED if used.sampled else INTEGRATED
    count = REPLICATES[kind] if replicates is None else replicates
    drawn = simulate(model, evidence, count, seed=seed)
    reason = used.refuses(model, evidence)
    if reason is not None:
        raise EngineRefusal(reason)
    batched = used.together is not None and drawn.events is None and _batchable(model, evidence)
    size = TOGETHER["batch" if batched else kind]
    truth = np.stack(list(drawn.truth.values()), axis=-1)
    variables = tuple(drawn.variables.values())
    # Seeds of the engine are other ones than those of the data.
    seeds = np.random.SeedSequence(seed).spawn(1)[0].generate_state(count).tolist()

    def parts() -> Iterator[_Part]:
        for start in range(0, count, size):
            cut = slice(start, start + size)
            some, own = drawn.at(cut), truth[cut]
            yield _Part(model, evidence, used, batched, variables, start, some, own, seeds[cut])

    done: list[_Placed] = []
    for placed in map_tasks(_place, parts(), executor):
        done.append(placed)
        if progress is not None:
            progress(min(size * len(done), count), count)
    pit = np.concatenate([placed.pit for placed in done])
    # What an engine does not report of a model is empty in every replicate.
    known = np.any(np.isfinite(pit), axis=0)
    kept = np.all(np.isfinite(pit[:, known]), axis=1)
    if not known.any():
        raise ConvergenceError(f"no replicate could be fitted; the first: {done[0].failed[0]}")
    return Calibration(
        name=name,
        engine=used,
        seed=seed,
        pit={
            quantity: pit[kept, place] for place, quantity in enumerate(drawn.truth) if known[place]
        },
        cells=CELLS if used.sampled else 0,
        failed=tuple(text for placed in done for text in placed.failed),
        unconverged=tuple(text for placed in done for text in placed.unconverged),
    )


def judge(
    calibrations: Sequence[Calibration] | Calibration,
    *,
    joint: float = JOINT,
    tests: int | None = None,
) -> "pd.DataFrame":
    """Say of every quantity whether its ranks are uniform and what its intervals cover.

    Parameters
    ----------
    calibrations
        Of any models and engines; or one.
    joint
        Probability that all bands hold together if every posterior is right, in (0, 1); each band has
        the level 1 - (1 - joint) / tests.
    tests
        How many bands there are in all; None takes those of `calibrations`.

    Returns
    -------
    DataFrame
        One row a quantity. Columns ``name, engine, quantity, replicates``; ``inside`` whether the ranks
        stay in the band, ``excess`` by how much they leave it (a probability), ``p_value`` of uniformity;
        ``coverage_50`` ... share of truths inside central intervals, ``error_50`` ... its Monte-Carlo
        standard error if the intervals are right.

    Raises
    ------
    SpecError
        If `joint` is not in (0, 1).

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> frame = pd.DataFrame({"study": list("ABC"), "effect": [0.3, 0.1, 0.2], "se": [0.1] * 3})
    >>> model = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 0.5)), brw.Common()))
    >>> found = brw.calibrate(model, brw.Evidence.from_frame(frame), replicates=200, seed=1)
    >>> table = brw.judge([found]).set_index("quantity")
    >>> table["inside"].to_dict()
    {'mu': True, 'theta[A]': True, 'theta[B]': True, 'theta[C]': True}
    """
    import pandas as pd  # noqa: PLC0415

    if isinstance(calibrations, Calibration):
        calibrations = [calibrations]
    strangers = {type(each).__name__ for each in calibrations if not isinstance(each, Calibration)}
    if strangers:
        raise SpecError(
            f"judge is given {shown(strangers)}; give what calibrate returns, one or several."
        )
    if not 0 < joint < 1:
        raise SpecError(f"joint must lie in (0, 1); found {joint!r}.")
    level = level_of(calibrations, joint=joint, tests=tests)
    rows = []
    for found in calibrations:
        for quantity, pit in found.pit.items():
            p, beyond = p_value(pit, found.cells), excess(pit, level, found.cells)
            row: dict[str, Any] = {
                "name": found.name,
                "engine": kind_of(found.engine),
                "quantity": quantity,
                "replicates": len(pit),
                "inside": beyond == 0.0,
                "excess": beyond,
                "p_value": p,
            }
            # The middle of a rank's cell is compared, so that whole cells are in or out.
            middle = pit - (0.5 / found.cells if found.cells else 0.0)
            for share in LEVELS:
                inside = np.abs(middle - 0.5) <= 0.5 * share
                row[f"coverage_{100 * share:.0f}"] = float(np.mean(inside))
                error = np.sqrt(share * (1.0 - share) / len(pit))
                row[f"error_{100 * share:.0f}"] = float(error)
            rows.append(row)
    return pd.DataFrame(rows)


def level_of(
    calibrations: Sequence[Calibration], *, joint: float = JOINT, tests: int | None = None
) -> float:
    """Level that each band has so that all hold together."""
    count = tests or sum(len(found.pit) for found in calibrations)
    return 1.0 - (1.0 - joint) / count


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Some replicates: what a worker needs to know."""

    model: Model
    evidence: Evidence
    engine: Engine
    batched: bool
    variables: tuple[tuple[str, str], ...]
    start: int
    drawn: Simulated
    truth: Array
    seeds: list[int]


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """Where the truths lie, shape (replicate, quantity), empty where a fit failed."""

    pit: Array
    failed: tuple[str, ...] = ()
    unconverged: tuple[str, ...] = ()


def _batchable(model: Model, evidence: Evidence) -> bool:
    try:
        batch_of(build(model, evidence))
    except EngineRefusal:
        return False
    return True


def _place(part: _Part) -> _Placed:
    """Fit some replicates and place their truths."""
    if part.batched:
        # One problem that a batch cannot resolve is fitted alone, with all the others of its part.
        with suppress(ConvergenceError):
            return _Placed(_place_batch(part))
    pit = np.full(part.truth.shape, np.nan)
    failed, unconverged = [], []
    for row, seed in enumerate(part.seeds):
        rows = part.drawn.rows(part.model, part.evidence, row)
        try:
            tree = fit(part.model, rows, engine=part.engine, seed=seed)
        except ConvergenceError as error:
            failed.append(f"replicate {part.start + row}: {error}")
            continue
        if "quadrature" in tree.children:
            pit[row] = _below(tree["quadrature"].to_dataset(), part.truth[row], part.variables)
            continue
        gates = failures(tree)
        if gates:
            unconverged.append(f"replicate {part.start + row}: {'; '.join(gates)}")
        ranks = _ranks(tree["posterior"].to_dataset(), part.truth[row], part.variables)
        pit[row] = (ranks + 1) / CELLS
    return _Placed(pit, tuple(failed), tuple(unconverged))


def _below(quadrature: xr.Dataset, truth: Array, variables: Sequence[tuple[str, str]]) -> Array:
    """Posterior probability of values up to the truth; empty where a quantity is not reported."""
    weight = quadrature["weight"].to_numpy()
    found = np.full(len(truth), np.nan)
    for variable in dict.fromkeys(name for name, _ in variables):
        if f"{variable}_mean" in quadrature:
            own = [place for place, (name, _) in enumerate(variables) if name == variable]
            mean = quadrature[f"{variable}_mean"].to_numpy().reshape(len(weight), -1)
            sd = quadrature[f"{variable}_sd"].to_numpy().reshape(len(weight), -1)
            found[own] = mixture.cdf(truth[own], weight, mean, sd)
    for place, (variable, label) in enumerate(variables):
        if f"{variable}_mean" in quadrature:
            continue
        if f"{variable}_marginal" in quadrature:
            found[place] = hyper_distribution(quadrature, variable).cdf(truth[place])
        elif labels_in(quadrature, variable) is not None:
            found[place] = effect_in(quadrature, variable, label).below(truth[place])
    return found


def _ranks(
    posterior: xr.Dataset, truth: Array, variables: Sequence[tuple[str, str]]
) -> NDArray[np.intp]:
    """How many of the thinned draws lie below the truth, one count for each quantity."""
    found = np.empty(len(truth), dtype=np.intp)
    for variable in dict.fromkeys(variable for variable, _ in variables):
        own = [place for place, (name, _) in enumerate(variables) if name == variable]
        values = posterior[variable].to_numpy()
        values = values.reshape(posterior.sizes[CHAIN] * posterior.sizes[DRAW], -1)
        # As far apart as they can be, so that what is left of autocorrelation does not matter.
        kept = ((np.arange(CELLS - 1) + 0.5) * len(values) / (CELLS - 1)).astype(np.intp)
        found[own] = np.sum(values[kept] < truth[own], axis=0)
    return found


def _place_batch(part: _Part) -> Array:
    """Place truths in posteriors of one SD and independent estimates, all in one call."""
    design, truth = build(part.model, part.evidence), part.truth
    effect = part.drawn.effect - offset(design, part.evidence)
    tolerance = part.engine.together
    assert tolerance is not None
    solved = settle(replace(batch_of(design), effect=effect), tolerance)
    at = {key: place for place, key in enumerate(part.variables)}
    found = np.empty(truth.shape)

    def put(key: tuple[str, str], combine: Array, *, new: bool = False) -> None:
        weight, mean, sd = solved.mixture(combine, new=new)
        found[:, at[key]] = mixture.cdf(truth[:, at[key]], weight, mean, sd)

    for variable, quantity in design.quantities.items():
        for label, combine in zip(quantity.labels, quantity.combine, strict=True):
            put((variable, label), combine)
    for name in design.hyper:
        place = at[name, ""]
        found[:, place] = solved.spread_cdf(truth[:, place])
    if ("theta_new", "") in at:
        put(("theta_new", ""), design.quantities["mu"].combine[0], new=True)
    if ("theta_new_studies", "") in at and design.mix is not None:
        spot = at["theta_new_studies", ""]
        each = [solved.mixture(row, new=True) for row in design.mix.rows]
        lower = [mixture.cdf(truth[:, spot], *parts) for parts in each]
        found[:, spot] = design.mix.share @ np.stack(lower)
    own = [at["theta", str(label)] for label in design.labels]
    tau2, se2 = solved.tau[..., None] ** 2, design.se**2
    kept = tau2 / (tau2 + se2)
    # An effect is what the coefficients say, biases left out, and a share of what they leave over.
    slope = design.of_effects - kept[..., None] * design.columns
    mean = kept * effect[:, None, :] + (slope @ solved.mean[..., None])[..., 0]
    spread = np.sum((slope @ solved.covariance) * slope, axis=-1)
    sd = np.sqrt(kept * se2 + spread)
    below = ndtr((truth[:, None, own] - mean) / sd)
    found[:, own] = np.sum(solved.weight[..., None] * below, axis=1)
    return found
