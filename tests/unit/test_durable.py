"""Files and folders appear whole or not at all, through no link, and with the user's permissions."""

import os
import stat
import sys
from pathlib import Path

import pytest

from bayesrtw import durable
from bayesrtw.errors import EvidenceError, OutputError
from bayesrtw.living.inputs import PACKAGE, gather
from bayesrtw.reading import cochrane
from bayesrtw.report import folder

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="permissions and links of POSIX")


def test_a_named_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "report.docx"
    durable.write_whole(path, b"old")

    def full(*given):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", full)
        with pytest.raises(OSError, match="No space"):
            durable.write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["report.docx"]


@POSIX
def test_a_device_is_written_and_not_replaced():
    durable.write_whole(Path(os.devnull), b"new")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


@POSIX
@pytest.mark.parametrize(("mask", "folder_mode"), [(0o022, 0o755), (0o077, 0o700), (0o027, 0o750)])
def test_the_umask_is_kept(tmp_path, mask, folder_mode):
    before = os.umask(mask)
    try:
        with durable.draft_folder(tmp_path) as draft:
            draft.rename(tmp_path / "whole")
        durable.write_whole(tmp_path / "file", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "whole").stat().st_mode) == folder_mode
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~mask


@POSIX
def test_drafts_of_the_dead_are_removed_and_those_of_the_living_are_not(tmp_path, monkeypatch):
    (tmp_path / ".partial-1-dead").mkdir()
    (tmp_path / ".partial-link").symlink_to(tmp_path)
    monkeypatch.setattr(durable, "FRESH", -1.0)
    with durable.draft_folder(tmp_path) as living:
        with durable.draft_folder(tmp_path) as other:
            found = {item.name for item in tmp_path.iterdir()}
        assert found == {living.name, other.name, ".partial-link"}
        assert living.is_dir()
    assert [item.name for item in tmp_path.iterdir()] == [".partial-link"]


@POSIX
def test_the_index_of_results_is_not_written_through_a_link(tmp_path):
    target = tmp_path / "mine.txt"
    target.write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    (out / "index.html").symlink_to(target)
    with pytest.raises(OutputError, match="is a symbolic link"):
        folder.write_index(out)
    assert target.read_text() == "mine"


def package(place):
    place.mkdir()
    for suffix in PACKAGE:
        (place / f"1{suffix}").write_text("x")
    (place / "secret.txt").write_text("stray")
    toml = place.parent / "a.toml"
    toml.write_text(f"[evidence]\ndataset = {str(place)!r}\n")
    return toml


def test_an_update_takes_what_a_package_names_and_nothing_beside_it(tmp_path):
    assert sorted(PACKAGE) == sorted(
        (cochrane.ROWS, cochrane.SETTINGS, cochrane.STUDIES, cochrane.RISK_OF_BIAS)
    )
    found = gather(str(package(tmp_path / "p")))
    assert sorted(found.files) == sorted(f"p/1{suffix}" for suffix in PACKAGE)


@POSIX
def test_an_update_takes_no_target_of_a_link(tmp_path):
    toml = package(tmp_path / "p")
    (tmp_path / "passwd").write_text("root")
    (tmp_path / "p" / "2-risk-of-bias.csv").symlink_to(tmp_path / "passwd")
    with pytest.raises(EvidenceError, match="is a symbolic link that leaves the folder"):
        gather(str(toml))
