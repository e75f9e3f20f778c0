"""The model: a sum of terms, seen through a likelihood."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from bayesrtw.errors import SpecError, shown
from bayesrtw.model.contract import Prior
from bayesrtw.model.likelihood import Likelihood, NormalErrors
from bayesrtw.model.selection import Selection
from bayesrtw.model.term import Hyper, Moderator, Term
from bayesrtw.pictured import as_html, rows_as_html
from bayesrtw.registry import checked, kind_of

#: Names of results that a heterogeneity SD may not take.
RESERVED = frozenset(
    {
        "mu",
        "mu_studies",
        "beta",
        "mu_level",
        "theta",
        "theta_new",
        "theta_new_studies",
        "icc",
        "rho",
        "weight",
        "node",
        "error",
        "log_evidence",
    }
)

#: The new setting that goes with each mean.
NEW = {"mu": "theta_new", "mu_studies": "theta_new_studies"}

#: Which mean is meant, and which new setting.
_WHICH = {
    "mu": "each level once",
    "mu_studies": "each study once",
    "theta_new": "no differences between levels",
    "theta_new_studies": "like one of the studies",
}


@checked
@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A sum of terms, seen through a likelihood, perhaps thinned by a selection.

    Parameters
    ----------
    terms
        Fixed and random terms. At most one `Intercept`; at least one random term (`Exchangeable`,
        or `Common` for none on purpose).
    likelihood
        How estimates scatter around their effects.
    selection
        How probable it is that a result is seen; None where all are.

    Examples
    --------
    >>> from bayesrtw.model.heterogeneity import Exchangeable
    >>> from bayesrtw.model.moderator import Intercept
    >>> from bayesrtw.model.prior import HalfNormal, Normal
    >>> Model(terms=(Intercept(Normal(0, 0.5)), Exchangeable(HalfNormal(0.25)))).hyper
    {'tau': HalfNormal(scale=0.25)}
    """

    terms: tuple[Term, ...]
    likelihood: Likelihood = field(default_factory=NormalErrors)
    selection: Selection | None = None

    def __post_init__(self) -> None:
        if sum(term.facts.mean for term in self.terms) > 1:
            raise SpecError(
                "terms hold two intercepts; a model has one pooled mean: leave one out."
            )
        spread = [term for term in self.terms if term.facts.spread]
        if not spread:
            raise SpecError(
                "terms hold no heterogeneity; add exchangeable, or common to say on purpose that all "
                "studies share one effect."
            )
        if len(spread) > 1 and not all(term.hyper() for term in spread):
            raise SpecError(
                "common says that there is no heterogeneity; leave the other terms out."
            )
        names = [name for term in self.terms for name in term.hyper()]
        names += [] if self.selection is None else self.selection.hyper()
        if len(set(names)) < len(names):
            raise SpecError(
                "two heterogeneity SDs or biases have one name; give each term a name of its own."
            )
        moderators = [each.name for each in self.moderators]
        trusted = (term.facts.trust for term in self.terms)
        moderators += [trust.name for trust in trusted if trust is not None and trust.name]
        twice = sorted({name for name in moderators if moderators.count(name) > 1})
        if twice:
            raise SpecError(f"moderators {shown(twice)} stand twice; leave one term out.")
        silent = {each.column: each.missing for each in self.moderators if each.missing}
        read = [*self.moderators, *(each for term in self.terms for each in term.facts.modifies)]
        torn = sorted(
            {
                each.column
                for each in read
                if each.shape != "other" and each.missing != silent.get(each.column, each.missing)
            }
        )
        if torn:
            raise SpecError(
                f"levels of {shown(torn)} are missing in one term and cells of the same column are read by "
                "another; leave one of them out, or take an interaction with main."
            )
        odd = sorted(name for name in moderators if set("/[]") & set(name) or not name)
        if odd:
            raise SpecError(
                f"moderators are called {shown(odd)}; names without '/', '[' and ']' only: rename the "
                "column."
            )
        reserved = sorted(set(names) & RESERVED)
        if reserved:
            raise SpecError(
                f"heterogeneity SDs or biases are called {shown(reserved)}, names of other results; "
                "choose others."
            )

    def _repr_html_(self) -> str:
        """Give the terms with their settings, for a notebook."""
        rows = [(kind_of(part), _settings_in_words(part)) for part in self.parts]
        return as_html("Model", [], [rows_as_html(("part", "settings"), rows)])

    @property
    def parts(self) -> tuple[Term | Likelihood | Selection, ...]:
        """Terms, likelihood and, where there is one, selection."""
        return (*self.terms, self.likelihood, *([self.selection] if self.selection else []))

    @property
    def hyper(self) -> dict[str, Prior]:
        """The scalar hyperparameters, name to prior."""
        return {name: each.prior for name, each in self.hyperparameters.items()}

    @property
    def hyperparameters(self) -> dict[str, Hyper]:
        """The scalar hyperparameters by name: what each is, and its prior."""
        return {name: each for part in self.parts for name, each in part.hyper().items()}

    @property
    def spreads(self) -> tuple[str, ...]:
        """Names of the SDs of effects."""
        return tuple(
            name for name, each in self.hyperparameters.items() if each.what == "sd of effects"
        )

    @property
    def moderators(self) -> tuple[Moderator, ...]:
        """What moves the pooled mean, in the order of the terms."""
        return tuple(each for term in self.terms for each in term.facts.moderators)

    @property
    def has_mean(self) -> bool:
        """Whether a term owns the pooled mean."""
        return any(term.facts.mean for term in self.terms)

    @property
    def mean(self) -> Prior | None:
        """The prior of the pooled mean; None where no setting of a term is that prior."""
        for term in self.terms:
            if term.facts.mean_setting:
                found: Prior = getattr(term, term.facts.mean_setting)
                return found
        return None

    @property
    def two_means(self) -> bool:
        """Whether the mean over levels and that over studies differ: a moderator is a line or has levels."""
        return any(each.shape not in ("rows", "sets") for each in self.moderators)

    @property
    def pooled(self) -> str:
        """Name of the pooled mean that is the headline: ``mu`` or ``mu_studies``."""
        counts = next((term.facts.counts for term in self.terms if term.facts.mean), "levels")
        return "mu_studies" if counts == "studies" and self.two_means else "mu"

    @property
    def new(self) -> str:
        """Name of the effect in a new setting that goes with the headline."""
        return NEW[self.pooled]

    def which(self, quantity: str) -> str:
        """Say which of two means, or of two new settings, a quantity is; empty where there is one."""
        if not self.two_means:
            return ""
        moving = [each for each in self.moderators if each.shape not in ("rows", "sets")]
        if quantity in ("mu", "theta_new") and all(each.shape == "line" for each in moving):
            # No level is counted: the mean is one point of the lines.
            centred = all(each.centred for each in moving)
            at = ", ".join(f"{each.column} {each.zero:g}" for each in moving if not each.centred)
            means = " others at their means" if any(each.centred for each in moving) else ""
            return "covariates at their means" if centred else f"at {at}{means and ','}{means}"
        return _WHICH.get(quantity, "")

    def under(self, priors: Mapping[str, Prior]) -> "Model":
        """Give the same model with other priors.

        Parameters
        ----------
        priors
            ``mu`` or the name of a hyperparameter, to its new prior. Hyperparameters that share a
            setting are given the same.

        Returns
        -------
        Model
            All else as it is.

        Raises
        ------
        SpecError
            If no component says where the prior of a name stands, or two that share a setting differ.
        """
        left = dict(priors)
        terms = tuple(_under(term, left, _settings(term)) for term in self.terms)
        likelihood = _under(self.likelihood, left, _settings(self.likelihood))
        selection = self.selection
        if selection is not None:
            selection = _under(selection, left, _settings(selection))
        if left:
            raise SpecError(
                f"no component says where the prior of {shown(sorted(left))} stands; there are "
                f"{shown(sorted({*self.hyper, 'mu'}))}."
            )
        return replace(self, terms=terms, likelihood=likelihood, selection=selection)


def _settings_in_words(part: Any) -> str:
    """Spell the settings of a component that were given."""
    given = {each.name: getattr(part, each.name) for each in fields(part)}
    return ", ".join(
        f"{name} = {value}" for name, value in given.items() if value not in ((), "", None)
    )


def _settings(part: Term | Likelihood | Selection) -> dict[str, str]:
    """Give where priors stand in a component, by name."""
    found = {name: each.setting for name, each in part.hyper().items() if each.setting}
    facts = getattr(part, "facts", None)
    return {**found, "mu": facts.mean_setting} if facts and facts.mean_setting else found


def _under[T](part: T, left: dict[str, Prior], settings: Mapping[str, str]) -> T:
    """Replace priors of one component, and take them from what is left to do."""
    for name in [name for name in settings if name in left]:
        setting = settings[name]
        together = [other for other in settings if settings[other] == setting]
        if any(left.get(other) != left[name] for other in together):
            raise SpecError(
                f"the prior of {shown(together)} is one setting; give all of them the same prior."
            )
        part = _placed(part, setting.split("."), left[name])
    for name in settings.keys() & left.keys():
        del left[name]
    return part


def _placed[T](part: T, path: Sequence[str], value: object) -> T:
    """Replace a setting, perhaps of a setting or in a list of them."""
    first, *rest = path
    if isinstance(part, tuple):
        place = int(first)
        own = _placed(part[place], rest, value) if rest else value
        return (*part[:place], own, *part[place + 1 :])  # type: ignore[return-value]
    settings: Any = {first: _placed(getattr(part, first), rest, value) if rest else value}
    return replace(part, **settings)  # type: ignore[type-var]
