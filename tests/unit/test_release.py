"""What a release is made of says the same everywhere, and names no place that is not needed."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_every_file_names_the_same_version_licence_and_words():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    meta = json.loads((ROOT / "codemeta.json").read_text("utf-8"))
    assert cited["version"] == meta["version"] == PROJECT["version"]
    pinned = yaml.safe_load((ROOT / "docs" / "examples" / "living-review.yml").read_text("utf-8"))
    assert f"bayesrtw=={PROJECT['version']}" in str(pinned["jobs"])
    assert cited["license"] == PROJECT["license"] == meta["license"].rsplit("/", 1)[1]
    assert meta["description"] == PROJECT["description"]
    names = [each["name"] for each in cited["authors"]]
    assert names == [each["name"] for each in PROJECT["authors"]]
    assert names == [each["name"] for each in meta["author"]]


def test_the_paper_cites_what_its_list_has_and_nothing_else():
    text = (ROOT / "paper" / "paper.md").read_text("utf-8")
    front = yaml.safe_load(text.split("---")[1])
    assert [each["name"] for each in front["authors"]] == ["The bayesrtw developers"]
    listed = re.findall(
        r"^@\w+\{(\w+),", (ROOT / "paper" / front["bibliography"]).read_text("utf-8"), re.M
    )
    assert set(re.findall(r"@([a-z]+\d{4})", text)) == set(listed)
    assert len(listed) == len(set(listed))
    headings = re.findall(r"^# (.+)$", text, re.M)
    wanted = (
        "Summary/Statement of need/State of the field/Software design/Research impact statement"
    )
    assert headings == [*wanted.split("/"), "AI usage disclosure", "Acknowledgements", "References"]
    assert 750 <= len(text.split("---", 2)[2].split()) <= 1750


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda p: p.stem
)
def test_workflows_read_alone_and_run_what_developers_run(path):
    text = path.read_text("utf-8")
    flow = yaml.safe_load(text)
    assert flow["permissions"] == {"contents": "read"}
    assert "://" not in text
    steps = [step.get("run", "") for job in flow["jobs"].values() for step in job["steps"]]
    for step in steps:
        for script in re.findall(r"\.ci/\w+", step):
            assert (ROOT / script).stat().st_mode & 0o100
    if path.stem == "tests":
        assert ".ci/run" in steps


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda p: p.stem
)
def test_issue_forms_ask_in_fields(path):
    form = yaml.safe_load(path.read_text("utf-8"))
    if path.stem == "config":
        assert form == {"blank_issues_enabled": False}
        return
    assert form.keys() == {"name", "description", "labels", "body"}
    fields = form["body"]
    assert {field["type"] for field in fields} <= {"input", "textarea"}
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_a_release_is_refused_where_the_version_is_another(tmp_path):
    copy = tmp_path / "copy"
    subprocess.run(["git", "init", "-q", str(copy)], check=True)
    for name in (".ci/release", "pyproject.toml", "CITATION.cff", "codemeta.json", "CHANGELOG.md"):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    (copy / ".ci" / "release").chmod(0o755)

    def said(*words):
        found = subprocess.run(
            [".ci/release", *words], cwd=copy, capture_output=True, text=True, check=False
        )
        assert found.returncode == 1
        return found.stderr

    assert "no version is given" in said()
    assert "files are changed that no commit holds" in said("9.9.9")
    git = ["git", "-C", str(copy), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
    assert "pyproject.toml has another version than 9.9.9" in said("--check", "9.9.9")
