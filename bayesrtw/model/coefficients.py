"""Priors of a model's coefficients by name, and the model with others in their place."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from bayesrtw.errors import SpecError
from bayesrtw.model.contract import Prior
from bayesrtw.model.spec import Model
from bayesrtw.model.term import Term
from bayesrtw.registry import kind_of, suggestion

#: Fields of a term that hold its one prior: the coefficient is called as the term is.
OWN = ("prior", "common")


def coefficient_priors(model: Model) -> dict[str, Prior]:
    """Give the priors of coefficients: ``mu``, and by the names of moderators and biases the others."""
    return {name: getattr(term, field) for name, term, field in _coefficients(model)}


def with_priors(model: Model, priors: Mapping[str, Prior]) -> Model:
    """Put other priors of coefficients, by the names of `coefficient_priors`, in their places."""
    places = {name: (term, field) for name, term, field in _coefficients(model)}
    changed: dict[int, Any] = {}
    for name, prior in priors.items():
        if name not in places:
            have = [*model.hyper, *places]
            raise SpecError(f"no prior is called {name!r}. {suggestion(name, have)}")
        term, field = places[name]
        changed[id(term)] = replace(changed.get(id(term), term), **{field: prior})
    return replace(model, terms=tuple(changed.get(id(term), term) for term in model.terms))


def _coefficients(model: Model) -> list[tuple[str, Term, str]]:
    """Find every prior of a term that is not that of a hyperparameter."""
    found = []
    for term in model.terms:
        hyper = [each.prior for each in term.hyper().values()]
        for field in fields(term):  # type: ignore[arg-type]
            value = getattr(term, field.name)
            if not hasattr(value, "logpdf") or any(value is own for own in hyper):
                continue
            mean = field.name == term.facts.mean_setting
            called = "mu" if mean else _name(term)
            name = called if field.name in OWN else f"{called}.{field.name}"
            found.append((name, term, field.name))
    return found


def _name(term: Term) -> str:
    """Say what a term is called."""
    names = (getattr(term, attribute, "") for attribute in ("label", "name", "column"))
    return next((name for name in names if isinstance(name, str) and name), kind_of(term))
