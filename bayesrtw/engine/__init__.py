"""How we compute: engines that turn a model and evidence into one kind of DataTree."""

from typing import TYPE_CHECKING, Protocol

from bayesrtw.errors import EngineRefusal, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.checked import hold
from bayesrtw.model.spec import Model
from bayesrtw.registry import must_be, role

if TYPE_CHECKING:
    import xarray as xr

    from bayesrtw.engine.fitted import Fitted


#: Rows up to which the effect behind each of them is worked out unasked.
MOST_EFFECTS = 20_000


@role("engine", "bayesrtw.Exact(), bayesrtw.Nuts()")
class Engine(Protocol):
    """What every engine offers."""

    @property
    def sampled(self) -> bool:
        """Whether posteriors are draws and not integrals."""

    @property
    def together(self) -> float | None:
        """Tolerance of normal fits that are solved in one call; None where they are fitted one by one."""

    def counting(self, ranks: int) -> "Engine":
        """Give the same engine for many fits of which ranks are kept, whose gates count and do not refuse."""

    def refuses(self, model: Model, evidence: Evidence) -> str | None:
        """Say in a sentence why the model cannot be fitted, or None."""

    def fit(self, model: Model, evidence: Evidence, *, seed: int) -> "xr.DataTree":
        """Fit the model; see `bayesrtw.posterior.tree` for what comes back."""


def choose(model: Model, evidence: Evidence) -> Engine:
    """Choose the engine: exact where it can, NUTS where it must."""
    from bayesrtw.engine.arrays import Improper  # noqa: PLC0415
    from bayesrtw.engine.exact import Exact  # noqa: PLC0415
    from bayesrtw.engine.nuts import Nuts  # noqa: PLC0415

    exact = Exact(study_effects=evidence.size <= MOST_EFFECTS)
    reason = exact.refuses(model, evidence)
    # Sampling an improper posterior would give numbers; the exact engine says what is wrong.
    return exact if reason is None or isinstance(reason, Improper) else Nuts()


def fit(
    model: Model, evidence: Evidence, *, engine: Engine | None = None, seed: int = 20260301
) -> "xr.DataTree":
    """Fit a model to evidence.

    Parameters
    ----------
    model
        Terms and likelihood.
    evidence
        The rows to pool, all in one measure.
    engine
        `Exact()` or `Nuts()` with their settings; None takes the exact one where it can.
    seed
        Seed of every draw. The same seed gives the same digits on the same platform and versions.

    Returns
    -------
    DataTree
        Groups ``posterior`` (dims chain, draw, ...), ``log_likelihood`` of each estimate, ``observed_data``,
        ``constant_data``, and ``quadrature`` (exact) or ``sample_stats`` (NUTS). All on the analysis scale.

    Raises
    ------
    EvidenceError
        If the evidence cannot be used with this model.
    EngineRefusal
        If the engine cannot fit the model; the message says which can.

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> frame = pd.DataFrame({"study": list("ABC"), "effect": [0.3, 0.1, 0.2], "se": [0.1] * 3})
    >>> model = brw.Model(terms=(brw.Intercept(brw.prior.Normal(0, 0.5)),
    ...                          brw.Exchangeable(brw.prior.HalfNormal(0.25))))
    >>> tree = brw.fit(model, brw.Evidence.from_frame(frame))
    >>> round(float(tree["posterior"]["mu"].mean()), 1)
    0.2
    """
    hold(model, evidence)
    if engine is not None:
        must_be(Engine, engine, "engine")
    if seed < 0:
        raise SpecError(f"seed is {seed!r}; give a whole number from 0 on.")
    chosen = engine or choose(model, evidence)
    reason = chosen.refuses(model, evidence)
    if reason is not None:
        raise EngineRefusal(reason)
    return chosen.fit(model, evidence, seed=seed)


def solve(model: Model, evidence: Evidence) -> "Fitted":
    """Fit a model for its posterior and its neighbours.

    Parameters
    ----------
    model
        Terms and likelihood.
    evidence
        The rows to pool, all in one measure.

    Returns
    -------
    Fitted
        What every verb asks. Nothing is integrated before it is asked for.

    Raises
    ------
    EvidenceError
        If the evidence cannot be used with this model.
    EngineRefusal
        If no engine gives neighbours of such a posterior; the message says which part of the model stands in
        the way, and what to do.
    """
    from bayesrtw.engine.allocated_fit import fit_allocated, silent  # noqa: PLC0415
    from bayesrtw.engine.borrowed import borrowed  # noqa: PLC0415
    from bayesrtw.engine.normal import normal  # noqa: PLC0415
    from bayesrtw.engine.states import fit_states  # noqa: PLC0415
    from bayesrtw.model.design import curved  # noqa: PLC0415

    hold(model, evidence)
    two_stages = borrowed(model, evidence, solve)
    if two_stages is not None:
        return two_stages
    if curved(model, evidence):
        return fit_states(model, evidence, solve)
    if silent(model, evidence):
        return fit_allocated(model, evidence)
    return normal(model, evidence)
