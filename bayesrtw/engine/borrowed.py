"""Studies in two stages: some give a robust MAP prior of the others' pooled mean; posterior and neighbours.

What the first stage learned passes to the second through that prior and never back: the studies that give it
are predicted by their own fit, the others by theirs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bayesrtw.engine.borrow import borrowing, predicted, robust, split
from bayesrtw.engine.fitted import EachMean, EachShift, Fitted, Mask, Posterior
from bayesrtw.errors import SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.coefficients import coefficient_priors, with_priors
from bayesrtw.model.prior import Prior
from bayesrtw.model.spec import Model
from bayesrtw.posterior.kernels import Kernels
from bayesrtw.posterior.marginal import Distribution
from bayesrtw.posterior.pieces import Outcomes, Pieces
from bayesrtw.registry import suggestion

Array = NDArray[np.float64]
Solve = Callable[[Model, Evidence], Fitted]


def borrowed(model: Model, evidence: Evidence, solve: Solve) -> "BorrowedFitted | None":
    """Fit a model with a robust MAP prior in two stages; None where it has none."""
    term, halves = borrowing(model), split(model, evidence)
    if term is None or halves is None:
        return None
    external, source, others, target = halves
    first, plain = solve(external, source), solve(others, target)
    return BorrowedFitted(model, evidence, solve, term.lent(evidence), first, plain)


@dataclass(frozen=True, eq=False)
class BorrowedFitted:
    """A fit in two stages; see `bayesrtw.engine.fitted.Fitted`.

    `lent` marks the rows that give the prior, `first` is their fit, `plain` that of the others under the
    vague part alone; `second`, where it is known, that of the others under the whole prior, or under `own`
    in its place; `powers` are those of prior and data of the second stage.
    """

    model: Model
    evidence: Evidence
    solve: Solve
    lent: Mask
    first: Fitted
    plain: Fitted
    second: Fitted | None = None
    own: Prior | None = None
    powers: tuple[float, float] = (1.0, 1.0)

    @cached_property
    def prior(self) -> Prior:
        """The prior of the others' pooled mean."""
        if self.own is not None:
            return self.own
        term = borrowing(self.model)
        assert term is not None
        return robust(predicted(self.first), term)

    @cached_property
    def base(self) -> Fitted:
        """The fit of the others under the whole prior, no power taken."""
        return self.second or self.plain.under([{"mu": self.prior}])[0]

    @cached_property
    def others(self) -> Fitted:
        """The fit of the others."""
        prior, data = self.powers
        return self.base if self.powers == (1.0, 1.0) else self.base.powered(prior=prior, data=data)

    @property
    def kept(self) -> Mask:
        found = np.zeros(self.evidence.size, dtype=bool)
        found[self.lent], found[~self.lent] = self.first.kept, self.plain.kept
        return found

    @property
    def posterior(self) -> Posterior:
        """See `Fitted`; its error is the larger one of the two stages."""
        found = self.others.posterior
        return replace(found, error=max(found.error, self.first.posterior.error))

    @property
    def shares(self) -> Array:
        """See `Fitted`: the studies that give the prior share what the prior, the last, has."""
        own = self.others.shares
        found = np.zeros(self.evidence.size + 1)
        found[:-1][~self.lent], found[-1] = own[:-1], own[-1]
        return found

    def prior_of(self, name: str) -> Prior:
        """See `Fitted`: that of ``mu`` is the whole prior; the first stage's are those of its term."""
        if name == "mu":
            return self.others.prior_of(name)
        own = coefficient_priors(self.model)
        if name in own:
            return own[name]
        if name in self.posterior.hyper:
            return self.others.prior_of(name)
        raise SpecError(
            f"no prior is called {name!r}. {suggestion(name, ['mu', *self.posterior.hyper, *own])}"
        )

    def without(self, masks: Sequence[Mask]) -> "list[BorrowedFitted | None]":
        givers = [mask[self.lent] for mask in masks]
        same = [not gone.any() for gone in givers]
        first = iter(
            self.first.without(
                [gone for gone, is_same in zip(givers, same, strict=True) if not is_same]
            )
        )
        takers = [mask[~self.lent] for mask in masks]
        plain = self.plain.without(takers)
        second = iter(
            self.base.without([gone for gone, is_same in zip(takers, same, strict=True) if is_same])
        )
        found: list[BorrowedFitted | None] = []
        for own, is_same in zip(plain, same, strict=True):
            source = self.first if is_same else next(first)
            known = next(second) if is_same else None
            if source is None or own is None or (is_same and known is None):
                found.append(None)
            else:
                found.append(replace(self, first=source, plain=own, second=known))
        return found

    def under(self, priors: Sequence[Mapping[str, Prior]]) -> "list[BorrowedFitted]":
        """See `Fitted`: each stage takes the priors that it has, and keeps whatever was changed before."""
        parts = [self._parts(change) for change in priors]
        same = [not (first or vague) for first, vague, _ in parts]
        first = iter(self.first.under([own for own, _, _ in parts if own]))
        usual = [rest for (_, _, rest), is_same in zip(parts, same, strict=True) if is_same]
        second = iter(self.base.under(usual))
        plain = self.plain.under([{**vague, **rest} for _, vague, rest in parts])
        own, found = coefficient_priors(self.model), list[BorrowedFitted]()
        for change, (lends, _, _), is_same, each in zip(priors, parts, same, plain, strict=True):
            named = {name: prior for name, prior in change.items() if name in own and name != "mu"}
            near = replace(
                self,
                model=with_priors(self.model, named),
                first=next(first) if lends else self.first,
                plain=each,
                second=next(second) if is_same else None,
                own=change.get("mu", self.own),
            )
            found.append(near)
        return found

    def _parts(self, change: Mapping[str, Prior]) -> tuple[dict[str, Prior], ...]:
        """Divide other priors: those of the first stage, the vague part of the second, its others."""
        first, vague, rest = dict[str, Prior](), dict[str, Prior](), dict[str, Prior]()
        term = borrowing(self.model)
        assert term is not None
        own, lending = coefficient_priors(self.model), self.first.model
        # The last spread of the first stage has a prior of its own.
        [spread] = lending.terms[-1].hyper()
        has = {*coefficient_priors(lending), *lending.hyper} - {"mu", spread}
        takes = {*coefficient_priors(self.plain.model), *self.plain.model.hyper}
        for name, prior in change.items():
            if name != "mu" and name in own:
                new = borrowing(with_priors(self.model, {name: prior}))
                assert new is not None
                if new is not term:
                    moved = (first, "mu", new.prior, term.prior), (first, spread, new.tau, term.tau)
                    for where, called, now, before in (
                        *moved,
                        (vague, "mu", new.robust, term.robust),
                    ):
                        if now is not before:
                            where[called] = now
                    continue
            if name in has:
                first[name] = prior
            if name in takes or name not in has:
                rest[name] = prior
        return first, vague, rest

    def shifted(self, along: Array, by: float) -> "BorrowedFitted":
        giving, taking = along[self.lent], along[~self.lent]
        first = self.first.shifted(giving, by) if giving.any() else self.first
        plain = self.plain.shifted(taking, by) if taking.any() else self.plain
        return replace(self, first=first, plain=plain, second=None)

    def powered(self, *, prior: float = 1.0, data: float = 1.0) -> "BorrowedFitted":
        """See `Fitted`: the borrowed prior is prior, and the others' results are data."""
        return replace(self, powers=(self.powers[0] * prior, self.powers[1] * data))

    def beside(self, model: Model, evidence: Evidence) -> Fitted:
        return borrowed(model, evidence, self.solve) or self.plain.beside(model, evidence)

    def expected(self, rows: Mask) -> list[Kernels | Pieces | Outcomes]:
        return self._each(rows, lambda fit, mask: fit.expected(mask))

    def effect_of(self, rows: Mask) -> list[Kernels | Distribution]:
        return self._each(rows, lambda fit, mask: fit.effect_of(mask))

    def mean_at(
        self, columns: Array, *, new: bool = False, along: Array | None = None
    ) -> Sequence[Kernels]:
        """See `Fitted`: of the second stage, whose coefficients are the model's."""
        return self.others.mean_at(columns, new=new, along=along)

    def _each[Found](
        self, rows: Mask, ask: Callable[[Fitted, Mask], Sequence[Found]]
    ) -> list[Found]:
        """Ask the stage that each row belongs to, and give the answers in the order of the rows."""
        giving, taking = rows[self.lent], rows[~self.lent]
        first = iter(ask(self.first, giving) if giving.any() else ())
        second = iter(ask(self.others, taking) if taking.any() else ())
        return [next(first if lent else second) for lent in self.lent[rows]]

    def shifts(self, along: Array) -> EachShift:
        return EachShift(self, along)

    def means(self) -> EachMean:
        return EachMean(self)
