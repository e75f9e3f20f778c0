"""Which tests are quick; Hypothesis draws the same examples on every machine, and slow is no failure."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("bayesrtw", derandomize=True, deadline=None, max_examples=30)
settings.load_profile("bayesrtw")

HERE = Path(__file__).parent
#: Folders, files and tests that are no part of the quick loop; `process.txt` says why.
PROCESS = frozenset(
    line for line in (HERE / "process.txt").read_text("utf-8").split("\n") if line[:1] not in "#"
)


def _places(path: Path) -> set[str]:
    """Name a file and the folders that it lies in."""
    place = path.relative_to(HERE)
    return {str(each) for each in (place, *place.parents)}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even read what is no part of the quick loop."""
    quick = config.option.markexpr == "fast" and HERE in collection_path.parents
    return True if quick and _places(collection_path) & PROCESS else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `process.txt` names as `process`, and all else that is not slow as `fast`."""
    for item in items:
        name = f"{item.path.relative_to(HERE)}::{getattr(item, 'originalname', item.name)}"
        if PROCESS & {*_places(item.path), name}:
            item.add_marker(pytest.mark.process)
        elif item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.fast)
