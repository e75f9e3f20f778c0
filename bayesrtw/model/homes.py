"""Components that have a module of their own, and the one public module where people look for them."""

from importlib import import_module
from typing import Final

from bayesrtw.registry import kinds, suggestion

#: Public module to what is looked for there, to where it is.
_ELSEWHERE: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "bayesrtw.model.prior": {
        "correlation_prior": ("ScaledBeta",),
        "mixture_prior": ("NormalMixture", "StudentT"),
        "reference_prior": (
            "BergerDeely", "Conventional", "FlatNonNegative", "InverseSquareRoot", "Jeffreys", "Lomax",
            "OverallJeffreys", "UniformShrinkage",
        ),
    },
    "bayesrtw.model.bias": {"bias_mixture": ("BiasMixture", "RiskClass", "RiskGroup")},
    "bayesrtw.model.likelihood": {
        "beta_binomial": ("BetaBinomial",),
        "copas": ("Copas",),
        "binomial": ("Binomial",),
        "hypergeometric": ("Hypergeometric",),
        "return_to_work": ("ReturnToWork",),
        "single": ("BinomialSingle", "Poisson", "PoissonSingle"),
        "student_t": ("HeavyTails",),
        "unknown_errors": ("UnknownErrors",),
    },
    "bayesrtw.model.selection": {"step_weights": ("StepWeights",), "robma": ("robma",)},
}  # fmt: skip

#: What the components of a module are.
_ROLES: Final = {
    "bayesrtw.model.prior": "prior",
    "bayesrtw.model.correlation_prior": "prior",
    "bayesrtw.model.mixture_prior": "prior",
    "bayesrtw.model.bias": "term",
    "bayesrtw.model.likelihood": "likelihood",
    "bayesrtw.model.selection": "selection",
}

#: What components are made of that are none themselves.
_PARTS: Final = {
    "bayesrtw.model.bias": ("Studies",),
    "bayesrtw.model.likelihood": ("Clustering", "Correlation"),
}


def names(module: str) -> list[str]:
    """Name the components of a module, those with a home of their own and what they are made of."""
    every = kinds(_ROLES[module]).values()
    here = [each.__name__ for each in every if each.__module__ == module]
    away = [name for own in _ELSEWHERE.get(module, {}).values() for name in own]
    return sorted([*here, *away, *_PARTS.get(module, ())])


def find(name: str, module: str) -> type:
    """Give a component of another module; AttributeError says what may have been meant."""
    for home, own in _ELSEWHERE[module].items():
        if name in own:
            found: type = getattr(import_module(f"bayesrtw.model.{home}"), name)
            return found
    raise AttributeError(f"module {module!r} has no {name!r}; {suggestion(name, names(module))}")
