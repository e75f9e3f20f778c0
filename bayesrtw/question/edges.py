"""Who was compared with whom: the treatments of a network, their people, and the studies between them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayesrtw.evidence.quality import OVERALL
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.treatments import Treatments, treatments_of
from bayesrtw.pictured import Drawing, Pictured, as_html
from bayesrtw.question.answer import table_as_html
from bayesrtw.question.asked import About, Subject, about
from bayesrtw.question.league import PAIR

#: What a study is called that nobody judged.
NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True, eq=False)
class NetworkGraph(Pictured):
    """A network as it is: treatments, and comparisons that studies make.

    Attributes
    ----------
    treatments
        One row a treatment: ``studies`` that have it, ``people`` in its arms (NaN where some are not
        reported), and ``piece``, the number of the piece of the network that it is in, from 1.
    comparisons
        Index ``treatment, against``: ``studies`` that have both, and how many of them have which overall
        judgement of risk of bias, one column each.
    about
        What was asked.
    """

    treatments: pd.DataFrame
    comparisons: pd.DataFrame
    about: About

    @property
    def judged(self) -> list[str]:
        """Overall judgements of risk of bias that occur, the last of them `NOT_JUDGED` if it does."""
        return [str(name) for name in self.comparisons.columns if name != "studies"]

    def _pictures(self) -> Mapping[str, Drawing | str]:
        return {"network": Drawing((self,))}

    def _words(self) -> str:
        pieces = int(self.treatments["piece"].max())
        studies = len(set(self.about.evidence.data["study"].to_numpy().astype(str)))
        told = []
        for (one, other), row in zip(
            self.comparisons.index, self.comparisons.to_dict("records"), strict=True
        ):
            risk = ", ".join(f"{name} {row[name]}" for name in self.judged if row[name])
            known = f" ({risk})" if risk and self.judged != [NOT_JUDGED] else ""
            told.append(f"{one} vs {other} {row['studies']}{known}")
        whole = "is connected" if pieces == 1 else f"is in {pieces} pieces"
        people = ", ".join(
            f"{name!s} {row['people']:.0f}"
            for name, row in self.treatments.iterrows()
            if np.isfinite(row["people"])
        )
        return self.about.said(
            f"A network of {len(self.treatments)} treatments and {studies} studies, which {whole}. "
            f"Studies of each comparison: {'; '.join(told)}."
            + (f" People of each treatment: {people}." if people else "")
        )

    def _repr_html_(self) -> str:
        """Give both tables, for a notebook."""
        tables = [table_as_html(each) for each in (self.treatments, self.comparisons)]
        return as_html("Network", [self._words()], tables)


def graph(model: Subject, evidence: Evidence | None = None) -> NetworkGraph:
    """Say who was compared with whom; nothing is fitted.

    Parameters
    ----------
    model, evidence
        A model with rows or a synthesis; a term says what arms consist of.

    Returns
    -------
    NetworkGraph
        ``treatments`` and ``comparisons``; it draws the network.

    Raises
    ------
    SpecError
        If no term says what arms consist of, or there is one treatment alone.

    Examples
    --------
    >>> import pandas as pd
    >>> import bayesrtw as brw
    >>> frame = pd.DataFrame({"study": ["A", "A", "B", "B"], "arm": ["none", "x", "none", "y"],
    ...                       "events": [3, 5, 2, 6], "n": 20})
    >>> parts = brw.terms.Components(brw.prior.Normal(0, 2), arm="arm", none=("none",))
    >>> arms = brw.terms.Arms(brw.prior.HalfNormal(0.5), baseline=brw.prior.Normal(0, 10))
    >>> found = brw.network.graph(brw.Model(terms=(parts, arms)), brw.Evidence.from_arms(frame))
    >>> found.treatments["people"].tolist()
    [40.0, 20.0, 20.0]
    """
    asked = about(model, evidence)
    network = treatments_of(asked.model, asked.evidence)
    people = _people(network)
    piece = {each: number for number, own in enumerate(network.pieces, start=1) for each in own}
    treatments = pd.DataFrame(
        {
            "studies": [
                sum(place in own for own in network.of_studies.values())
                for place in range(len(network.names))
            ],
            "people": people,
            "piece": [piece[place] for place in range(len(network.names))],
        },
        index=pd.Index(network.names, name="treatment"),
    )
    risk = _risk(asked.evidence)
    words = list(dict.fromkeys(sorted(risk.get(study, NOT_JUDGED) for study in network.of_studies)))
    words = [word for word in words if word != NOT_JUDGED] + [
        word for word in words if word == NOT_JUDGED
    ]
    rows = []
    for pair in network.compared:
        studies = network.comparing(*pair)
        found = [risk.get(study, NOT_JUDGED) for study in studies]
        rows.append({"studies": len(studies)} | {word: found.count(word) for word in words})
    index = pd.MultiIndex.from_tuples(
        [tuple(network.names[each] for each in pair) for pair in network.compared],
        names=list(PAIR),
    )
    return NetworkGraph(treatments, pd.DataFrame(rows, index=index), asked)


def _people(network: Treatments) -> list[float]:
    """Count the people of each treatment; NaN where some arm does not report them."""
    data, count = network.evidence.data, len(network.names)
    alone = network.evidence.single_arms

    def column(name: str) -> np.ndarray:
        known = name in data and data[name].dtype != object
        return np.asarray(
            data[name].to_numpy() if known else np.full(network.evidence.size, np.nan)
        )

    arms: dict[tuple[str, int], float] = {}
    own = np.where(alone, column("n"), column("n_t"))
    for side, size in ((network.arm, own), (network.against, column("n_c"))):
        for study, place, some in zip(
            network.study.tolist(), side.tolist(), size.tolist(), strict=True
        ):
            if place >= 0:
                arms[study, place] = some
    return [
        float(sum(some for (_, place), some in arms.items() if place == wanted))
        for wanted in range(count)
    ]


def _risk(evidence: Evidence) -> dict[str, str]:
    """Give the overall judgement of each study, where all who judged it agree."""
    found: dict[str, set[str]] = {}
    for row in evidence.judgements.rows:
        if row.domain == OVERALL and row.judgement:
            found.setdefault(row.study, set()).add(row.judgement)
    return {study: words.pop() for study, words in found.items() if len(words) == 1}
