"""The store of runs: whole or not at all, in order whatever the clock says, and nothing else touched."""

import hashlib
import json
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest

from bayesrtw import durable
from bayesrtw.errors import StoreError
from bayesrtw.living import chain, inputs, journal, put, recomputed, store, verify


def fill(opened, *, text="1", status="published", analysis="a"):
    """Store one run with one file."""
    identity = {"analysis": text, "evidence": "e", "engine": {}, "seed": 1, "versions": {}}
    run_id = hashlib.sha256(store.as_line(identity).encode()).hexdigest()
    with store.writing(opened, analysis) as writer, store.drafting(writer) as draft:
        (draft / "inputs").mkdir()
        (draft / "inputs" / "x.txt").write_text(text)
        (draft / "answer.txt").write_text(f"answer {text}")
        return put.put(writer, draft, run_id, {"identity": identity, "status": status})


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
    assert len(found) == 3
    assert found[2].endswith("does not follow from what is there before it.")


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


def test_every_way_to_lose_or_to_forge_an_entry_breaks_the_chain(opened):
    runs = [fill(opened, text=text, status="draft") for text in "123"]
    with store.writing(opened, "a") as writer:
        journal.note(writer, "published", run=runs[1].name, by="Ann")
        journal.note(writer, "heartbeat", run=runs[2].name, seen={}, fitted="")
    fill(opened, text="other", analysis="b")
    assert messages(opened) == []
    lines = opened.of("a") / "journal.jsonl"
    first, second = lines.read_text().splitlines()
    entry = {key: each for key, each in json.loads(first).items() if key != "check"}
    entry["run"] = runs[2].name
    forged = store.as_line({**entry, "check": journal._check(entry)})
    whole = opened.folder.parent / "whole"
    shutil.copytree(opened.folder, whole)
    ways = {
        "journal gone": lines.unlink,
        "a line gone": lambda: lines.write_text(second + "\n"),
        "the last line gone": lambda: lines.write_text(first + "\n"),
        "lines in another order": lambda: lines.write_text(f"{second}\n{first}\n"),
        "a line twice": lambda: lines.write_text(f"{first}\n{second}\n{second}\n"),
        "a forged line": lambda: lines.write_text(f"{first}\n{second}\n{forged}\n"),
        "a forged line instead": lambda: lines.write_text(f"{forged}\n{second}\n"),
        "newest run gone": lambda: shutil.rmtree(runs[2].folder),
        "every run gone": lambda: [shutil.rmtree(each.folder) for each in runs],
        "an analysis gone": lambda: shutil.rmtree(opened.of("b")),
        "the head gone": (opened.folder / "head.json").unlink,
        "a head of JSON that is none": lambda: (opened.folder / "head.json").write_text("NaN"),
    }
    for way, harm in ways.items():
        harm()
        assert any(text.startswith("fault") for text in messages(opened)), way
        shutil.rmtree(opened.folder)
        shutil.copytree(whole, opened.folder)
    assert messages(opened) == []


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({}, ""),
        (
            {"class": "probably a benefit"},
            "its class is 'probably a benefit'; from its probability",
        ),
        ({"benefit": 0.97}, "is 0.97 in run.json and 0.14 in synthesis.json"),
        ({"sceptical": "x"}, "cannot be worked out again (ValueError"),
    ],
)
def test_a_class_follows_from_the_stored_probabilities(tmp_path, said, wrong):
    rules = {"threshold": 0.0, "probable": 0.9, "likely": 0.65, "hold": 0.05, "sceptical": 0.8}
    asked = {"of": "mu", "side": "above", "threshold": 0.0, "probability": 0.14}
    (tmp_path / "analysis.json").write_text(json.dumps({"conclusion": rules}))
    (tmp_path / "synthesis.json").write_text(json.dumps({"estimands": {"pooled": asked}}))
    name = said.get("class", "harm more likely than not")
    concluded = {"name": name, "benefit": 0.14, "harm": 0.86, "sceptical": 0.2, **said}
    run = store.Run(tmp_path, {"result": {"class": name, "conclusion": concluded, "failed": []}})
    found = " ".join(recomputed.contradicted(run))
    assert found == "" if not wrong else wrong in found


def test_what_was_written_anew_as_a_whole_is_seen_by_a_head_that_was_kept(opened, tmp_path):
    fill(opened, text="1")
    kept = tmp_path / "kept.json"
    shutil.copy(opened.folder / "head.json", kept)
    fill(opened, text="2")
    head = chain.read_head(kept)
    assert verify.verify(opened, head) == []
    shutil.rmtree(opened.folder)
    again = store.open_store(opened.folder, create=True)
    fill(again, text="another")
    assert messages(again) == []
    assert [str(each) for each in verify.verify(again, head)] == [
        "fault: runs/a: the kept head ends at entry 1, which is not there or not as it was: what came "
        "before it was removed or changed."
    ]


def unchained(opened):
    """Take the chain out of a store, as older versions wrote it."""
    (opened.folder / "head.json").unlink()
    for run in store.runs(opened, "a"):
        content = {key: each for key, each in run.manifest.items() if key != "before"}
        raw = json.dumps(content).encode()
        (run.folder / "run.json").write_bytes(raw)
        (run.folder / "run.sha256").write_text(hashlib.sha256(raw).hexdigest() + "\n")


def test_a_store_from_before_the_chain_is_read_and_its_chain_begins(opened):
    fill(opened, text="1")
    unchained(opened)
    assert messages(opened) == [
        "note: head.json: there is none: no chain vouches for what is here; the next update begins one."
    ]
    fill(opened, text="2")
    assert messages(opened) == []
    unchained_run = store.runs(opened, "a")[0]
    (unchained_run.folder / "run.json").write_text("{}")
    assert any("before the chain began" in text for text in messages(opened))


@pytest.mark.parametrize("moment", ["before the entry", "after the entry"])
def test_a_writer_that_dies_between_entry_and_head_does_no_harm(opened, monkeypatch, moment):
    fill(opened, text="1")
    with monkeypatch.context() as patch:
        if moment == "before the entry":
            patch.setattr(put, "sync_tree", lambda _: None)
            patch.setattr("pathlib.Path.rename", interrupt)
        else:
            patch.setattr(chain.Changing, "write", once_only(chain.Changing.write))
        with pytest.raises(KeyboardInterrupt):
            fill(opened, text="2")
    assert messages(opened) == []
    fill(opened, text="3")
    fill(opened, text="4")
    assert messages(opened) == []


def interrupt(*given):
    raise KeyboardInterrupt


def once_only(write):
    done = []

    def wrapped(*given):
        if done:
            raise KeyboardInterrupt
        done.append(1)
        write(*given)

    return wrapped


def test_a_page_that_was_replaced_is_named(opened):
    fill(opened)
    with chain.head_of(opened) as changing:
        changing.write(chain.ChainHead(changing.head.last, changing.head.count, {}, ("0" * 64,)))
    (opened.folder / "index.html").write_text("<script>alert(1)</script>")
    assert messages(opened) == [
        "fault: index.html: is not the page that was written; the next update writes it anew."
    ]


def test_nothing_is_compared_with_a_run_that_is_not_as_it_was_written(opened):
    run = fill(opened)
    verify.vouched(opened, run)
    (run.folder / "answer.txt").write_text("answer 2")
    with pytest.raises(
        StoreError, match=r"answer\.txt: is not as it was written.* Nothing was added"
    ):
        verify.vouched(opened, run)


@pytest.mark.parametrize(
    "raw", [b"NaN", b'{"schema": "1"}', b"[" * 100_000, b"[1]", b'{"a": "\\ud800"}', b"{}", b"\xff"]
)
def test_broken_json_of_every_kind_is_named(opened, raw):
    run = fill(opened)
    (run.folder / "run.json").write_bytes(raw)
    (run.folder / "run.sha256").write_text(hashlib.sha256(raw).hexdigest() + "\n")
    with (opened.of("a") / "journal.jsonl").open("ab") as lines:
        lines.write(raw + b"\n")
    assert any(text.startswith(f"fault: runs/a/{run.name}: ") for text in messages(opened))
    with pytest.raises(StoreError):
        store.find_run(opened, "a")
    (opened.folder / "store.json").write_bytes(raw)
    with pytest.raises(StoreError):
        store.open_store(opened.folder)


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a\\b", "", "a\x1b", "x" * 200, ".hidden"])
def test_an_id_that_would_leave_its_place_is_refused_before_anything_is_made(opened, name):
    with pytest.raises(StoreError, match="no id of an analysis"), store.writing(opened, name):
        pass
    assert sorted(item.name for item in opened.folder.iterdir()) == ["store.json"]


def test_white_space_that_nobody_wrote_is_a_fault(opened):
    run = fill(opened)
    with store.writing(opened, "a") as writer:
        journal.note(writer, "published", run=run.name, by="Ann")
        journal.note(writer, "heartbeat", run=run.name, seen={}, fitted="")
    lines, seal = opened.of("a") / "journal.jsonl", run.folder / "run.sha256"
    lines.write_bytes(lines.read_bytes().replace(b"\n", b"\n\n", 1))
    seal.write_bytes(seal.read_bytes() + b"\n")
    assert messages(opened) == [
        f"fault: runs/a/{run.name}/run.sha256: is not as it was written.",
        "fault: runs/a/journal.jsonl: line 2 is not as it was written.",
    ]


FILES = ["store.json", "head.json", "runs/a/journal.jsonl", "{run}/run.json", "{run}/run.sha256"]


@pytest.mark.parametrize("name", [*FILES, "{run}/answer.txt", "index.html", "{run}/new"])
@pytest.mark.parametrize("end", ["pipe", "large"])
def test_what_has_no_end_is_named_and_not_read(opened, name, end):
    """A pipe would be waited for, and a hole of any size read into memory."""
    run = fill(opened)
    with store.writing(opened, "a") as writer:
        journal.note(writer, "heartbeat", run=run.name, seen={}, fitted="")
    path = opened.folder / name.format(run=run.folder.relative_to(opened.folder))
    path.unlink(missing_ok=True)
    if end == "pipe":
        os.mkfifo(path)
    else:
        with path.open("wb") as file:
            file.truncate(2_000_000_000)

    def stuck(*_):
        raise AssertionError(f"{name}: waits")

    signal.signal(signal.SIGALRM, stuck)
    signal.alarm(5)
    try:
        found = messages(store.open_store(opened.folder))
    except StoreError as error:
        found = [str(error)]
    finally:
        signal.alarm(0)
    assert found
    assert all("\n" not in each for each in found)


def test_a_head_that_has_no_end_is_not_read():
    with pytest.raises(StoreError, match="pipe or a device"):
        chain.read_head(Path("/dev/zero"))


def test_files_of_the_package_that_change_meanwhile_are_named(monkeypatch):
    """A run names the software that computed it: which of two, nobody can say."""
    before = inputs.software(("numpy",))
    monkeypatch.setattr(inputs, "COMPUTES", inputs.COMPUTES[1:])
    with pytest.raises(StoreError, match=r"changed since this process was started.*start it again"):
        inputs.software(("numpy",))
    monkeypatch.undo()
    assert inputs.software(("numpy",)) == before
