"""Two terms, a prior and a likelihood that this package does not know, for a walk through all it offers."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy import special

import bayesrtw as brw
from bayesrtw import registry
from bayesrtw.analysis.default import default_analyses
from bayesrtw.analysis.spec import Analysis, Estimand
from bayesrtw.decision.baseline import StatedBaseline
from bayesrtw.decision.cost_stakes import Amount, Option, Stakes
from bayesrtw.decision.stated import Decision
from bayesrtw.decision.zones import Zones
from bayesrtw.errors import Finding
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.contract import HALF_LINE, normal
from bayesrtw.model.grouped import Grouped
from bayesrtw.model.likelihood import Offers
from bayesrtw.model.observation import Mixed
from bayesrtw.model.term import Allocation, Contribution, Facts, Fixed, Hyper, Moderator


@dataclass(frozen=True, slots=True)
class Erlang:
    """Erlang prior of an SD: density x exp(-x / scale) / scale^2."""

    scale: float

    proper: ClassVar[bool] = True
    positive: ClassVar[bool] = True
    support: ClassVar[tuple[float, float]] = HALF_LINE
    tail_power: ClassVar[float] = math.inf
    tail_rate: ClassVar[float] = 0.0
    normals: ClassVar[None] = None
    scales: ClassVar[tuple[str, ...]] = ("scale",)

    def logpdf(self, x: Any) -> Any:
        values = np.asarray(x, dtype=np.float64)
        inside = np.where(values > 0, np.minimum(values, 1e300), 1.0)
        log = np.log(inside) - inside / self.scale - 2.0 * math.log(self.scale)
        return np.where(values > 0, log, -np.inf)

    def ppf(self, q: Any) -> Any:
        return np.asarray(self.scale * special.gammaincinv(2.0, np.asarray(q, dtype=np.float64)))

    def pymc(self, name: str) -> Any:
        import pymc as pm  # noqa: PLC0415

        return pm.Gamma(name, alpha=2.0, beta=1.0 / self.scale)


@dataclass(frozen=True, slots=True)
class Saturating:
    """A moderator of its own: the effect moves with dose / (dose + half), less its mean."""

    dose: str
    half: float
    slope: brw.prior.Prior

    @property
    def facts(self) -> Facts:
        return Facts(moderators=(Moderator("saturation", self.dose, "other"),))

    def faults(self, evidence: Evidence) -> list[str]:
        return [] if self.dose in evidence.data else [f"{evidence.where}: no column {self.dose!r}."]

    def findings(self, evidence: Evidence) -> list[Finding]:  # noqa: ARG002
        return []

    def hyper(self) -> Mapping[str, Hyper]:
        return {}

    def _values(self, evidence: Evidence) -> Any:
        dose = np.asarray(evidence.data[self.dose].to_numpy(), dtype=np.float64)
        moved = dose / (dose + self.half)
        return moved - moved.mean()

    def gaussian(self, evidence: Evidence) -> Fixed:
        mean, sd = normal(self.slope) or (0.0, math.inf)
        return Fixed(
            columns=self._values(evidence)[:, None],
            mean=np.array([mean]),
            precision=np.array([sd**-2.0]),
            labels=("saturation",),
            combine=np.ones((1, 1)),
        )

    def pymc(self, evidence: Evidence) -> Contribution:
        slope = self.slope.pymc("beta_saturation")
        return Contribution(slope * self._values(evidence), slope[None])


@dataclass(frozen=True, slots=True)
class Clinics:
    """Effects that differ between values of a column, by an SD called ``between``."""

    sd: brw.prior.Prior
    of: str

    @property
    def facts(self) -> Facts:
        return Facts(spread=True)

    def faults(self, evidence: Evidence) -> list[str]:
        return [] if self.of in evidence.data else [f"{evidence.where}: no column {self.of!r}."]

    def findings(self, evidence: Evidence) -> list[Finding]:  # noqa: ARG002
        return []

    def hyper(self) -> Mapping[str, Hyper]:
        return {"between": Hyper(self.sd, "sd of effects", self.of, setting="sd")}

    def _group(self, evidence: Evidence) -> Any:
        return np.unique(evidence.data[self.of].to_numpy().astype(str), return_inverse=True)[1]

    def gaussian(self, evidence: Evidence) -> Grouped:
        which = np.zeros(evidence.size, dtype=np.intp)
        return Grouped(self._group(evidence).astype(np.intp), ("between",), which)

    def pymc(self, evidence: Evidence) -> Contribution:
        import pymc as pm  # noqa: PLC0415

        group = self._group(evidence)
        z = pm.Normal("between_z", 0.0, 1.0, shape=int(group.max()) + 1)
        return Contribution(self.sd.pymc("between") * z[group], None)


@dataclass(frozen=True, slots=True)
class Rounded:
    """Errors of which every tenth is three times as large as it says."""

    large: float = 3.0

    @property
    def offers(self) -> Offers:
        return Offers()

    @property
    def correlation(self) -> None:
        return

    @property
    def clustering(self) -> None:
        return

    def columns(self) -> tuple[str, ...]:
        return ("effect", "se")

    def hyper(self) -> Mapping[str, Hyper]:
        return {}

    def observe(self, evidence: Evidence) -> Mixed:
        effect, se = (evidence.data[name].to_numpy().astype(float) for name in ("effect", "se"))
        return Mixed(effect, se, np.log([0.9, 0.1]), np.array([1.0, self.large**2]))

    def pymc(self, eta: Any, evidence: Evidence, allocations: tuple[Allocation, ...] = ()) -> None:
        import pymc as pm  # noqa: PLC0415
        import pytensor.tensor as pt  # noqa: PLC0415

        assert not allocations
        se = pm.Data("se_data", evidence.data["se"].to_numpy())
        seen = pm.Data("effect_data", evidence.data["effect"].to_numpy())
        sigma, mean = pt.stack([se, self.large * se], axis=-1), pt.stack([eta, eta], axis=-1)
        pm.NormalMixture("effect", w=[0.9, 0.1], mu=mean, sigma=sigma, observed=seen)


@contextmanager
def known() -> Iterator[None]:
    """Register them for a while, so that no other test meets them."""
    made = (
        ("prior", "erlang", Erlang),
        ("term", "saturating", Saturating),
        ("term", "clinics", Clinics),
        ("likelihood", "rounded", Rounded),
    )
    for role, kind, cls in made:
        registry.component(role, kind)(cls)
    try:
        yield
    finally:
        for role, kind, _ in made:
            del registry._KINDS[role][kind]


#: What those who decide state of it: half are back after ninety days without the programme.
DECISION = Decision(
    baseline=StatedBaseline(risk=0.8, day=182.0, shape=0.8, source="made up"),
    zones=Zones(days=(5.0, 15.0, 30.0)),
    stakes=Stakes(
        option=(Option(name="programme", cost=Amount(mean=500.0)),),
        currency="EUR",
        day=Amount(mean=100.0),
        source="made up",
    ),
)

NAMES = [f"{letter} {2000 + place}" for place, letter in enumerate("ABCDEFGH")]


def rows() -> Evidence:
    frame = pd.DataFrame(
        {
            "study": NAMES,
            "effect": [0.42, 0.05, 0.11, -0.21, 0.33, 0.2, 0.15, 0.3],
            "se": [0.15, 0.12, 0.30, 0.25, 0.09, 0.2, 0.14, 0.11],
            "weeks": [4.0, 8.0, 2.0, 6.0, 12.0, 3.0, 5.0, 9.0],
            "n_t": 60.0,
            "n_c": 60.0,
            "clinic": ["a", "b", "c", "d", "e", "f", "g", "h"],
            "year": [2000.0 + place for place in range(8)],
            "design": ["rct", "cohort"] * 4,
        }
    )
    return Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")


def model(*, heavy: bool = False) -> brw.Model:
    """Give the model, with the likelihood that nobody knows or the normal one."""
    prior = brw.prior
    terms = (
        brw.Intercept(prior.Normal(0, 0.5)),
        Saturating("weeks", 6.0, prior.Normal(0.1, 0.4)),
        Clinics(Erlang(0.1), "clinic"),
    )
    return brw.Model(terms=terms, **({"likelihood": Rounded()} if heavy else {}))


def analysis(*, heavy: bool = False) -> Analysis:
    """Give an analysis of the model, with what a decision needs."""
    asked = (
        Estimand("pooled", "mu"),
        Estimand("new setting", "theta_new"),
        Estimand("SD", "between"),
        Estimand("slope", "beta[saturation]"),
    )
    (found,) = default_analyses(rows())
    # Two groups at risk beside two coefficients take the exact engine half a minute, then its refusal.
    steps = replace(found.ladder, mixture=None)
    chosen = {"likelihood": Rounded()} if heavy else {}
    return replace(
        found, id="foreign", title="Foreign", term=model().terms, estimand=asked, ladder=steps,
        decision=DECISION, **chosen
    )  # fmt: skip
