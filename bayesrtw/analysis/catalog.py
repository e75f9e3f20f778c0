"""What is shipped: analyses in models/, data sets in data/, and the register of both."""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

from bayesrtw.analysis.spec import Analysis, parse
from bayesrtw.bounded import bytes_of
from bayesrtw.errors import BayesrtwError, EvidenceError, SpecError
from bayesrtw.evidence.measure import Benefit
from bayesrtw.evidence.table import Evidence
from bayesrtw.reading.brief import DESCRIBED, Brief, read_brief
from bayesrtw.reading.flat import Stated, check_frame, checked_benefit
from bayesrtw.reading.read import read_flat, read_folder
from bayesrtw.reading.source import read_review
from bayesrtw.registry import suggestion

if TYPE_CHECKING:
    import pandas as pd


def models_folder() -> Traversable:
    """Give the folder of the shipped analyses."""
    return files("bayesrtw.models")


def _data() -> Traversable:
    return files("bayesrtw.data")


def analysis_ids() -> tuple[str, ...]:
    """Ids of the shipped analyses."""
    names = (item.name for item in models_folder().iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def dataset_ids() -> tuple[str, ...]:
    """Ids of the shipped data sets."""
    folders = (item for item in _data().iterdir() if item.is_dir())
    return tuple(sorted(item.name for item in folders if item.joinpath("dataset.toml").is_file()))


def brief_ids() -> tuple[str, ...]:
    """Ids of the shipped briefs."""
    folders = (item for item in _data().iterdir() if item.is_dir())
    return tuple(sorted(item.name for item in folders if item.joinpath(DESCRIBED).is_file()))


def open_analysis(name: str | Path) -> Analysis:
    """Open an analysis, shipped or one's own.

    Parameters
    ----------
    name
        Id of a shipped analysis, or the path of a TOML file (anything that ends in ``.toml``).

    Returns
    -------
    Analysis
        The decoded analysis.

    Raises
    ------
    SpecError
        If there is none of that name, or with every fault of the file.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> brw.open_analysis("time-to-rtw").evidence.dataset
    'rtw-trials'
    """
    path = Path(name)
    if path.suffix.lower() == ".toml":
        try:
            text = bytes_of(path).decode("utf-8-sig")
        except OSError as error:
            raise SpecError(f"{path}: cannot be read ({error.strerror}); check the path.") from None
        except UnicodeDecodeError as error:
            raise SpecError(f"{path}: must be UTF-8 text; byte {error.start} is not.") from None
        with _limited(path.name, SpecError):
            analysis = parse(text, path.name)
        stem = path.stem
    else:
        stem = str(name)
        if stem not in analysis_ids():
            hint = suggestion(stem, list(analysis_ids()))
            raise SpecError(f"no analysis {stem!r}; {hint} A file's path ends in .toml.")
        text = models_folder().joinpath(f"{stem}.toml").read_text(encoding="utf-8")
        analysis = parse(text, f"models/{stem}.toml")
    if analysis.id != stem:
        raise SpecError(
            f"{name}: id is {analysis.id!r}; the file's stem is {stem!r}; make them equal."
        )
    return analysis


@contextmanager
def _limited(where: str, error: type[BayesrtwError]) -> Iterator[None]:
    """Turn what `tomllib` lets through into an error: nesting and numbers without end."""
    try:
        yield
    except RecursionError:
        raise error(
            f"{where}: is nested too deeply; TOML of this package needs few levels."
        ) from None
    except ValueError as found:
        if "integer string conversion" not in str(found):
            raise
        raise error(f"{where}: holds a number with thousands of digits; correct it.") from None


def open_dataset(
    name: "str | Path | pd.DataFrame",
    *,
    strict: bool = True,
    columns: Mapping[str, str] | None = None,
    measure: str = "",
    benefit: Benefit | None = None,
    sheet: str = "",
    unit: str = "",
    arms: bool = False,
) -> Evidence:
    """Open evidence, shipped or one's own.

    Parameters
    ----------
    name
        Id of a shipped data set; the path of a data set folder, a CSV file, a workbook, a RevMan 5 file
        (.rm5), a Cochrane data package (.zip or its folder) or a file of a statistics program; or a data
        frame. A flat table may have headings of other packages, see ``Evidence.provenance.reading``.
    strict
        Whether a fault in any row is an error. Without it rows with faults are left out and named in
        ``Evidence.quarantined``; shipped data sets are always strict.
    columns
        Of a flat table: column of this package to its heading, e.g. ``{"effect": "yi", "variance": "vi"}``;
        what is not stated is found.
    measure
        Of a flat table: measure of every row, e.g. ``"OR"`` or ``"standardised_mean_difference"``.
    benefit
        Of a table or review that states none: whether a larger effect is good (``"higher"``) or bad.
    sheet
        Sheet of a workbook; without it the first, or the only one that holds a table.
    unit
        Of a flat table: unit of its differences, e.g. ``"days"``, which days regained need.
    arms
        Of a flat table with one arm a row: whether arms stay rows, as a network of treatments needs, in the
        `measure` of two of them; see `Evidence.from_arms`. Without it they become contrasts.

    Returns
    -------
    Evidence
        Every row of it. Rows of reviews that cannot be used have no effect, and column
        ``quarantined`` says why.

    Raises
    ------
    EvidenceError
        If there is none of that name, or with every fault of the files; if a table can be read in
        several ways, they are named.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> brw.open_dataset("rtw-trials").size
    259
    """
    stated = Stated(columns or {}, measure, checked_benefit(benefit), sheet, unit, arms)
    if not isinstance(name, str | Path):
        check_frame(name)
        return read_flat(name, stated, strict=strict)
    if str(name) in dataset_ids():
        return _shipped(str(name))
    path = Path(name)
    try:
        with _limited(path.name, EvidenceError):
            foreign = read_review(path, benefit) if path.exists() else None
            if foreign is not None:
                return foreign
            if str(name) in brief_ids() or (path.is_dir() and path.joinpath(DESCRIBED).is_file()):
                raise EvidenceError(
                    f"{str(name)!r} is a brief: its claims are not pooled; open it with open_brief."
                )
            if path.is_dir():
                return read_folder(path.resolve(), strict=strict)
            if path.is_file():
                return read_flat(path, stated, strict=strict)
    except OSError as error:
        raise EvidenceError(f"{str(name)[:80]!r} cannot be read ({error.strerror}).") from None
    hint = suggestion(str(name), list(dataset_ids()))
    raise EvidenceError(f"no data set {str(name)!r}, and no such file or folder; {hint}")


def evidence_of(analysis: Analysis) -> Evidence:
    """Open the data set that an analysis names, with the columns that it states."""
    return open_dataset(analysis.evidence.dataset, **analysis.reads)


def open_brief(name: str | Path) -> Brief:
    """Open a brief: what somebody recommends and finds, to be held against evidence.

    Parameters
    ----------
    name
        Id of a shipped brief, or the path of a folder with ``brief.toml`` and ``claims.csv``.

    Returns
    -------
    Brief
        Its claims, and which studies speak to each component.

    Raises
    ------
    EvidenceError
        If there is none of that name, or with every fault of the files.

    Examples
    --------
    >>> import bayesrtw as brw
    >>> brief = brw.open_brief("evidence-brief")
    >>> len(brief.of_kind("recommendation")), len(brief.of_kind("finding"))
    (8, 12)
    """
    if str(name) in brief_ids():
        return read_brief(_data().joinpath(str(name)))
    path = Path(name)
    if path.is_dir():
        with _limited(path.name, EvidenceError):
            return read_brief(path.resolve())
    hint = suggestion(str(name), list(brief_ids()))
    raise EvidenceError(f"no brief {str(name)!r}, and no such folder; {hint}")


@cache
def _shipped(name: str) -> Evidence:
    return read_folder(_data().joinpath(name))


def register() -> Mapping[str, Mapping[str, object]]:
    """Read the register of the shipped analyses."""
    return tomllib.loads(models_folder().joinpath("register.lock").read_text(encoding="utf-8"))


def registration_faults() -> list[str]:
    """Hold the shipped analyses against the register."""
    lock = dict(register())
    faults = []
    for name in analysis_ids():
        analysis = open_analysis(name)
        entry = lock.pop(name, None)
        if entry is None:
            faults.append(f"models/{name}.toml: is not in register.lock; register it.")
        elif entry["digest"] != analysis.digest:
            hint = (
                "its digest differs from the registered one; raise revision, say why in CHANGELOG.md "
                "and register it"
                if entry["revision"] == analysis.revision
                else "its revision is new; register it"
            )
            faults.append(f"models/{name}.toml: {hint} (bayesrtw check --register).")
    faults += [f"models/{name}.toml: is registered and missing." for name in lock]
    return faults


def register_text() -> str:
    """Write the register anew from the shipped analyses."""
    lines = ["# Written by `bayesrtw check --register`; a changed digest needs a higher revision."]
    for name in analysis_ids():
        analysis = open_analysis(name)
        lines += [
            "",
            f"[{name}]",
            f"revision = {analysis.revision}",
            f"registered = {analysis.registered}",
            f'digest = "{analysis.digest}"',
        ]
    return "\n".join(lines) + "\n"
