"""Results in a store with a URL: what a folder of this machine holds, whole, and replaced whole."""

import json

import fsspec
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from bayesrtw.analysis.default import default_analyses
from bayesrtw.analysis.run import run
from bayesrtw.cli import main
from bayesrtw.errors import OutputError
from bayesrtw.reading.source import read_source
from bayesrtw.report.document import as_json, document
from bayesrtw.report.shared import SharedPlace


@pytest.fixture
def memory():
    files = fsspec.filesystem("memory")
    files.store.clear()
    yield files
    files.store.clear()


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"study": list("ABCD") * 2, "outcome": ["pain"] * 4 + ["work"] * 4})
    frame["effect"], frame["se"] = rng.normal(0.2, 0.2, 8).round(3), 0.1
    path = tmp_path_factory.mktemp("collection") / "rows.csv"
    frame.to_csv(path, index=False)
    return path


def called(*words):
    done = CliRunner().invoke(main, ["run", *map(str, words), "--no-report", "--jobs", "1"])
    return done.exit_code, done.output + done.stderr


@pytest.mark.slow
def test_a_url_holds_what_a_folder_holds_and_results_that_are_there_are_left_alone(
    memory, table, tmp_path
):
    url = "memory://shared/place"
    words = [table, "--benefit", "higher"]
    assert called(*words, "--out", tmp_path / "here")[0] == 0
    code, said = called(*words, "--out", url)
    assert (code, f"written to {url}/pain-generic" in said) == (0, True)
    for place in (tmp_path / "here").rglob("*.*"):
        own = place.relative_to(tmp_path / "here")
        if own.suffix in (".json", ".csv"):
            assert memory.cat_file(f"/shared/place/{own.as_posix()}") == place.read_bytes()
        else:
            assert memory.exists(f"/shared/place/{own.as_posix()}")
    assert not [name for name in memory.find("/shared/place") if ".bayesrtw-" in name]
    memory.rm("/shared/place/work-generic/synthesis.json")
    code, said = called(*words, "--out", url, "--missing")
    assert (code, "1 of 2 analyses have results" in said) == (0, True)
    assert "pain-generic written" not in said
    assert memory.exists("/shared/place/work-generic/synthesis.json")


def test_what_tells_of_a_result_goes_first_and_comes_last(memory, tmp_path, monkeypatch):
    folder, done = tmp_path / "mine", []
    folder.mkdir()
    for name in ("synthesis.json", "estimates.csv", "posterior.nc"):
        (folder / name).write_text(name)
    place = SharedPlace("memory://shared")
    memory.pipe_file("/shared/mine/synthesis.json", b"old")
    memory.pipe_file("/shared/mine/forest-old.svg", b"old")
    for method in ("pipe_file", "rm_file"):
        kept = getattr(type(memory), method)

        def noted(self, path, *rest, kept=kept, method=method):
            done.append((method, path.rsplit("/", 1)[1]))
            return kept(self, path, *rest)

        monkeypatch.setattr(type(memory), method, noted)
    assert place.put(folder) == "memory://shared/mine"
    assert done == [
        ("rm_file", "synthesis.json"),
        ("rm_file", "forest-old.svg"),
        ("pipe_file", "estimates.csv"),
        ("pipe_file", "posterior.nc"),
        ("pipe_file", "synthesis.json"),
    ]
    assert place.present() == {"mine"}


def test_what_another_hand_left_is_not_replaced(memory, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "synthesis.json").write_text("{}")
    memory.pipe_file("/shared/mine/thesis.docx", b"years of work")
    with pytest.raises(OutputError, match=r"memory://shared/mine: holds 'thesis\.docx'"):
        SharedPlace("memory://shared").put(tmp_path / "mine")
    assert memory.cat_file("/shared/mine/thesis.docx") == b"years of work"


def test_a_place_that_is_none_is_one_line_before_anything_is_fitted(table):
    code, output = called(table, "--benefit", "higher", "--out", "nowhere://x/y")
    assert code != 0
    assert "nowhere://x/y: cannot be used (Protocol not known: nowhere)" in output
    assert "Traceback" not in output


def test_what_a_worker_gets_of_a_collection_gives_what_all_of_it_gives(table):
    evidence = read_source(table).evidence
    for analysis in default_analyses(evidence):
        own = run(analysis, evidence.select(**analysis.evidence.where))
        assert as_json(document(own)) == as_json(document(run(analysis, evidence)))
        assert len(json.loads(as_json(document(own)))["rows"]) == 4


@pytest.fixture
def bucket(monkeypatch):
    """An object store on this machine; ``uv run --with 'moto[server]' --with s3fs pytest -m slow``."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    files = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)
    files.mkdir("reviews")
    yield files
    server.stop()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_workers_of_a_cluster_write_to_an_object_store(bucket, table, tmp_path):
    distributed = pytest.importorskip("distributed")
    words = [table, "--benefit", "higher", "--out"]
    here = CliRunner().invoke(
        main, ["run", *map(str, words), str(tmp_path / "here"), "--jobs", "1"]
    )
    assert here.exit_code == 0
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=40
    ) as cluster:
        asked = ["run", *map(str, words), "s3://reviews/all", "--dask", cluster.scheduler_address]
        done = CliRunner().invoke(main, asked)
        assert done.exit_code == 0, done.output
        again = CliRunner().invoke(main, [*asked, "--missing"])
        assert "2 of 2 analyses have results in s3://reviews/all" in again.stderr
        nowhere = CliRunner().invoke(main, [*asked[:-3], "s3://no-such-bucket/x", *asked[-2:]])
    assert nowhere.exit_code != 0
    assert "--out s3://no-such-bucket/x: cannot be used" in nowhere.output + nowhere.stderr
    for name in ("pain-generic", "work-generic"):
        mine = (tmp_path / "here" / name / "synthesis.json").read_bytes()
        assert bucket.cat_file(f"reviews/all/{name}/synthesis.json") == mine
    assert bucket.exists("reviews/all/index.html")
    assert {path.rsplit("/", 1)[1] for path in bucket.find("reviews/all/pain-generic")} > {
        "estimates.csv",
        "posterior.nc",
        "report.html",
        "synthesis.json",
    }
