"""The store of runs: whole or not at all, in order whatever the clock says, and nothing else touched."""

import hashlib
import json
import os
import shutil
import threading

import pytest

from bayesrtw.errors import StoreError
from bayesrtw.living import durable, journal, store, verify


def fill(opened, *, text="1", status="published", analysis="a"):
    """Store one run with one file."""
    identity = {"analysis": text, "evidence": "e", "engine": {}, "seed": 1, "versions": {}}
    run_id = hashlib.sha256(store.as_line(identity).encode()).hexdigest()
    with store.writing(opened, analysis) as writer, store.drafting(writer) as draft:
        (draft / "inputs").mkdir()
        (draft / "inputs" / "x.txt").write_text(text)
        (draft / "answer.txt").write_text(f"answer {text}")
        return store.put(writer, draft, run_id, {"identity": identity, "status": status})


@pytest.fixture
def opened(tmp_path):
    return store.open_store(tmp_path / "store", create=True)


def messages(opened):
    return [str(oddity) for oddity in verify.verify(opened)]


def test_runs_are_counted_and_read_back(opened):
    names = [fill(opened, text=text).name for text in "123"]
    assert list(store.run_names(opened, "a")) == names
    assert [run.sequence for run in store.runs(opened, "a")] == [1, 2, 3]
    assert store.find_run(opened, "a").name == names[-1]
    assert store.find_run(opened, "a/2").name == names[1]
    assert store.find_run(opened, names[0].split("-")[1][:8]).name == names[0]
    assert messages(opened) == []


def test_order_is_the_count_and_not_the_clock(opened, monkeypatch):
    fill(opened, text="1")
    monkeypatch.setattr(store, "now", lambda: "1999-01-01T00:00:00+00:00")
    later = fill(opened, text="2")
    assert store.find_run(opened, "a").name == later.name


def test_the_published_run_is_the_last_that_was_published(opened):
    first = fill(opened, text="1")
    draft = fill(opened, text="2", status="draft")
    assert journal.published(opened, "a").name == first.name
    with store.writing(opened, "a") as writer:
        journal.note(writer, "published", run=draft.name, by="Ann")
    assert journal.published(opened, "a").name == draft.name


@pytest.mark.parametrize("file", ["answer.txt", "inputs/x.txt", "run.json", "run.sha256"])
def test_a_flipped_byte_is_found_in_every_file(opened, file):
    run = fill(opened)
    path = run.folder / file
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    assert any(oddity.severity == "fault" for oddity in verify.verify(opened))


def test_every_flipped_byte_of_a_journal_is_found(opened):
    fill(opened)
    with store.writing(opened, "a") as writer:
        journal.note(writer, "heartbeat", run="x", seen={}, fitted="")
    path = opened.of("a") / "journal.jsonl"
    whole = path.read_bytes()
    for place in range(len(whole) - 1):
        raw = bytearray(whole)
        raw[place] ^= 1
        path.write_bytes(raw)
        assert any("journal.jsonl" in text for text in messages(opened)), place


def test_a_missing_run_and_an_extra_file_are_named(opened):
    runs = [fill(opened, text=text) for text in "123"]
    shutil.rmtree(runs[1].folder)
    (runs[2].folder / "notes.txt").write_text("mine")
    found = messages(opened)
    assert f"the run before it was {runs[1].name}, and is not there" in found[1]
    assert found[0].startswith("note: ")
    assert found[0].endswith("was not written by this program.")
    assert len(found) == 2


def test_what_something_else_wrote_is_named_and_left(opened):
    fill(opened)
    (opened.folder / "thesis.docx").write_text("mine")
    (opened.of("a") / "000009-backup").mkdir()
    fill(opened, text="2")
    found = messages(opened)
    assert len(found) == 2
    assert all("was not written by this program; it stays as it is" in text for text in found)
    assert (opened.folder / "thesis.docx").read_text() == "mine"
    assert (opened.of("a") / "000009-backup").is_dir()


def test_a_folder_with_other_things_is_no_store(tmp_path):
    (tmp_path / "thesis.docx").write_text("mine")
    with pytest.raises(
        StoreError, match=r"holds other things and is no store; nothing was touched"
    ):
        store.open_store(tmp_path, create=True)
    with pytest.raises(StoreError, match=r"is no store; there is no store.json"):
        store.open_store(tmp_path / "none")
    assert [item.name for item in tmp_path.iterdir()] == ["thesis.docx"]


def test_a_store_of_a_later_version_is_refused(opened):
    (opened.folder / "store.json").write_text(json.dumps({"format": store.FORMAT, "schema": 99}))
    with pytest.raises(StoreError, match=r"later version .schema 99; this one reads 1."):
        store.open_store(opened.folder)


def test_a_run_of_a_later_version_stops_its_analysis_and_nothing_else(opened):
    run = fill(opened)
    fill(opened, analysis="b")
    raw = (run.folder / "run.json").read_bytes().replace(b'"schema": 1', b'"schema": 2', 1)
    (run.folder / "run.json").write_bytes(raw)
    (run.folder / "run.sha256").write_text(hashlib.sha256(raw).hexdigest() + "\n")
    with pytest.raises(StoreError, match=r"later version .schema 2"):
        fill(opened, text="2")
    assert [item.name for item in opened.of("a").iterdir() if item.name != ".lock"] == [run.name]
    assert fill(opened, text="2", analysis="b").sequence == 2
    assert any("later version" in text for text in messages(opened))


def test_symbolic_links_are_named_and_not_followed(opened, tmp_path):
    run = fill(opened)
    outside = tmp_path / "outside"
    shutil.copytree(run.folder, outside / "a" / run.name)
    (opened.folder / "runs" / "linked").symlink_to(outside / "a")
    (opened.of("a") / "000002-0123456789abcdef").symlink_to(outside / "a" / run.name)
    (run.folder / "answer.txt").unlink()
    (run.folder / "answer.txt").symlink_to(outside / "a" / run.name / "answer.txt")
    assert store.analyses(opened) == ("a",)
    assert store.run_names(opened, "a") == (run.name,)
    found = messages(opened)
    assert (
        sum(
            "is a symbolic link that leaves the store; it was not followed" in text
            for text in found
        )
        == 3
    )
    with pytest.raises(
        StoreError, match=r"linked: is a symbolic link; nothing is written through it"
    ):
        fill(opened, analysis="linked")


def test_leftovers_of_a_kill_are_ignored_and_removed_by_the_next_writer(opened):
    fill(opened)
    leftover = opened.of("a") / ".partial-abc123"
    (leftover / "inputs").mkdir(parents=True)
    (leftover / "inputs" / "half.csv").write_text("study,eff")
    assert store.run_names(opened, "a")[-1].startswith("000001")
    assert any("unfinished work" in text for text in messages(opened))
    assert fill(opened, text="2").sequence == 2
    assert not leftover.exists()


def test_a_draft_of_a_living_writer_is_not_removed(opened):
    """A second writer waits; it does not clean up after one that still works."""
    inside, done = threading.Event(), threading.Event()
    seen = []

    def slow():
        with store.writing(opened, "a") as writer, store.drafting(writer) as draft:
            inside.set()
            done.wait(5)
            seen.append(draft.is_dir())

    thread = threading.Thread(target=slow)
    thread.start()
    inside.wait(5)
    with (
        pytest.raises(StoreError, match=r"another process has been writing for 0.1 s"),
        store.writing(opened, "a", wait=0.1),
    ):
        pass
    done.set()
    thread.join()
    assert seen == [True]


def test_a_failed_draft_leaves_nothing(opened):
    def break_off():
        with store.writing(opened, "a") as writer, store.drafting(writer) as draft:
            (draft / "half.txt").write_text("half")
            raise OSError(28, "No space left on device")

    full = r"cannot be written .No space left on device.; nothing was added"
    with pytest.raises(StoreError, match=full):
        break_off()
    assert [item.name for item in opened.of("a").iterdir()] == [".lock"]


def test_a_line_that_was_torn_does_not_spoil_the_next(opened):
    fill(opened)
    path = opened.of("a") / "journal.jsonl"
    path.write_bytes(b'{"kind": "heartb')
    with store.writing(opened, "a") as writer:
        journal.note(writer, "heartbeat", run="x", seen={}, fitted="")
    found = journal.journal(opened, "a")
    assert found.damaged == (1,)
    assert [entry["run"] for entry in found.entries] == ["x"]


def test_a_full_disk_undoes_a_line(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    durable.append_line(path, "whole")
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, content: real(handle, content[:3]))
    with pytest.raises(OSError, match=r"No space left"):
        durable.append_line(path, "another")
    assert path.read_bytes() == b"whole\n"
