"""What several tests of reports share: two small syntheses with their records."""

from typing import Any

import pytest
from small_synthesis import small_synthesis

from bayesrtw.analysis.run import Synthesis
from bayesrtw.report.record import record


@pytest.fixture(scope="session")
def plain() -> tuple[Synthesis, dict[str, Any]]:
    made = small_synthesis(("A 2001", "B 2002", "C 2003", "D 2004", "E 2005"))
    return made, record(made)


@pytest.fixture(scope="session")
def both_designs() -> tuple[Synthesis, dict[str, Any]]:
    designs = ["rct", "cohort", "rct", "cohort", "rct"]
    made = small_synthesis(("A 2001", "B 2002", "C 2003", "D 2004", "E 2005"), design=designs)
    return made, record(made)
