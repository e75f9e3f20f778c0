"""What the answer would be if results that are not significant were seen less often."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from bayesrtw.analysis.conclusion import Rules, stated
from bayesrtw.analysis.outlook import rules_of
from bayesrtw.analysis.tipping import classes
from bayesrtw.engine import solve
from bayesrtw.engine.fitted import Fitted, Posterior
from bayesrtw.engine.reweighed import Weighed, entangled
from bayesrtw.engine.tilted import rough, tilted
from bayesrtw.errors import EvidenceError, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.checked import hold
from bayesrtw.model.copas import Copas
from bayesrtw.model.observation import is_normal
from bayesrtw.model.spec import Model
from bayesrtw.model.step_weights import StepWeights
from bayesrtw.model.term import given
from bayesrtw.pictured import Drawing, Pictured, as_html
from bayesrtw.question.answer import table_as_html
from bayesrtw.question.asked import About, Subject, about
from bayesrtw.question.table import table

if TYPE_CHECKING:
    import pandas as pd

#: How often a result that is not significant is seen for each one that is, if both were found equally often:
#: from all of them to one in ten. Vevea & Woods (2005) call a half moderate and a tenth severe.
WEIGHTS = (1.0, 0.75, 0.5, 0.25, 0.1)
#: One-sided P value below which a result counts as significant in the direction of benefit: two-sided 0.05.
STEP = 0.025
#: Chance that the most precise study is seen, by the model of Copas.
LARGE = 0.99
#: Halvings in the search for the severity at which the class changes: to 1.5 % of itself at most.
HALVINGS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Severity(Pictured):
    """The answer under selections of several severities.

    Attributes
    ----------
    table
        One row a weight of results that are not significant: ``median, lower, upper`` of the pooled mean
        (analysis scale), ``probability`` of benefit, ``harm``, ``new_lower, new_upper``, ``tau``,
        ``log_evidence``, ``error`` and the class, ``conclusion``. The index is the weight.
    changes_at
        The largest weight at which the class is another one than where all results are seen; None if it does
        not change within the weights that were tried.
    then
        The class there.
    step
        One-sided P value of the boundary.
    asked
        What it is about.
    threshold
        Size of an effect beyond which benefit counts, analysis scale.
    levels
        Probabilities at which classes change.
    correlation
        Of being seen with sampling errors, by the model of Copas; None for a boundary of P values.
    """

    table: "pd.DataFrame"
    changes_at: float | None
    then: str
    step: float
    asked: About
    threshold: float
    levels: tuple[float, ...]
    correlation: float | None = None

    @property
    def now(self) -> str:
        """The class where all results are seen."""
        return str(self.table["conclusion"].iloc[0])

    @property
    def said(self) -> str:
        """Where the class changes, in a sentence."""
        least = float(self.table.index.min())
        if self.correlation is not None:
            what = "studies as imprecise as the least precise one"
            if self.changes_at is None:
                return (
                    f"If {what} were seen less often than precise ones, the class would stay {self.now!r} "
                    f"down to one in {1.0 / least:.3g}."
                )
            return (
                f"If fewer than {100.0 * self.changes_at:.2g} % of {what} were seen, the class would be "
                f"{self.then!r} in place of {self.now!r}."
            )
        if self.changes_at is None:
            return (
                f"If results that are not significant were seen less often than others, the class would stay "
                f"{self.now!r} down to one in {1.0 / least:.3g}."
            )
        return (
            f"If fewer than {100.0 * self.changes_at:.2g} % of the results that are not significant were "
            f"seen, the class would be {self.then!r} in place of {self.now!r}."
        )

    @property
    def curve(self) -> "pd.DataFrame":
        """P(benefit) over the weights: columns ``x`` and ``probability``."""
        import pandas as pd  # noqa: PLC0415

        return pd.DataFrame(
            {"x": self.table.index.to_numpy(), "probability": self.table["probability"].to_numpy()}
        )

    def _pictures(self) -> Mapping[str, Drawing | str]:
        title = AXIS if self.correlation is None else SMALL
        options = {"x_title": title, "thresholds": self.levels}
        return {"tipping": Drawing((self.curve, self.asked), options)}

    def _words(self) -> str:
        return self.said

    def _repr_html_(self) -> str:
        """Give the table with what it says, for a notebook."""
        return as_html("Severity of selection", [self.said], [table_as_html(self.table)])


#: What stands under the axis of the picture.
AXIS = "Share of results that are not significant that is seen"
SMALL = "Share of studies like the least precise one that is seen"


def severity(
    model: Subject,
    evidence: Evidence | None = None,
    rules: Rules | None = None,
    *,
    weights: Sequence[float] = WEIGHTS,
    step: float = STEP,
    correlation: float | None = None,
    ci_prob: float = 0.95,
) -> Severity:
    """Say what the answer would be if results that are not significant were seen less often.

    The model is fitted again with known weights of results whose one-sided P value, in the direction of
    benefit, is above `step`; everything else of it stays. Nothing is estimated of the selection, which a
    handful of studies could not tell. [1]_ Results that share an effect or a control group are seen
    together, with the probability that all of them are. Where no rule follows them (correlated
    results, levels that rows do not report, more than three coefficients beside groups) ten thousand points
    of the posterior or more are weighed instead: `error` says how exact that is, 0.02 SDs or less as a rule.
    Five or six results that are correlated each in its own way, by 0.7 or more, add up to 0.03 SDs to that.

    Parameters
    ----------
    model, evidence
        What is pooled, a model with rows or a synthesis; the model has a pooled mean. A selection of its own
        is replaced.
    rules
        Classes of the conclusion and the threshold of benefit; those of a synthesis are its own, else the
        default ones unless given. The class is that of the probabilities alone.
    weights
        How often a result that is not significant is seen, relative to one that is; in (0, 1], 1 for all.
    step
        One-sided P value of the boundary.
    correlation
        In [0, 0.99]: weights are then chances that a study like the least precise one is seen, and being seen
        goes with sampling errors by so much, see `bayesrtw.likelihood.Copas`. None for the boundary.
    ci_prob
        Probability of central intervals.

    Returns
    -------
    Severity
        A row for each weight, and the one at which the class changes.

    Raises
    ------
    SpecError
        If no direction of benefit is stated, there is no pooled mean, or weights are not in (0, 1].
    EvidenceError
        If what is asked cannot be thinned; the message says which part stands in the way.

    References
    ----------
    .. [1] Vevea JL, Woods CM (2005), Psychological Methods 10:428-443, doi:10.1037/1082-989X.10.4.428.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> found = brw.severity(brw.run(brw.open_analysis("ips-employment")))
    >>> bool(found.table["median"].is_monotonic_decreasing)
    True
    """
    odd = [weight for weight in weights if not 0 < weight <= 1]
    if odd or not weights:
        raise SpecError(f"weights are shares in (0, 1]; found {list(weights)!r}.")
    what, rules = about(model, evidence), rules_of(model, rules)
    stated(what.evidence.direction.benefit)
    higher = what.evidence.direction.benefit == "higher"
    tried = sorted({1.0, *weights}, reverse=True)
    refit = _Refit(what.model, what.evidence, step, correlation)
    found = refit.at(tried)
    frame = table(found, higher=higher, ci_prob=ci_prob, threshold=rules.threshold)
    named = classes(rules)
    pairs = zip(frame["probability"], frame["harm"], strict=True)
    frame["conclusion"] = [named(*pair) for pair in pairs]
    frame["error"] = [each.error for each in found]
    frame = frame.set_axis(tried, axis=0).rename_axis("weight")

    def name_at(weight: float) -> str:
        [row] = refit.at([weight])
        sides = rules.threshold, -rules.threshold
        ends = sides if higher else sides[::-1]
        benefit, harm = (
            row.pooled.beyond(end, above=above)
            for end, above in zip(ends, (higher, not higher), strict=True)
        )
        return named(benefit, harm)

    at, then = _change(frame["conclusion"].tolist(), tried, name_at)
    levels = rules.likely, rules.probable
    return Severity(frame, at, then, step, what, rules.threshold, levels, correlation)


def _change(
    names: list[str], weights: list[float], name_at: Callable[[float], str]
) -> tuple[float | None, str]:
    """Find the largest weight at which the class is another one; the interval between two is halved."""
    other = next((place for place, name in enumerate(names) if name != names[0]), None)
    if other is None:
        return None, ""
    high, low, then = weights[other - 1], weights[other], names[other]
    for _ in range(HALVINGS):
        middle = math.sqrt(high * low)
        name = name_at(middle)
        if name == names[0]:
            high = middle
        else:
            low, then = middle, name
    return low, then


@dataclass(frozen=True, eq=False)
class _Refit:
    """A model under known weights: fitted anew, or by what serves where that is slow or not worked out."""

    model: Model
    evidence: Evidence
    step: float
    correlation: float | None

    @cached_property
    def plain(self) -> Fitted:
        """The fit where all results are seen."""
        return solve(replace(self.model, selection=None), self.evidence)

    @cached_property
    def under(self) -> Callable[[Sequence[float]], list[Posterior]]:
        """Give posteriors under weights below 1."""
        if self.correlation is not None:
            return self._by_precision
        arranged = entangled(self.plain)
        if arranged is not None:
            return Weighed(arranged, self._with(0.5)).under
        hold(self._model(1.0), self.evidence)
        parts = (given(term, self.evidence) for term in self.plain.model.terms)
        if any(not each.distinct for part in parts for each in part.grouped):
            fit = rough(self.model, self.evidence)
            return lambda weights: tilted(fit, [self._model(one) for one in weights])
        return lambda weights: [solve(self._model(one), self.evidence).posterior for one in weights]

    def _by_precision(self, weights: Sequence[float]) -> list[Posterior]:
        """Give them where precise studies are seen and others less often."""
        bare = self.plain.model
        if not is_normal(bare.likelihood.observe(self.evidence)):
            raise EvidenceError(
                "the model of Copas takes estimates that are normal, and this likelihood is not normal: pool "
                "the estimates with the normal one, or leave correlation out."
            )
        rho = self.correlation or 0.0
        models = [
            replace(bare, likelihood=Copas(small=one, rho=rho, large=max(one, LARGE)))
            for one in weights
        ]
        lost = sorted({*bare.hyper} - {*models[0].hyper})
        if lost or bare.likelihood.clustering is not None:
            raise EvidenceError(
                "the model of Copas knows neither clusters nor unknown correlations of sampling errors"
                f"{f' ({", ".join(lost)})' if lost else ''}: state a correlation, or leave them out."
            )
        return [solve(one, self.evidence).posterior for one in models]

    def _with(self, weight: float) -> StepWeights:
        return StepWeights(steps=(self.step,), weights=(weight,))

    def _model(self, weight: float) -> Model:
        return replace(self.model, selection=self._with(weight))

    def at(self, weights: Sequence[float]) -> list[Posterior]:
        """Give posteriors under weights of results that are not significant."""
        own = iter(self.under([weight for weight in weights if weight < 1.0]))
        return [self.plain.posterior if weight == 1.0 else next(own) for weight in weights]
