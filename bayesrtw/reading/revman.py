"""RevMan 5 files (.rm5): one XML document a review.

The document is read as a stream with `defusedxml`: no document type, no entities, no external
references, and only what belongs to studies, analyses and judgements is kept in memory.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from bayesrtw.bounded import bytes_of
from bayesrtw.errors import EvidenceError
from bayesrtw.evidence.measure import Benefit
from bayesrtw.evidence.table import Provenance
from bayesrtw.reading.imported import Imported, gather
from bayesrtw.reading.review import Kind, ReviewRow, Setting, number

#: Kinds of outcomes; the elements are called DICH_OUTCOME, DICH_SUBGROUP, DICH_DATA and so on.
_KINDS: Final[dict[str, Kind]] = {
    "DICH": "dichotomous",
    "CONT": "continuous",
    "IV": "contrast",
    "IPD": "o_minus_e",
    "OTHER": "other",
}

#: Attributes of a study's row and what they are called here.
_NUMBERS: Final = {
    "EVENTS_1": "events_t",
    "TOTAL_1": "n_t",
    "EVENTS_2": "events_c",
    "TOTAL_2": "n_c",
    "MEAN_1": "mean_t",
    "SD_1": "sd_t",
    "MEAN_2": "mean_c",
    "SD_2": "sd_c",
    "ESTIMATE": "contrast",
    "SE": "contrast_se",
    "O_E": "o_minus_e",
    "VAR": "variance",
    "EFFECT_SIZE": "review_estimate",
    "CI_START": "review_ci_low",
    "CI_END": "review_ci_high",
    "WEIGHT": "review_weight",
}

#: Elements whose text is wanted.
_TEXTS: Final = frozenset(
    {"NAME", "TITLE", "GROUP_LABEL_1", "GROUP_LABEL_2", "GRAPH_LABEL_1", "GRAPH_LABEL_2"}
    | {"EFFECT_MEASURE"}
)

#: Words of a graph's label that mean the experimental arm; the arm's own label counts too.
_EXPERIMENTAL: Final = ("experimental", "intervention", "treatment")

#: Words of a graph's label that mean the control arm.
_CONTROL: Final = ("control", "comparator", "comparison", "placebo", "usual care", "no treatment")

#: Judgements of RevMan 5 in words.
_JUDGED: Final = {
    "YES": "low risk",
    "NO": "high risk",
    "UNKNOWN": "unclear risk",
    "NOT_APPLICABLE": "not applicable",
}


@dataclass(slots=True)
class _Outcome:
    """An outcome of the document: its attributes and the texts beneath it."""

    kind: Kind
    attributes: Mapping[str, str]
    comparison: "_Comparison"
    texts: dict[str, str] = field(default_factory=dict)
    rows: list[tuple[Mapping[str, str], "_Subgroup | None"]] = field(default_factory=list)


@dataclass(slots=True)
class _Comparison:
    number: str
    texts: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Subgroup:
    texts: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Item:
    """A domain of the risk of bias, with its judgements."""

    texts: dict[str, str] = field(default_factory=dict)
    judged: list[tuple[str, str]] = field(default_factory=list)


class _Review:
    """Keeps what is wanted of the stream of elements."""

    def __init__(self) -> None:
        self.root = ""
        self.attributes: Mapping[str, str] = {}
        self.title: dict[str, str] = {}
        self.studies: dict[str, Mapping[str, str]] = {}
        self.outcomes: list[_Outcome] = []
        self.items: list[_Item] = []
        self._path: list[str] = []
        self._comparison: _Comparison | None = None
        self._outcome: _Outcome | None = None
        self._subgroup: _Subgroup | None = None
        self._item: _Item | None = None
        self._text: list[str] | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Begin an element."""
        if not self._path:
            self.root, self.attributes = tag, attributes
        self._path.append(tag)
        self._text = [] if tag in _TEXTS else None
        prefix, _, what = tag.partition("_")
        if tag == "STUDY":
            self.studies.setdefault(attributes.get("ID", ""), attributes)
        elif tag == "COMPARISON":
            self._comparison = _Comparison(attributes.get("NO", ""))
        elif tag == "QUALITY_ITEM":
            self._item = _Item()
            self.items.append(self._item)
        elif tag == "QUALITY_ITEM_DATA_ENTRY" and self._item is not None:
            judged = attributes.get("STUDY_ID", ""), attributes.get("RESULT", "")
            self._item.judged.append(judged)
        elif prefix not in _KINDS or self._comparison is None:
            return
        elif what == "OUTCOME":
            self._outcome = _Outcome(_KINDS[prefix], attributes, self._comparison)
            self.outcomes.append(self._outcome)
        elif what == "SUBGROUP":
            self._subgroup = _Subgroup()
        elif what == "DATA" and self._outcome is not None:
            self._outcome.rows.append((attributes, self._subgroup))

    def data(self, text: str) -> None:
        """Take text within an element."""
        if self._text is not None:
            self._text.append(text)

    def end(self, tag: str) -> None:
        """End an element."""
        self._path.pop()
        if self._text is not None and tag in _TEXTS:
            holder = self._holder()
            if holder is not None:
                holder.setdefault(tag, " ".join("".join(self._text).split()))
        self._text = None
        if tag == "COMPARISON":
            self._comparison = self._outcome = None
        elif tag.endswith("_OUTCOME"):
            self._outcome = self._subgroup = None
        elif tag.endswith("_SUBGROUP"):
            self._subgroup = None
        elif tag == "QUALITY_ITEM":
            self._item = None

    def _holder(self) -> dict[str, str] | None:
        """Give the texts of the element that a text stands directly in."""
        parent = self._path[-1] if self._path else ""
        if parent == "COVER_SHEET":
            return self.title
        if parent == "COMPARISON" and self._comparison is not None:
            return self._comparison.texts
        if parent.endswith("_OUTCOME") and self._outcome is not None:
            return self._outcome.texts
        if parent.endswith("_SUBGROUP") and self._subgroup is not None:
            return self._subgroup.texts
        if parent == "QUALITY_ITEM" and self._item is not None:
            return self._item.texts
        return None

    def close(self) -> "_Review":
        """End the document."""
        return self


def read_revman(path: Path, *, benefit: Benefit | None = None) -> Imported:
    """Read a RevMan 5 file."""
    try:
        raw = bytes_of(path)
    except OSError as error:
        raise EvidenceError(f"{path}: cannot be read ({error.strerror}); check the path.") from None
    review, repaired = _parsed(raw, path.name)
    sha = hashlib.sha256(raw).hexdigest()
    names = _study_names(review)
    entries = []
    for outcome in review.outcomes:
        entries += _entries(outcome, names)
    years = {
        names[key]: {
            "year": study.get("YEAR", ""),
            "data_source": study.get("DATA_SOURCE", ""),
        }
        for key, study in review.studies.items()
    }
    title = review.title.get("TITLE", "")
    mended = [f"No well-formed XML, and repaired to be read: {repaired}."] if repaired else []
    provenance = Provenance(
        title=title or f"RevMan review {path.name}",
        citation=title,
        doi=review.attributes.get("DOI", ""),
        sha256=sha,
        licence="Not stated in the file; cite the review.",
        limits=(f"Read from {path.name} (SHA-256 {sha}).", *mended),
    )
    return gather(
        entries,
        provenance,
        studies=years,
        risk_of_bias=_risk_of_bias(review, names),
        benefit=benefit,
    )


def _parsed(raw: bytes, where: str) -> tuple[_Review, str]:
    """Parse a document; one that is no well-formed XML is repaired and parsed once more."""
    try:
        return _parsed_once(raw, where), ""
    except EvidenceError as error:
        repaired, said = _repaired(raw)
        if not said:
            raise
        try:
            return _parsed_once(repaired, where), said
        except EvidenceError:
            raise error from None


#: A sign that begins no entity, and one that begins no tag: XML wants them escaped.
_BARE_AND: Final = re.compile(r"&(?!(?:[A-Za-z][\w.-]*|#\d+|#x[0-9A-Fa-f]+);)")
_BARE_LESS: Final = re.compile(r"<(?![A-Za-z/!?])")


def _repaired(raw: bytes) -> tuple[bytes, str]:
    """Mend what other programs do to these files: bytes of another encoding, bare ``&`` and ``<``."""
    try:
        text, encoding = raw.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return raw, ""
        text, encoding = raw.decode("cp1252", errors="replace"), "bytes of Windows-1252"
    head, mark, rest = text.partition("?>")
    if mark and not head.lstrip().startswith("<?xml"):
        head, mark, rest = "", "", text
    text, ands = _BARE_AND.subn("&amp;", rest if mark else text)
    text, less = _BARE_LESS.subn("&lt;", text)
    said = [encoding] if encoding else []
    said += [f"{count} bare {sign!r}" for count, sign in ((ands, "&"), (less, "<")) if count]
    return text.encode("utf-8"), " and ".join(said)


def _parsed_once(raw: bytes, where: str) -> _Review:
    parser: Any = DefusedXMLParser(
        target=_Review(), forbid_dtd=True, forbid_entities=True, forbid_external=True
    )
    try:
        parser.feed(raw)
        review = parser.close()
    except DefusedXmlException as error:
        raise EvidenceError(
            f"{where}: declares a document type or entities ({type(error).__name__}), which RevMan does "
            "not; it is not read."
        ) from None
    except (ParseError, LookupError, ValueError) as error:
        raise EvidenceError(f"{where}: is no well-formed XML: {error}; export it anew.") from None
    if not isinstance(review, _Review) or review.root != "COCHRANE_REVIEW":
        raise EvidenceError(
            f"{where}: is no RevMan 5 file: its root is {getattr(review, 'root', '')[:40]!r}; "
            "'COCHRANE_REVIEW' is read."
        )
    return review


def _study_names(review: _Review) -> dict[str, str]:
    """Name every study, each differently."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for key, study in review.studies.items():
        name = " ".join(study.get("NAME", "").split()) or key or "unnamed study"
        if name in taken:
            name = f"{name} ({key})"
        taken.add(name)
        names[key] = name
    return names


def _entries(outcome: _Outcome, names: Mapping[str, str]) -> list[ReviewRow]:
    setting = _setting(outcome)
    entries = []
    for place, (attributes, subgroup) in enumerate(outcome.rows, 1):
        key = attributes.get("STUDY_ID", "")
        cells = {
            ours: attributes[theirs].strip()
            for theirs, ours in _NUMBERS.items()
            if theirs in attributes
        }
        if attributes.get("ESTIMABLE", "") == "NO":
            cells = {name: cell for name, cell in cells.items() if "review_" not in name}
        entries.append(
            ReviewRow(
                setting=setting,
                study=names.get(key, key),
                subgroup=subgroup.texts.get("NAME", "") if subgroup is not None else "",
                locator=f"Analysis {setting.group}.{setting.number}, row {place}",
                cells=cells,
            )
        )
    return entries


def _setting(outcome: _Outcome) -> Setting:
    attributes, texts = outcome.attributes, outcome.texts
    setting = Setting(
        group=outcome.comparison.number,
        number=attributes.get("NO", ""),
        name=texts.get("NAME", ""),
        comparison=outcome.comparison.texts.get("NAME", ""),
        kind=outcome.kind,
        measure=attributes.get("EFFECT_MEASURE") or texts.get("EFFECT_MEASURE", ""),
        log=_logged(outcome),
        swapped=attributes.get("SWAP_EVENTS", "") == "YES",
        unit=attributes.get("UNITS", ""),
        benefit=_benefit(texts),
        sides=(texts.get("GRAPH_LABEL_1", ""), texts.get("GRAPH_LABEL_2", "")),
        totals=attributes.get("TOTALS", "YES") == "YES",
    )
    if setting.kind == "o_minus_e" and not setting.measure:
        # RevMan 5 calls O - E and variance Peto's odds ratio unless a name is given.
        return replace(setting, measure="PETO_OR")
    return setting


def _logged(outcome: _Outcome) -> bool | None:
    """Whether contrasts are logarithms: what the file says, else what its own numbers show."""
    stated = {"YES": True, "NO": False}.get(outcome.attributes.get("LOG_DATA", ""))
    if stated is not None or outcome.kind != "contrast":
        return stated
    for attributes, _ in outcome.rows:
        entered = number(attributes.get("ESTIMATE", ""))
        displayed = number(attributes.get("EFFECT_SIZE", ""))
        if abs(entered - displayed) > 1e-6 * abs(displayed):
            return True
    return None


def _benefit(texts: Mapping[str, str]) -> Benefit | None:
    """Read the direction off the graph's labels, where both sides name an arm."""
    left, right = (texts.get(f"GRAPH_LABEL_{side}", "").lower() for side in (1, 2))
    arms = [texts.get(f"GROUP_LABEL_{arm}", "").lower() for arm in (1, 2)]
    side = (_arm(left, arms), _arm(right, arms))
    found: dict[tuple[int, int], Benefit] = {(1, 2): "lower", (2, 1): "higher"}
    return found.get(side)


def _arm(label: str, arms: list[str]) -> int:
    """Which arm a label favours: 1 experimental, 2 control, 0 unclear."""
    if not label.startswith("favo"):
        return 0
    named = [
        any(word and word in label for word in (*words, arm))
        for words, arm in zip((_EXPERIMENTAL, _CONTROL), arms, strict=True)
    ]
    return 0 if named[0] == named[1] else 1 if named[0] else 2


def _risk_of_bias(review: _Review, names: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {
            "study": names.get(study, study),
            "domain": item.texts.get("NAME", ""),
            "judgement": _JUDGED.get(judgement, judgement.lower()),
            "support": "",
        }
        for item in review.items
        for study, judgement in item.judged
    ]
