"""Analyses broken on purpose: the first line of each file is the message that it must give.

A line `# expect: text` asks for `text` in the message; `# also: text`, below it, for more of it. Lines
are compared as they stand, so a changed message is a changed test.
"""

from pathlib import Path

import pytest

from bayesrtw.analysis.catalog import open_analysis
from bayesrtw.errors import SpecError

FILES = sorted((Path(__file__).parent / "wrong_models").glob("*.toml"))


def expected(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# expect: "), f"{path.name}: the first line is the message"
    return [line.split(": ", 1)[1] for line in lines if line.startswith(("# expect: ", "# also: "))]


def test_there_are_wrong_models():
    assert len(FILES) >= 20


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_wrong_model_says_what_is_wrong(path):
    with pytest.raises(SpecError) as caught:
        open_analysis(path)
    for text in expected(path):
        assert text in str(caught.value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_message_names_the_file(path):
    with pytest.raises(SpecError) as caught:
        open_analysis(path)
    assert path.name in str(caught.value)
