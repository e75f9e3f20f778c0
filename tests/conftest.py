"""Which tests are quick; Hypothesis draws the same examples on every machine, and slow is no failure."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("bayesrtw", derandomize=True, deadline=None, max_examples=30)
settings.load_profile("bayesrtw")

HERE = Path(__file__).parent
#: Folders and files whose tests start processes, browsers or samplers, or run many whole analyses.
PROCESS = frozenset(
    line for line in (HERE / "process.txt").read_text("utf-8").split("\n") if line[:1] not in "#"
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `process.txt` names as `process`, and all else that is not slow as `fast`."""
    for item in items:
        place = item.path.relative_to(HERE)
        named = {str(each) for each in (place, *place.parents)}
        known = PROCESS & (named | {f"{place}::{getattr(item, 'originalname', item.name)}"})
        if known:
            item.add_marker(pytest.mark.process)
        elif item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.fast)
