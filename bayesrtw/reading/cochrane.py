"""Cochrane data packages: a zip file or a folder, as RevMan Web exports them.

The package of a review holds ``<id>-analysis-data/<id>-data-rows.csv`` (a row a study in an analysis)
and ``<id>-overall-estimates-and-settings.csv`` (a row an analysis), and perhaps
``<id>-study-data/<id>-study-information.csv`` and ``<id>-risk-of-bias.csv``
(https://documentation.cochrane.org/revman-kb/data-package-specification-249561249.html).
"""

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Mapping
from lzma import LZMAError
from pathlib import Path
from typing import Final

from bayesrtw.bounded import bytes_of, regular
from bayesrtw.errors import EvidenceError, Faults, shown
from bayesrtw.evidence.cells import Table, read_table
from bayesrtw.evidence.measure import MEASURES, Benefit
from bayesrtw.evidence.table import Provenance
from bayesrtw.reading.imported import Imported, gather
from bayesrtw.reading.review import Kind, ReviewRow, Setting, measure_of, number
from bayesrtw.registry import suggestion

#: Files of a package that are read; the first two must be there.
ROWS: Final = "-data-rows.csv"
SETTINGS: Final = "-overall-estimates-and-settings.csv"
STUDIES: Final = "-study-information.csv"
RISK_OF_BIAS: Final = "-risk-of-bias.csv"

#: Most bytes of one unpacked file and of all that are read. The largest of 97 reviews has 269 rows in
#: an analysis and needs 0.4 MB; a bomb must not fill the memory.
MOST_BYTES: Final = 32_000_000

#: Most members of a package; RevMan Web writes fewer than twenty.
MOST_MEMBERS: Final = 10_000

#: Columns of the rows that hold numbers, and what they are called here.
_NUMBERS: Final = {
    "Experimental cases": "events_t",
    "Experimental N": "n_t",
    "Control cases": "events_c",
    "Control N": "n_c",
    "Experimental mean": "mean_t",
    "Experimental SD": "sd_t",
    "Control mean": "mean_c",
    "Control SD": "sd_c",
    "GIV Mean": "contrast",
    "GIV SE": "contrast_se",
    "O-E": "o_minus_e",
    "Variance": "variance",
    "Mean": "review_estimate",
    "CI start": "review_ci_low",
    "CI end": "review_ci_high",
    "Weight": "review_weight",
}

#: Words of the column "Data type" to a kind of data; compared in lower case.
_KINDS: Final[tuple[tuple[str, Kind], ...]] = (
    ("dichotomous", "dichotomous"),
    ("continuous", "continuous"),
    ("o-e", "o_minus_e"),
    ("observed", "o_minus_e"),
    ("inverse variance", "contrast"),
    ("contrast", "contrast"),
    ("generic", "contrast"),
)

#: Values of "Applicability" of rows that the overall result uses; an empty cell says nothing.
_OVERALL: Final = "OVERALL"


def is_package(folder: Path) -> bool:
    """Whether a folder is a data package and no data set folder."""
    if (folder / "dataset.toml").is_file():
        return False
    return bool(_beneath(folder, f"*{ROWS}"))


def _beneath(folder: Path, pattern: str) -> list[Path]:
    """Files of a pattern in a folder, two levels deep; links out of it are left alone."""
    try:
        inside = folder.resolve()
        found = [path for depth in ("", "*/", "*/*/") for path in folder.glob(depth + pattern)]
        return sorted(
            path for path in found if path.is_file() and path.resolve().is_relative_to(inside)
        )
    except OSError as error:
        raise EvidenceError(f"{folder}: cannot be read ({error.strerror}).") from None


def read_package(path: Path, *, benefit: Benefit | None = None) -> Imported:
    """Read a data package."""
    files, sha = _unzipped(path) if path.is_dir() else _zipped(path)
    name = path.name
    faults = Faults(EvidenceError)
    tables = {}
    for suffix, raw in files.items():
        tables[suffix] = read_table(raw, f"{name}: {suffix.removeprefix('-')}", faults)
    for suffix in (ROWS, SETTINGS):
        if suffix not in tables:
            faults.add(
                f"{name}: no file ends in {suffix}; give the data package of one review, as RevMan Web "
                "exports it."
            )
    faults.raise_if_any()
    _need(tables[ROWS], ("Analysis group", "Analysis number", "Study", *_NUMBERS), faults)
    needed = ("Analysis group", "Analysis number", "Data type", "Effect measure")
    _need(tables[SETTINGS], needed, faults)
    faults.raise_if_any()
    entries = _entries(tables[ROWS], _settings(tables[SETTINGS]))
    provenance = Provenance(
        title=f"Cochrane data package {name}",
        sha256=sha,
        licence="Not stated in the package; cite the review.",
        limits=(
            f"Read from {name} (SHA-256 {sha}), columns as in version 1 of the specification.",
        ),
    )
    return gather(
        entries,
        provenance,
        studies=_studies(tables, entries),
        risk_of_bias=_risk_of_bias(tables.get(RISK_OF_BIAS)),
        benefit=benefit,
    )


def _need(table: Table, names: tuple[str, ...], faults: Faults) -> None:
    for name in names:
        if name not in table.columns:
            hint = suggestion(name, list(table.columns))
            faults.add(f"{table.where}: column {name!r} is missing; {hint}")


def _unzipped(folder: Path) -> tuple[dict[str, bytes], str]:
    """Read the files of a folder."""
    found = {
        str(path.relative_to(folder)): path
        for suffix in (ROWS, SETTINGS, STUDIES, RISK_OF_BIAS)
        for path in _beneath(folder, f"*{suffix}")
    }
    sizes = {name: path.stat().st_size for name, path in found.items()}
    chosen = _chosen(sizes, folder.name)
    sha, files = hashlib.sha256(), {}
    for suffix, name in chosen.items():
        try:
            files[suffix] = bytes_of(found[name], MOST_BYTES)
        except OSError as error:
            raise EvidenceError(f"{name}: cannot be read ({error.strerror}).") from None
        sha.update(files[suffix])
    return files, sha.hexdigest()


def _zipped(path: Path) -> tuple[dict[str, bytes], str]:
    """Read the members of a zip file into memory; nothing is unpacked onto the disk."""
    sha = hash_of(path)
    try:
        with zipfile.ZipFile(path) as archive:
            chosen = _chosen(member_sizes(archive, path.name), path.name)
            files = {suffix: member(archive, name) for suffix, name in chosen.items()}
    except BROKEN_ZIP as error:
        raise EvidenceError(
            f"{path.name}: is no readable zip file: {error}; export it anew."
        ) from None
    return files, sha


#: What the standard library raises on a zip file that is damaged, encrypted or packed in a way it lacks.
BROKEN_ZIP: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    UnicodeError,
    LZMAError,
    OverflowError,
)


def hash_of(path: Path) -> str:
    """SHA-256 of a file of reasonable size."""
    try:
        regular(path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EvidenceError(f"{path}: cannot be read ({error.strerror}); check the path.") from None


def member_sizes(archive: zipfile.ZipFile, where: str) -> dict[str, int]:
    """Check the names of a zip file's members."""
    faults = Faults(EvidenceError)
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise EvidenceError(
            f"{where}: has {len(members)} members; at most {MOST_MEMBERS} are read."
        )
    sizes: dict[str, int] = {}
    escaping, repeated, locked = [], [], []
    for info in members:
        name = info.filename
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or name.startswith(("/", "\\")) or ":" in parts[0]:
            escaping.append(name)
        if name in sizes:
            repeated.append(name)
        if info.flag_bits & 1:
            locked.append(name)
        sizes[name] = info.file_size
    for names, what, do in (
        (escaping, "lead out of the archive", "do not use this file"),
        (repeated, "stand twice", "export it anew"),
        (locked, "are encrypted", "unpack it and give the folder"),
    ):
        if names:
            faults.add(f"{where}: members {shown(names)} {what}; {do}.")
    faults.raise_if_any()
    return sizes


def member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read one member, but never more than it may hold."""
    with archive.open(name) as file:
        raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise EvidenceError(f"{name}: holds more than {MOST_BYTES / 1e6:.0f} MB; it is not read.")
    return raw


def _chosen(sizes: Mapping[str, int], where: str) -> dict[str, str]:
    """Choose the files that are read; there is one of each."""
    faults = Faults(EvidenceError)
    chosen = {}
    for suffix in (ROWS, SETTINGS, STUDIES, RISK_OF_BIAS):
        names = [name for name in sizes if name.endswith(suffix) and "__MACOSX" not in name]
        if len(names) > 1:
            faults.add(
                f"{where}: {len(names)} files end in {suffix} ({shown(names)}); give the package of one "
                "review at a time."
            )
        elif names and sizes[names[0]] > MOST_BYTES:
            faults.add(
                f"{where}: {names[0]} holds {sizes[names[0]] / 1e6:.0f} MB; at most "
                f"{MOST_BYTES / 1e6:.0f} MB are read."
            )
        elif names:
            chosen[suffix] = names[0]
    faults.raise_if_any()
    return chosen


def _getter(table: Table) -> Callable[[str, int], str]:
    def get(column: str, row: int) -> str:
        cells = table.columns.get(column)
        return cells[row] if cells is not None and cells[row] != "#N/A" else ""

    return get


def _settings(table: Table) -> dict[tuple[str, str], Setting]:
    """Read the settings of the analyses."""
    get = _getter(table)
    found = {}
    for row in range(table.count):
        key = get("Analysis group", row), get("Analysis number", row)
        log = {"true": True, "false": False}.get(get("Log-scale data", row).lower())
        found[key] = Setting(
            group=key[0],
            number=key[1],
            name=get("Analysis name", row),
            comparison=get("Analysis group name", row),
            kind=kind_of(get("Data type", row), get("Statistical method", row)),
            measure=get("Effect measure", row),
            log=log,
            swapped=get("Swap event and non-event", row).lower() == "true",
            unit=get("Unit of effect measure", row),
            totals=get("Overall estimates", row).lower() != "false",
        )
    return found


def kind_of(data_type: str, method: str = "") -> Kind:
    """Translate the type of an analysis's data."""
    text = data_type.replace("_", " ").lower()
    if method.upper().startswith("EXP_O_E"):
        return "o_minus_e"
    return next((kind for words, kind in _KINDS if words in text), "other")


def _entries(table: Table, settings: Mapping[tuple[str, str], Setting]) -> list[ReviewRow]:
    """Read the rows; those of an analysis without settings have no measure."""
    get = _getter(table)
    orphans: dict[tuple[str, str], Setting] = {}
    entries = []
    for row in range(table.count):
        key = get("Analysis group", row), get("Analysis number", row)
        setting = settings.get(key) or orphans.setdefault(
            key,
            Setting(
                group=key[0],
                number=key[1],
                name=get("Analysis name", row),
                comparison="",
                kind="dichotomous",
                measure="",
            ),
        )
        cells = {ours: get(theirs, row) for theirs, ours in _NUMBERS.items()}
        applies = get("Applicability", row).upper()
        entries.append(
            ReviewRow(
                setting=setting,
                study=get("Study", row),
                year=get("Study year", row),
                subgroup=get("Subgroup", row),
                note=get("Footnotes", row),
                locator=f"Analysis {key[0]}.{key[1]}, row {table.lines[row]} of the data rows",
                cells=_displayed(setting, cells),
                pooled=not applies or _OVERALL in applies,
            )
        )
    return entries


def _displayed(setting: Setting, cells: dict[str, str]) -> dict[str, str]:
    """Drop the displayed estimate of rows that have none: the export writes zeros."""
    shown_numbers = [number(cells[name]) for name in ("review_ci_low", "review_ci_high")]
    name, _ = measure_of(setting)
    ratio = name in MEASURES and MEASURES[name].log
    nothing = shown_numbers[0] == shown_numbers[1] == 0.0
    if nothing or (ratio and number(cells["review_estimate"]) <= 0):
        for each in ("review_estimate", "review_ci_low", "review_ci_high"):
            cells[each] = ""
    return cells


def _studies(tables: Mapping[str, Table], entries: list[ReviewRow]) -> dict[str, dict[str, str]]:
    """Say what is known of each study."""
    known: dict[str, dict[str, str]] = {}
    for entry in entries:
        found = known.setdefault(" ".join(entry.study.split()) or "unnamed study", {"year": ""})
        found["year"] = found["year"] or entry.year
    table = tables.get(STUDIES)
    if table is not None and "Study" in table.columns:
        get = _getter(table)
        for row in range(table.count):
            found = known.get(" ".join(get("Study", row).split()), {})
            found["year"] = get("Year", row) or found.get("year", "")
            found["data_source"] = get("Data source", row)
    return known


def _risk_of_bias(table: Table | None) -> list[dict[str, str]]:
    """Read judgements: one column a domain for the judgement, one for its support."""
    if table is None or "Study" not in table.columns:
        return []
    get = _getter(table)
    start = "Domain (judgement): "
    domains = [name.removeprefix(start) for name in table.columns if name.startswith(start)]
    return [
        {
            "study": get("Study", row),
            "domain": domain,
            "judgement": get(f"{start}{domain}", row),
            "support": get(f"Domain (support): {domain}", row),
        }
        for row in range(table.count)
        for domain in domains
        if get(f"{start}{domain}", row)
    ]
