"""`bayesrtw check FOLDER --seal`: hashes that coreutils would print, and a version that only rows raise."""

import hashlib
import tomllib

import pytest
from click.testing import CliRunner

import bayesrtw as brw
from bayesrtw.cli import main
from bayesrtw.doubt.seal import seal
from bayesrtw.errors import EvidenceError

ROW = "r02,invented2026,time_to_rtw,hazard_ratio,1.10,0.80,1.5125,replace this row\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["new", "dataset", "mine"]).exit_code == 0
    return tmp_path / "mine"


def call(*words, code=0):
    found = CliRunner().invoke(main, ["check", *words])
    assert found.exit_code == code, found.output
    return found


def about(folder):
    return tomllib.loads((folder / "dataset.toml").read_text())


def add(folder, text):
    with (folder / "results.csv").open("a") as file:
        file.write(text)


def test_first_hashes_keep_the_version_and_a_changed_row_raises_it(folder):
    first = call("mine", "--seal")
    assert "sealed: mine, version 1 (studies.csv, results.csv)\n" in first.stdout
    assert about(folder)["files"] == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("studies.csv", "results.csv")
    }
    text = (folder / "dataset.toml").read_text()
    (folder / "dataset.toml").write_text(text.replace("[files]\n", "[files]  # of rows\n# why\n"))
    add(folder, ROW)
    refused = call("mine", code=1)
    assert "or run `bayesrtw check mine --seal`" in refused.stderr
    assert "sealed: mine, version 1 to 2 (results.csv)\n" in call("mine", "--seal").stdout
    assert brw.open_dataset(folder).size == 2
    assert brw.open_dataset(folder).provenance.version == 2
    kept = (folder / "dataset.toml").read_text()
    assert "[files]  # of rows\n" in kept
    assert "# why\n" in kept
    # Once more: nothing has changed, and nothing is written.
    assert "sealed already: mine, version 2\n" in call("mine", "--seal").stdout
    assert (folder / "dataset.toml").read_text() == kept


def test_faults_keep_a_data_set_from_being_sealed(folder):
    call("mine", "--seal")
    add(folder, ROW.replace("0.80", "1.20"))
    before = (folder / "dataset.toml").read_bytes()
    found = call("mine", "--seal", code=1)
    assert "estimate must lie in its interval" in found.stderr
    assert (folder / "dataset.toml").read_bytes() == before


def test_what_cannot_be_edited_by_line_is_left_and_told(folder):
    file = folder / "dataset.toml"
    before = 'files = { "studies.csv" = "0" }\n' + file.read_text()
    file.write_text(before)
    with pytest.raises(
        EvidenceError, match=r"write version = 2 and the hashes by hand: studies\.csv"
    ):
        seal(folder)
    assert file.read_text() == before


def test_windows_line_ends_and_a_multi_line_text_stay(folder):
    file = folder / "dataset.toml"
    text = file.read_text().replace('limits = ["', 'limits = [\n"""\nversion = 9\n[files]\n""", "')
    file.write_bytes(text.replace("\n", "\r\n").encode())
    before = file.read_bytes()
    with pytest.raises(EvidenceError, match="by hand"):
        seal(folder)
    assert file.read_bytes() == before
    file.write_bytes(text.replace("[files]\n", "").replace("\n", "\r\n").encode())
    assert seal(folder).version == 1
    assert b"\r\n[files]\r\n" in file.read_bytes()


@pytest.mark.parametrize(
    "words", [["--seal"], ["rtw-trials", "--seal"], ["mine/results.csv", "--seal"]]
)
def test_only_folders_are_sealed(folder, words):
    found = call(*words, code=2)
    assert "--seal needs the path of a data set folder" in found.output
