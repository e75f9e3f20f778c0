"""What files of others may cost: what is no file, too large, too deep or too long is one sentence."""

import os
import sys
import time
import zipfile

import pytest

from bayesrtw import bounded
from bayesrtw.analysis.catalog import open_analysis
from bayesrtw.doubt.inspect import in_words, inspect
from bayesrtw.errors import MOST_FAULTS, EvidenceError, Faults, SpecError
from bayesrtw.reading import excel
from bayesrtw.reading.grid import grid_of_text
from bayesrtw.reading.read import read_csv


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of POSIX")
@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".zip", ".rm5", ".dta"])
def test_pipes_and_devices_are_not_waited_for(tmp_path, suffix):
    pipe = tmp_path / f"pipe{suffix}"
    os.mkfifo(pipe)
    device = tmp_path / f"device{suffix}"
    device.symlink_to("/dev/zero")
    for path in (pipe, device):
        found = inspect(path)
        assert found.evidence is None
        assert "it is a pipe or a device" in found.doubts[0].message


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_an_analysis_is_no_pipe(tmp_path):
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe)
    with pytest.raises(SpecError, match="it is a pipe or a device"):
        open_analysis(pipe)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (".".join(["a"] * 20_000) + " = 1", "joined by dots"),
        (".".join(["'a'", '"b"'] * 20_000) + " = 1", "joined by dots"),
        ("[" + " . ".join(["a"] * 50) + "]", "joined by dots"),
        ("a = " + "[" * 100_000, "nested too deeply"),
        ("a = '" + "x" * 5_000_000 + "'", "at most 4 are read"),
    ],
)
def test_bombs_of_toml_are_refused_at_once(text, why):
    start = time.process_time()
    with pytest.raises(ValueError, match=why):
        bounded.toml_of(text)
    assert time.process_time() - start < 1


def test_looking_for_dotted_keys_is_linear_and_leaves_prose_alone():
    start = time.process_time()
    assert bounded.toml_of("a = '" + "x" * 2_000_000 + "'")
    assert bounded.toml_of('a = "' + "Words. And more words, e.g. of an abstract. " * 50 + '"')
    assert time.process_time() - start < 1


def test_controls_do_not_come_in_with_toml():
    table = bounded.toml_of('title = "T \\u001b]0;owned\\u0007"\n[a]\n"k\\u202e" = ["\\u0085x"]')
    assert table == {"title": "T \ufffd]0;owned\ufffd", "a": {"k": [" x"]}}


def test_controls_do_not_come_in_with_a_table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("study,effect,se\nA\x1b]0;x\x07,0.1,0.2\nB\u202e,0.2,0.1\n", encoding="utf-8")
    names = list(read_csv(path).data["study"].to_numpy())
    assert names == ["A\ufffd]0;x\ufffd", "B"]


def test_tables_have_a_most_of_cells(monkeypatch, tmp_path):
    monkeypatch.setattr(bounded, "MOST_CELLS", 100)
    path = tmp_path / "t.csv"
    path.write_text("study,effect,se\n" + "A,0.1,0.2\n" * 50)
    with pytest.raises(EvidenceError, match="has 153 cells; at most 100 are read"):
        read_csv(path)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_tables_have_a_most_of_columns(mark, tmp_path):
    # 200,000 headings took more than 12 s, each looked up by itself.
    path = tmp_path / "t.csv"
    wide = mark.join(f"c{place}" for place in range(200_000))
    path.write_text(f"study{mark}effect{mark}se{mark}{wide}\nA{mark}0.1{mark}0.2\n")
    start, faults = time.process_time(), Faults(EvidenceError)
    with pytest.raises(EvidenceError, match="has 200,003 columns; at most 5,000 are read"):
        read_csv(path) if mark == "," else grid_of_text(path.read_bytes(), "t.csv", bool, faults)
    assert time.process_time() - start < 1


def test_styles_that_excel_cannot_hold_are_not_read(monkeypatch, tmp_path):
    monkeypatch.setattr(excel, "MOST_STYLES", 10)
    path = tmp_path / "t.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/styles.xml", "<s>" + "<xf/>" * 20 + "</s>")
    # A finding of no table has no name behind its count.
    assert in_words(inspect(path).doubts)[0] == "fault: 1 fault"
    with pytest.raises(EvidenceError, match="more than 10 styles of cells"):
        excel.rows_of_sheet(path)


def test_messages_are_no_longer_than_anybody_reads(tmp_path):
    path = tmp_path / "t.csv"
    cell = "x" * 100_000
    path.write_text("study,effect,se\n" + "".join(f"{cell},{cell},0.2\n" for _ in range(3)))
    found = inspect(path)
    assert max(len(each.message) for each in found.doubts) < 10_000
    path.write_text("study,effect,se\n" + "".join(f"S{n},zz,0.2\n" for n in range(1000)))
    assert len(in_words(inspect(path).doubts)) < 2 * MOST_FAULTS
    with pytest.raises(EvidenceError, match="and 800 more; mend these first") as caught:
        read_csv(path)
    assert len(caught.value.faults) == 1000
