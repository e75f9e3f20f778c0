"""Events of two groups that scatter more than binomial counts, the baseline of each study integrated."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from bayesrtw.errors import Finding, SpecError
from bayesrtw.evidence.counts import counts
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.arms import beta_binomial, log_probability
from bayesrtw.model.bias import share_of
from bayesrtw.model.binomial import (
    MEASURES,
    chances,
    probabilities,
    require_baseline,
    sampled_baselines,
    two_groups,
    without_events,
)
from bayesrtw.model.contract import UNIT
from bayesrtw.model.counted import Counted, Reads, remembered
from bayesrtw.model.curves import Curves
from bayesrtw.model.prior import Normal, Prior
from bayesrtw.model.sampled import see
from bayesrtw.model.term import CLUSTER, Allocation, Hyper
from bayesrtw.registry import component

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

Array = NDArray[np.float64]


@component("likelihood", "beta_binomial")
@dataclass(frozen=True, slots=True)
class BetaBinomial(Counted):
    """Events among people of two groups whose probabilities scatter within each group.

    ``r_ij ~ Bin(n_ij, q_ij)`` with ``q_ij ~ Beta(p_ij s, (1 - p_ij) s)``, ``s = (1 - icc) / icc``, and
    ``g(p_i1) = a_i + theta_i / 2``, ``g(p_i0) = a_i - theta_i / 2``. [1]_ Any two people of a group have
    outcomes that correlate by `icc`: as if they came in clusters, or as if groups differed by more than their
    effects. Variances are ``1 + (n - 1) icc`` times those of a binomial count. The baselines ``a_i`` are
    those of `Binomial`. A share of information (`Discount`) is a power of the study's density.

    Parameters
    ----------
    icc
        The correlation, where it is known or stated; in (0, 1).
    icc_prior
        Its prior, a beta, where it is not: `Nuts` alone then fits the model.
    link
        ``"logit"`` for log odds ratios, ``"log"`` for log risk ratios, ``"cloglog"`` (complementary log-log)
        for log hazard ratios of people followed equally long.
    baseline
        Prior of each ``a_i``: a `Normal` on the scale of the link, or a `Beta` of the probability there (with
        the logit link).

    References
    ----------
    .. [1] Kuss O (2015). Stat Med 34:1097-1116. doi:10.1002/sim.6383

    Examples
    --------
    >>> BetaBinomial(icc=0.02).reads.measures
    ('log_odds_ratio',)
    """

    icc: float | None = None
    icc_prior: Prior | None = None
    link: Literal["logit", "log", "cloglog"] = "logit"
    baseline: Prior = Normal(0.0, 10.0)  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        if (self.icc is None) == (self.icc_prior is None):
            raise SpecError(
                "the correlation within groups is known or has a prior: give either icc or icc_prior."
            )
        if self.icc is not None and not 0 < self.icc < 1:
            raise SpecError(
                f"icc must lie in (0, 1); found {self.icc!r}. Without a correlation the likelihood is "
                "'binomial'."
            )
        if self.icc_prior is not None and (
            self.icc_prior.positive or self.icc_prior.support != UNIT
        ):
            raise SpecError("icc_prior is of a correlation in (0, 1) and needs a beta prior.")
        require_baseline(self.link, self.baseline)

    @property
    def reads(self) -> Reads:
        """See `Counted`."""
        return Reads(2, "n", (MEASURES[self.link][0],))

    def hyper(self) -> Mapping[str, Hyper]:
        """Give the correlation within groups, where it has a prior."""
        if self.icc_prior is None:
            return {}
        return {"icc": Hyper(self.icc_prior, "correlation", CLUSTER, setting="icc_prior")}

    def findings(self, evidence: Evidence) -> list[Finding]:
        """Say what studies without any event say."""
        return without_events(evidence)

    @remembered
    def _sites(self, evidence: Evidence) -> Curves:
        law = partial(beta_binomial, self.link, (1.0 - (self.icc or 0.5)) / (self.icc or 0.5))
        return two_groups(evidence, law, self.link, self.baseline)

    def observe(self, evidence: Evidence) -> Curves | None:
        """Each study is a site, where the correlation is known."""
        return None if self.icc is None else self._sites(evidence)

    def draw(self, evidence: Evidence, theta: Array, rng: np.random.Generator) -> Array:
        """See `Counted`: baselines from their prior; NaN where a probability would be above 1."""
        if self.icc is None:
            raise SpecError(
                "counts are drawn with a known correlation within groups; give icc a number."
            )
        size, scale = counts(evidence, 2).size, (1.0 - self.icc) / self.icc
        found = []
        for p, n in zip(probabilities(self.link, self.baseline, theta, rng), size, strict=True):
            some = np.clip(p, 1e-300, 1.0 - 1e-16)
            own = rng.beta(some * scale, (1.0 - some) * scale)
            events = rng.binomial(n.astype(int), own).astype(float)
            found.append(np.where(p <= 1.0, events, np.nan))
        return np.stack(found)

    def pymc(
        self, eta: "TensorVariable", evidence: Evidence, allocations: tuple[Allocation, ...] = ()
    ) -> None:
        """Add baselines, the correlation and the observed variable to the PyMC model in context."""
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        a = sampled_baselines(evidence, self.link, self.baseline)
        icc: Any = self.icc if self.icc_prior is None else self.icc_prior.pymc("icc")
        scale = (1.0 - icc) / icc
        observed, groups = chances(evidence)
        shares = pm.Data("information", share_of(evidence))

        def logp(
            value: "TensorVariable",  # noqa: ARG001 - both groups are data
            theta: "TensorVariable",
            at: "TensorVariable",
            s: "TensorVariable",
        ) -> "TensorVariable":
            found = 0.0
            for (r, n), side in zip(groups, (0.5, -0.5), strict=True):
                log_p, log_q = log_probability(self.link, at + side * theta)
                for events, log in ((r, log_p), (n - r, log_q)):
                    own = s * pt.exp(log)
                    rising = log + pt.log(s) + pt.gammaln(events + own) - pt.gammaln(1.0 + own)
                    found = found + pt.switch(pt.gt(events, 0), rising, 0.0)
                found = found + pt.gammaln(s) - pt.gammaln(n + s)
            return shares * found

        see("beta_binomial", eta, allocations, logp, observed, a, pt.as_tensor(scale))
