"""The raw inputs of an update: an analysis file and the files of its evidence, read once.

What is hashed is what is copied into the run and what is fitted, so that an edit in the meantime
cannot come between. Needs no numerical library.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from bayesrtw.bounded import bytes_of, toml_of
from bayesrtw.durable import write_synced
from bayesrtw.errors import EvidenceError, SpecError, StoreError, shown

#: Files of a data set folder, as `bayesrtw.reading.read` knows them.
DATASET = ("dataset.toml", "studies.csv", "results.csv", "risk_of_bias.csv", "components.csv")

#: How names of a data package's files end, as `bayesrtw.reading.cochrane` knows them.
PACKAGE = (
    "-data-rows.csv",
    "-overall-estimates-and-settings.csv",
    "-study-information.csv",
    "-risk-of-bias.csv",
)

#: Modules and packages whose code computes: their text is part of a run's identity.
COMPUTES = ("registry.py", "evidence", "model", "engine", "posterior", "analysis")

#: Files of a source that is no data set folder; a review's data package has a few dozen.
MOST_FILES = 2000


@dataclass(frozen=True, slots=True)
class Inputs:
    """What an update of one analysis reads."""

    analysis: str  #: Id of the analysis: the stem of its file.
    toml: bytes  #: The analysis file.
    entry: str  #: The evidence's file or folder, by its own name.
    files: Mapping[str, bytes]  #: Path below the folder of the evidence to content.
    every_days: int | None  #: Schedule that the file states; None without one.

    def hashes(self) -> dict[str, str]:
        """Hash the analysis file and the evidence."""
        evidence = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            evidence.update(f"{name}\0{len(content)}\0".encode() + content)
        return {
            "analysis": hashlib.sha256(self.toml).hexdigest(),
            "evidence": evidence.hexdigest(),
        }


def shipped() -> tuple[str, ...]:
    """Ids of the shipped analyses."""
    names = (item.name for item in files("bayesrtw.models").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def analysis_id(name: str) -> str:
    """Give the id behind an id or a path."""
    return Path(name).stem if name.lower().endswith(".toml") else name


def gather(name: str, *, data: Path | None = None, evidence: Path | None = None) -> Inputs:
    """Read the raw inputs of an analysis."""
    stem = analysis_id(name)
    toml = _toml(name, stem)
    try:
        table = toml_of(toml.decode("utf-8-sig"))
        dataset = str(evidence) if evidence is not None else table["evidence"]["dataset"]
        every = table.get("schedule", {}).get("every_days")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        # The full reader says what is wrong with the file, in the words of `bayesrtw check`.
        if isinstance(error, KeyError):
            raise SpecError(f"{name}: evidence.dataset is missing; add it.") from None
        raise SpecError(f"{name}: cannot be read as an analysis ({error}).") from None
    if not isinstance(dataset, str):
        raise SpecError(f"{name}: evidence.dataset must be text; found {dataset!r}.")
    entry, found = _evidence(dataset, data, given=evidence is not None)
    return Inputs(stem, toml, entry, found, every if isinstance(every, int) else None)


def dataset_of(name: str) -> str:
    """Name the data set of a shipped analysis."""
    table = toml_of(_toml(name, name).decode("utf-8"))
    return str(table["evidence"]["dataset"])


def _toml(name: str, stem: str) -> bytes:
    if name.lower().endswith(".toml"):
        try:
            return bytes_of(Path(name))
        except OSError as error:
            raise SpecError(f"{name}: cannot be read ({error.strerror}); check the path.") from None
    if stem not in shipped():
        raise SpecError(
            f"no analysis {stem!r}. Choices: {', '.join(shipped())}. A file's path ends in .toml."
        )
    return files("bayesrtw.models").joinpath(f"{stem}.toml").read_bytes()


def _evidence(dataset: str, data: Path | None, *, given: bool) -> tuple[str, dict[str, bytes]]:
    try:
        if data is not None and not given:
            for own in (data / dataset, data):
                if own.resolve().name == dataset and (own / DATASET[0]).is_file():
                    return dataset, _folder(own.resolve())
        resource = files("bayesrtw.data").joinpath(dataset) if _plain(dataset) else None
        if not given and resource is not None and resource.joinpath(DATASET[0]).is_file():
            return dataset, {
                f"{dataset}/{file}": resource.joinpath(file).read_bytes()
                for file in DATASET
                if resource.joinpath(file).is_file()
            }
        path = Path(dataset)
        if path.is_dir():
            return path.resolve().name, _folder(path.resolve())
        if path.is_file():
            return path.name, {path.name: bytes_of(path)}
    except OSError as error:
        raise EvidenceError(f"{dataset[:80]!r} cannot be read ({error.strerror}).") from None
    raise EvidenceError(
        f"no data set {dataset!r}, and no such file or folder; give --data or --evidence."
    )


def _plain(name: str) -> bool:
    return name not in ("", ".", "..") and "/" not in name and "\\" not in name


def _folder(folder: Path) -> dict[str, bytes]:
    """Read the files of a data set folder or of a data package, and nothing that lies beside them."""
    if (folder / DATASET[0]).is_file():
        paths = [folder / file for file in DATASET if (folder / file).is_file()]
    else:
        files_of = (item for item in sorted(folder.rglob("*")) if item.name.endswith(PACKAGE))
        paths = [item for item in files_of if item.is_file()]
    links = [item.name for item in paths if not item.resolve().is_relative_to(folder)]
    if links:
        raise EvidenceError(
            f"{folder}: {shown(links)} is a symbolic link that leaves the folder, and would be copied into "
            "the store; put the file itself there."
        )
    if len(paths) > MOST_FILES:
        raise EvidenceError(
            f"{folder}: holds {len(paths)} files; a source has at most {MOST_FILES}. Check the path."
        )
    return {
        f"{folder.name}/{path.relative_to(folder).as_posix()}": bytes_of(path) for path in paths
    }


def write_inputs(inputs: Inputs, folder: Path) -> tuple[Path, Path]:
    """Write the inputs into a folder."""
    root = folder / "evidence"
    root.mkdir(parents=True)
    for name, content in inputs.files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_synced(path, content)
    toml = folder / f"{inputs.analysis}.toml"
    write_synced(toml, inputs.toml)
    return toml, root / inputs.entry


def stored_inputs(folder: Path, analysis: str) -> tuple[Path, Path]:
    """Find the inputs that a run was made from."""
    toml = folder / "inputs" / f"{analysis}.toml"
    root = folder / "inputs" / "evidence"
    entries = sorted(root.iterdir()) if root.is_dir() else []
    if not toml.is_file() or len(entries) != 1:
        raise StoreError(f"{folder / 'inputs'}: is not complete; `bayesrtw verify` says more.")
    return toml, entries[0]


def software(packages: tuple[str, ...]) -> dict[str, str]:
    """Say which software computes now."""
    found = {name: version(name) for name in packages}
    if _code() != _first():
        raise StoreError(
            "the files of bayesrtw have changed since this process was started, so that nobody can say which "
            "of them computes; start it again. Nothing was written."
        )
    return {**found, "code": _first()}


@cache
def _first() -> str:
    """Give the code that this process found when it first asked."""
    return _code()


def _code() -> str:
    sha = hashlib.sha256()
    root = files("bayesrtw")
    for part in COMPUTES:
        spot = root.joinpath(part)
        modules = [spot] if spot.is_file() else sorted(spot.iterdir(), key=lambda item: item.name)
        for module in modules:
            if module.name.endswith(".py"):
                sha.update(module.name.encode() + b"\0" + module.read_bytes())
    return sha.hexdigest()[:16]


def packages_of(versions: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the packages that a run's versions list."""
    return tuple(name for name in versions if name != "code")
