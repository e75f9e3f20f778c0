"""Evidence: reported results as one validated, labelled table with its provenance."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import TYPE_CHECKING, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayesrtw.dims import ESTIMATE
from bayesrtw.errors import EvidenceError, shown
from bayesrtw.evidence.cells import Places
from bayesrtw.evidence.coding import Coding
from bayesrtw.evidence.covariance import Dependence, kept
from bayesrtw.evidence.frame import arms_of, numbers_of, printed_of, returns_of
from bayesrtw.evidence.labelled import dataset_of
from bayesrtw.evidence.measure import Benefit, Measure, measure_named
from bayesrtw.evidence.quality import Judgements
from bayesrtw.evidence.survival import Columns, reports
from bayesrtw.pictured import Drawing, Pictured, as_html, rows_as_html
from bayesrtw.printed import NEUTRAL, Direction, plain
from bayesrtw.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd

#: Columns and rows that a notebook shows of evidence.
SHOWN_COLUMNS = ("study", "outcome", "comparison", "measure", "effect", "se")
SHOWN_ROWS = 20

#: What a value of a `where` clause may be.
Choice = str | float | Sequence[str] | Sequence[float]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where evidence comes from."""

    dataset: str = ""  #: Id of the data set; empty for a data frame.
    version: int = 0  #: Version of the data set's rows.
    sha256: str = ""  #: Hash of the files it was read from; empty for a data frame.
    #: title, citation, doi, licence, retrieved: as the data set states them.
    title: str = ""
    citation: str = ""
    doi: str = ""
    licence: str = ""
    retrieved: str = ""
    caveat: str = ""  #: What must stand beside every result of it.
    #: ``published`` where results are here because they were published, so that what they say may have
    #: decided it; empty where nothing is said.
    sample: str = ""
    #: disagreements, limits: known disagreements with the publications, and what was not obtained.
    disagreements: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    studies: int = 0  #: How many studies the source lists, with or without a readable result.
    #: How a table of others was read: what parts its cells, what each column was taken for.
    reading: str = ""
    #: Column of this package to the heading that it was read from.
    columns: Mapping[str, str] = field(default_factory=dict)
    #: programme, comparison: what is studied and what it is held against, in words.
    programme: str = "treatment"
    comparison: str = "comparison"

    def __post_init__(self) -> None:
        # Names of files are not text that every output can hold.
        for name in ("title", "reading"):
            object.__setattr__(self, name, plain(getattr(self, name)))
        object.__setattr__(self, "limits", tuple(map(plain, self.limits)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """An outcome and its direction of benefit."""

    #: name, title: id and heading.
    name: str
    title: str
    #: ``"higher"`` if a larger effect on the analysis scale is good; empty where nobody stated it.
    benefit: Benefit = ""
    unit: str = ""  #: Unit of differences, e.g. ``"days"``; empty for ratios.
    #: below, above: what a graph calls lower and higher effects, e.g. ``"Favours placebo"``; empty where
    #: nobody says.
    below: str = ""
    above: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence(Pictured):
    """Reported results on the scale of analysis, one row (`estimate`) a result.

    Attributes
    ----------
    data
        Dims (estimate,). ``effect`` and ``se`` on the analysis scale (NaN where a source gives
        none), ``study``, ``outcome``, ``measure``, moderators, and the numbers as printed.
    provenance
        Source, licence, version, caveat.
    outcomes
        Outcome id to its title and direction of benefit.
    dependence
        Disjoint sets of estimates with correlated sampling errors; all others are independent.
    judgements
        Risk-of-bias judgements of the source's studies, also of those without a row here.
    quarantined
        Rows of the source that were left out because of a fault, one sentence each.
    places
        Where the rows stand in their files.
    coding
        Parts of the arms of the source's studies, as somebody coded them, with the place of every code.
    """

    data: xr.Dataset
    provenance: Provenance = field(default_factory=Provenance)
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    dependence: tuple[Dependence, ...] = ()
    judgements: Judgements = field(default_factory=Judgements)
    quarantined: tuple[str, ...] = ()
    places: Places = field(default_factory=Places)
    coding: Coding = field(default_factory=Coding)

    @classmethod
    def from_frame(
        cls,
        frame: "pd.DataFrame",
        *,
        columns: Mapping[str, str] | None = None,
        effect: str = "effect",
        se: str = "se",
        study: str = "study",
        measure: str = "generic",
        benefit: Benefit = "",
        unit: str = "",
    ) -> Self:
        """Make evidence of a data frame: of effects on the analysis scale, or of numbers as printed.

        `bayesrtw.open_dataset` takes a frame too, and finds out what its columns mean.

        Parameters
        ----------
        frame
            One row a reported result. Further columns are kept and may serve as moderators.
        columns
            Heading to column of this package where results are as printed: counts, means, intervals,
            variances, e.g. ``{"ai": "events_t", "n1i": "n_t", "ci": "events_c", "n2i": "n_c"}``; columns
            of this package's names need no entry. `effect`, `se` and `study` are not used then.
        effect, se, study
            Names of its columns: effect and standard error on the scale of `measure`, and the
            study's label. metafor's ``yi`` and ``sei`` are welcome as arguments.
        measure
            Name of the effect measure, e.g. ``"log_hazard_ratio"``.
        benefit
            Whether a larger effect is good (``"higher"``) or bad (``"lower"``). Unless it is stated,
            nothing is called a benefit.
        unit
            Unit of differences, e.g. ``"days"``.

        Returns
        -------
        Evidence
            The same rows in the same order.

        Raises
        ------
        EvidenceError
            If a column is missing, or a row's effect or standard error is no usable number; every
            fault is named at once.

        Examples
        --------
        >>> import pandas as pd
        >>> from bayesrtw.evidence.table import Evidence
        >>> frame = pd.DataFrame({"study": ["A", "B"], "effect": [0.3, 0.1], "se": [0.1, 0.2]})
        >>> Evidence.from_frame(frame).size
        2
        """
        held = (
            numbers_of(frame, str(effect), str(se), str(study), measure)
            if columns is None
            else printed_of(frame, columns, measure)
        )
        return cls(dataset_of(held), Provenance(title="data frame"), _outcomes(held, benefit, unit))

    @classmethod
    def from_arms(
        cls,
        frame: "pd.DataFrame",
        *,
        columns: Mapping[str, str] | None = None,
        measure: str = "",
        benefit: Benefit = "",
        unit: str = "",
    ) -> Self:
        """Make evidence of a data frame with one arm a row, as networks of treatments are tabled.

        Each arm tells a number of its own: a log odds, a log rate, a mean. What it has in common with the
        other arms of its study is taken off by the model: by the term `Arms` with a `baseline`.

        Parameters
        ----------
        frame
            Columns ``study`` and ``arm``; ``events`` and ``n``, ``events`` and ``person_time``, or ``mean``
            with ``se``, or with ``sd`` and ``n``. Further columns are kept.
        columns
            Heading to one of these, e.g. ``{"trt": "arm", "r": "events"}``.
        measure
            Measure of two arms, which results are in: ``"log_odds_ratio"``, ``"log_risk_ratio"``,
            ``"log_rate_ratio"``, ``"mean_difference"``; what the numbers give, in this order, unless
            stated.
        benefit, unit
            As of `from_frame`; of a difference of two arms.

        Returns
        -------
        Evidence
            The same rows in the same order; ``single_arm`` is ``"yes"``. By `combine` it goes together with
            studies that report contrasts in the same measure.

        Raises
        ------
        EvidenceError
            If a column is missing, an arm is not named, stands twice in a study or tells no number; every
            fault is named at once.

        Examples
        --------
        >>> import pandas as pd
        >>> from bayesrtw.evidence.table import Evidence
        >>> frame = pd.DataFrame({"study": ["A", "A"], "arm": ["none", "talk"], "events": [4, 9], "n": 20})
        >>> Evidence.from_arms(frame).measure.title
        'Odds ratio'
        """
        held = arms_of(frame, dict(columns or {}), measure)
        return cls(dataset_of(held), Provenance(title="data frame"), _outcomes(held, benefit, unit))

    @classmethod
    def from_returns(
        cls, frame: "pd.DataFrame", *, columns: Mapping[str, str] | None = None
    ) -> Self:
        """Make evidence of studies of return to work, each in the currency that it reports.

        Parameters
        ----------
        frame
            One row a study: ``study``, and ``hazard_ratio, ci_low, ci_high`` (or ``effect, se``), or counts,
            medians or days of absence as the likelihood `return_to_work` reads them.
        columns
            Heading to one of these, e.g. ``{"back_programme": "events_t", "day": "at"}``.

        Returns
        -------
        Evidence
            The same rows in the same order; effects are log hazard ratios of returning, NaN where a study
            reports none. The likelihood `return_to_work` pools them.

        Raises
        ------
        EvidenceError
            If there is no column ``study``.

        Examples
        --------
        >>> import pandas as pd
        >>> from bayesrtw.evidence.table import Evidence
        >>> row = {"study": "A", "events_t": 30, "n_t": 50, "events_c": 20, "n_c": 50, "at": 180}
        >>> Evidence.from_returns(pd.DataFrame([row])).measure.title
        'Hazard ratio'
        """
        held = returns_of(frame, dict(columns or {}))
        return cls(dataset_of(held), Provenance(title="data frame"), _outcomes(held, "higher", ""))

    @classmethod
    def from_survival(
        cls,
        frame: "pd.DataFrame",
        *,
        time: str,
        event: str,
        arm: str,
        programme: object = None,
        covariates: Sequence[str] = (),
        strata: Sequence[str] = (),
        study: str = "",
        days: Sequence[float] = (91.0, 182.0, 365.0),
    ) -> Self:
        """Make evidence of individual times to return, one row a study, as a paper would report them.

        Parameters
        ----------
        frame
            One row a person.
        time, event, arm
            Columns: days until return or the end of follow-up; 1 for a return, 0 for the end of follow-up;
            who had the programme (1 and 0, or as `programme` says).
        programme
            Value of `arm` that is the programme.
        covariates, strata
            Columns that the hazard ratio is adjusted for: as covariates, words by their levels, or with a
            baseline hazard for each combination.
        study
            Column of studies; without it all people are of one study, ``"own data"``.
        days
            At most three dates at which shares back are told.

        Returns
        -------
        Evidence
            ``effect`` and ``se`` of the log hazard ratio (Cox, ties by Efron [1]_) and what it is
            ``adjusted_for``; of both arms, crude, medians in days and shares back with 95 % intervals
            (Kaplan-Meier, by complementary log-logs [2]_), and counts where nobody was lost before the
            date. The likelihood `return_to_work` hears the hazard ratio alone: crude numbers of the same
            people add nothing to it.

        Raises
        ------
        EvidenceError
            If cells are missing, times negative, events not 0 or 1, arms not two, nobody returned in an arm,
            or a coefficient has no finite estimate; every fault is named at once. If statsmodels is missing.

        References
        ----------
        .. [1] Efron B (1977). J Am Stat Assoc 72:557-565. doi:10.1080/01621459.1977.10480613
        .. [2] Brookmeyer R, Crowley J (1982). Biometrics 38:29-41. doi:10.2307/2530286

        Examples
        --------
        >>> import pandas as pd
        >>> from bayesrtw.evidence.table import Evidence
        >>> people = pd.DataFrame({"day": [5, 9, 14, 20, 30, 40], "back": 1, "talk": [1, 1, 0, 1, 0, 0]})
        >>> told = Evidence.from_survival(people, time="day", event="back", arm="talk", days=(20,))
        >>> [float(told.data[name][0]) for name in ("median_t", "median_c", "share_t")]
        [9.0, 30.0, 1.0]
        """
        columns = Columns(time, event, arm, tuple(covariates), tuple(strata), study)
        return cls.from_returns(reports(frame, columns, programme, tuple(days)))

    @property
    def size(self) -> int:
        """How many estimates there are."""
        return int(self.data.sizes[ESTIMATE])

    @property
    def measure(self) -> Measure:
        """The one measure of all rows.

        Raises
        ------
        EvidenceError
            If there are no rows or several measures, which no model may pool.
        """
        found = sorted({str(name) for name in self.data["measure"].to_numpy()})
        if len(found) != 1:
            raise EvidenceError(
                f"{self.where}: rows are in {len(found)} measures ({shown(found)}); one model pools "
                "one measure; select one with measure=."
            )
        return measure_named(found[0])

    @property
    def single_arms(self) -> NDArray[np.bool_]:
        """Which rows tell of one arm, so that their effects hold a baseline; shape (estimate,)."""
        if "single_arm" not in self.data:
            return np.zeros(self.size, dtype=bool)
        return np.asarray(self.data["single_arm"].to_numpy().astype(str) == "yes")

    @property
    def where(self) -> str:
        """How messages call this evidence."""
        return self.provenance.dataset or self.provenance.title or "evidence"

    @property
    def benefit(self) -> Benefit:
        """The one direction of benefit of all outcomes present; empty where nobody stated it.

        Raises
        ------
        EvidenceError
            If outcomes with opposite directions are mixed.
        """
        directions = {self.outcomes[name].benefit for name in self.outcome_names}
        if not directions:
            raise EvidenceError(f"{self.where}: there are no rows, so no direction of benefit.")
        if len(directions) != 1:
            names = [
                f"{name} ({self.outcomes[name].benefit or 'not stated'})"
                for name in self.outcome_names
            ]
            raise EvidenceError(
                f"{self.where}: outcomes with different directions of benefit are mixed: "
                f"{', '.join(names)}; select one direction with outcome=."
            )
        return directions.pop()

    @property
    def direction(self) -> Direction:
        """Which side of no effect is good, and what the two sides are called.

        Without a benefit where nobody stated one, or where the measure describes a single group.
        """
        measure = self.measure
        benefit = self.benefit if measure.groups == 2 else ""
        own = {
            (self.outcomes[name].below, self.outcomes[name].above) for name in self.outcome_names
        }
        sides = own.pop() if len(own) == 1 else ("", "")
        if not all(sides):
            words = self.provenance.comparison, self.provenance.programme
            low, high = words if benefit == "higher" else words[::-1]
            sides = (f"favours {low}", f"favours {high}") if benefit else NEUTRAL
        return Direction(benefit, measure.null, sides)

    @property
    def outcome_names(self) -> tuple[str, ...]:
        """Ids of the outcomes present, in order of appearance."""
        return tuple(dict.fromkeys(str(name) for name in self.data["outcome"].to_numpy()))

    @property
    def unit(self) -> str:
        """Unit of differences, where the outcomes present share one."""
        units = {self.outcomes[name].unit for name in self.outcome_names}
        return units.pop() if len(units) == 1 else ""

    def _pictures(self) -> Mapping[str, Drawing | str]:
        judged = any(each.judgement for each in self.judgements.rows)
        found = Drawing((self,)) if judged else "the studies have no judgements of risk of bias"
        return {"traffic_light": found, "bias_summary": found}

    def _repr_html_(self) -> str:
        """Give the rows, as many as fit, with where they come from, for a notebook."""
        columns = [name for name in SHOWN_COLUMNS if name in self.data]
        cells = [self.data[name].to_numpy()[:SHOWN_ROWS] for name in columns]
        rows = [
            [f"{cell:.4g}" if isinstance(cell, float) else cell for cell in row]
            for row in zip(*cells, strict=True)
        ]
        studies = len(set(self.data["study"].to_numpy()))
        said = f"{self.size} estimates of {studies} studies"
        more = f"The first {SHOWN_ROWS} rows are shown." if self.size > SHOWN_ROWS else ""
        told = [f"{said}. {more}", self.provenance.citation, self.provenance.caveat]
        return as_html(self.provenance.title or self.where, told, [rows_as_html(columns, rows)])

    def select(self, **where: Choice) -> Self:
        """Keep the rows whose columns have the given values.

        Parameters
        ----------
        **where
            Column to one value or to several, e.g. ``design=["rct", "cluster_rct"]``.

        Returns
        -------
        Evidence
            The rows that meet every condition, in their order; perhaps none.

        Raises
        ------
        EvidenceError
            If a column does not exist.

        Examples
        --------
        >>> import pandas as pd
        >>> from bayesrtw.evidence.table import Evidence
        >>> frame = pd.DataFrame({"study": list("ABC"), "effect": [0.3, 0.1, 0.2], "se": [0.1] * 3})
        >>> frame["design"] = ["rct", "cohort", "cluster_rct"]
        >>> trials = Evidence.from_frame(frame).select(design=["rct", "cluster_rct"])
        >>> trials.data["study"].to_numpy().tolist()
        ['A', 'C']
        """
        keep = np.ones(self.size, dtype=bool)
        for column, wanted in where.items():
            keep &= self.matches(column, wanted)
        return self.rows(keep)

    def matches(self, column: str, wanted: Choice) -> NDArray[np.bool_]:
        """Say which rows have one of the wanted values in a column.

        Parameters
        ----------
        column
            Name of a column.
        wanted
            One value or several.

        Returns
        -------
        ndarray, shape (estimate,)
            True where it matches.

        Raises
        ------
        EvidenceError
            If the column does not exist.
        """
        if column not in self.data:
            have = [str(name) for name in self.data.variables]
            raise EvidenceError(f"{self.where}: no column {column!r}; {suggestion(column, have)}")
        values = [wanted] if isinstance(wanted, str | int | float) else list(wanted)
        present = self.data[column].to_numpy()
        if present.dtype == object:
            texts = {str(value) for value in values}
            return np.array([str(value) in texts for value in present], dtype=bool)
        try:
            wanted_numbers = np.asarray([float(str(value)) for value in values])
        except ValueError:
            raise EvidenceError(
                f"{self.where}: column {column!r} holds numbers; found {shown(values)} to match; give "
                "numbers."
            ) from None
        return np.isin(present, wanted_numbers)

    def rows(self, keep: NDArray[np.bool_]) -> Self:
        """Keep the rows of a mask.

        Parameters
        ----------
        keep
            Shape (estimate,).

        Returns
        -------
        Evidence
            The rows where `keep` is true, labelled anew.
        """
        columns = {
            str(name): variable.to_numpy()[keep] for name, variable in self.data.data_vars.items()
        }
        return replace(
            self,
            data=dataset_of(columns),
            dependence=kept(self.dependence, keep),
            places=replace(self.places, lines=tuple(compress(self.places.lines, keep))),
        )

    def digest(self) -> str:
        """Hash the rows: every column, every value, in order.

        Returns
        -------
        str
            64 hexadecimal digits of SHA-256.
        """
        sha = hashlib.sha256()
        for name in sorted(str(key) for key in self.data.data_vars):
            values = self.data[name].to_numpy()
            sha.update(name.encode())
            if values.dtype == object:
                sha.update("\x1f".join(str(value) for value in values).encode())
            else:
                sha.update(np.ascontiguousarray(values, dtype=np.float64).tobytes())
            sha.update(b"\x1e")
        for block in self.dependence:
            sha.update(np.ascontiguousarray(block.rows, dtype=np.int64).tobytes())
            sha.update(np.ascontiguousarray(block.covariance, dtype=np.float64).tobytes())
        return sha.hexdigest()


def _outcomes(
    held: Mapping[str, NDArray[np.generic]], benefit: Benefit, unit: str
) -> dict[str, Outcome]:
    """Describe the outcomes of a data frame."""
    if benefit not in ("higher", "lower", ""):
        raise EvidenceError(f"benefit is {benefit!r}; Choices: higher, lower.")
    names = sorted({str(name) for name in held["outcome"]})
    return {name: Outcome(name, name.replace("_", " "), benefit, unit) for name in names}
