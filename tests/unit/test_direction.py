"""Which side is good is never assumed: where nobody says it, no format calls anything a benefit."""

import html
import io
import json
import re
import zipfile
from dataclasses import replace

import pytest
from click.testing import CliRunner

import bayesrtw as brw
from bayesrtw.analysis.conclusion import conclude
from bayesrtw.analysis.default import default_analyses
from bayesrtw.analysis.run import run
from bayesrtw.cli import main
from bayesrtw.errors import EvidenceError, SpecError
from bayesrtw.report.record import record
from bayesrtw.report.render import render
from bayesrtw.report.text import headline

ODDS = (
    "study,effect,se,measure,year\nA,-0.3,0.1,{0},2001\nB,-0.1,0.12,{0},2004\nC,-0.6,0.2,{0},2009\n"
)

#: How a page says that nothing is said.
SILENT = re.compile(
    r"No direction of benefit was stated, so nothing is called a benefit; state it with --benefit higher "
    r"or lower \(benefit= in Python\), a column benefit, or a benefit of the \[\[outcome\]\] in a "
    r"dataset.toml\.|"
    r"nobody stated which side is a benefit|\"benefit\": null|\"programme\": \"treatment\"|\"harm\": \[\]"
)

#: What nobody may be told.
LOADED = re.compile(r".{0,60}(benefit|\bharm\b|favours|programme).{0,40}", re.IGNORECASE)


@pytest.fixture(scope="module")
def odds(tmp_path_factory):
    path = tmp_path_factory.mktemp("odds") / "odds.csv"
    path.write_text(ODDS.format("log_odds_ratio"), encoding="utf-8")
    return path


def words(text):
    """What a person reads of a page, of its pictures and of the record: without style, script and ids."""
    text = re.sub(
        r"<style.*?</style>|<script(?! type=.application/json).*?</script>", " ", text, flags=re.S
    )
    plain = html.unescape(re.sub(r"<[^>]*>", " ", text)).replace("\\", "")
    return SILENT.sub(" ", " ".join(plain.split()))


def test_no_format_calls_anything_a_benefit_where_nobody_said_what_one_is(odds, tmp_path):
    result = CliRunner().invoke(main, ["run", "--evidence", str(odds), "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "P(below 1) = 0.94, P(above 1) = 0.06" in result.output
    found = json.loads((tmp_path / "effect" / "synthesis.json").read_text(encoding="utf-8"))
    assert (found["benefit"], found["conclusion"], found["event"]) == (None, None, "P(above 1)")
    assert found["sides"] == ["lower", "higher"]
    texts = [
        result.output,
        *(
            path.read_text(encoding="utf-8")
            for path in tmp_path.rglob("*")
            if path.suffix in (".html", ".json", ".csv", ".svg", ".md")
        ),
    ]
    evidence = brw.open_dataset(odds)
    synthesis = run(default_analyses(evidence)[0], evidence)
    content = record(synthesis)
    texts.append(render(synthesis, content, "md").decode())
    with zipfile.ZipFile(io.BytesIO(render(synthesis, content, "docx"))) as word:
        texts.append(word.read("word/document.xml").decode())
    for text in texts:
        assert [each.group(0) for each in LOADED.finditer(words(text))] == []
    assert all("P(above 1)" in words(text) for text in texts[-2:])


def test_what_is_stated_is_said_as_before(odds):
    evidence = brw.open_dataset(odds, benefit="lower")
    content = record(run(default_analyses(evidence)[0], evidence))
    assert (content["benefit"], content["event"]) == ("lower", "P(benefit)")
    assert content["sides"] == ["favours treatment", "favours comparison"]
    assert content["estimates"]["mu"]["probability"] == pytest.approx(0.94, abs=0.005)
    assert content["conclusion"] == "probably a benefit"


def test_alternatives_name_the_event_and_no_class(odds):
    evidence = brw.open_dataset(odds)
    analysis = default_analyses(evidence)[0]
    panel = brw.sensitivity(analysis, evidence)
    assert panel.event == "P(above 1)"
    assert re.fullmatch(
        r"In \d+ specifications P\(above 1\) lies between <?0.01 and 0.17; "
        r"in the analysis itself it is 0.06\.",
        panel.robustness,
    )
    assert not any("class" in heading or "one more trial" in heading for heading in panel.questions)
    for ask in (
        lambda: brw.outlook(analysis.model, evidence),
        lambda: brw.ladder(analysis, evidence),
        lambda: conclude(run(analysis, evidence).posterior, analysis.conclusion),
    ):
        with pytest.raises(SpecError, match="state it with --benefit higher or lower"):
            ask()
    with pytest.raises(
        EvidenceError, match=r"is a benefit of 0\.1, and no direction of benefit is stated"
    ):
        run(replace(analysis, conclusion=replace(analysis.conclusion, threshold=0.1)), evidence)


def test_a_measure_of_a_single_group_has_no_good_side(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("study,events,n\nA,12,120\nB,8,85\nC,0,60\nD,30,210\n", encoding="utf-8")
    evidence = brw.open_dataset(path, benefit="lower")
    content = record(run(default_analyses(evidence)[0], evidence))
    assert (content["benefit"], content["event"], content["conclusion"]) == (None, "", None)
    assert content["estimates"]["mu"]["probability"] is None
    assert all(
        row["probability"] is None
        for table in content["sensitivity"]["tables"].values()
        for row in table
    )
    assert "the pooled proportion lies between 0.07" in content["sensitivity"]["robustness"]


def test_a_data_set_has_words_for_both_sides(tmp_path):
    folder = tmp_path / "drug"
    folder.mkdir()
    (folder / "studies.csv").write_text("study\nA\nB\nC\n", encoding="utf-8")
    rows = "\n".join(
        f"{study},relapse,{effect},0.2,log_odds_ratio"
        for study, effect in zip("ABC", (-0.3, -0.1, -0.5), strict=True)
    )
    (folder / "results.csv").write_text(
        f"study,outcome,effect,se,measure\n{rows}\n", encoding="utf-8"
    )
    head = 'schema = 1\nid = "drug"\nversion = 1\ntitle = "T"\n[source]\ncitation = "C"\n'
    said = '[words]\nprogramme = "drug"\ncomparison = "placebo"\n'
    outcome = '[[outcome]]\nname = "relapse"\ntitle = "Relapse"\n'

    def sides(more):
        (folder / "dataset.toml").write_text(head + said + outcome + more, encoding="utf-8")
        evidence = brw.open_dataset(folder)
        return evidence.benefit, evidence.direction.sides, evidence.provenance.programme

    assert sides('benefit = "lower"\n') == ("lower", ("favours drug", "favours placebo"), "drug")
    assert sides("") == ("", ("lower", "higher"), "drug")
    own = 'below = "Fewer relapses"\nabove = "More relapses"\n'
    assert sides(own) == ("", ("Fewer relapses", "More relapses"), "drug")


def test_revmans_labels_of_the_two_sides_are_used_and_kept_in_a_folder(tmp_path):
    imported = brw.open_dataset("tests/formats/Fleiss1993.rm5")
    outcome = imported.outcome_names[0]
    sides = ("Favours experimental", "Favours control")
    assert imported.select(outcome=outcome).direction.sides == sides
    content = record(run(default_analyses(imported)[0], imported), alternatives=False)
    assert content["sides"] == list(sides)
    CliRunner().invoke(
        main, ["import", "tests/formats/Fleiss1993.rm5", "--to", str(tmp_path / "f")]
    )
    assert brw.open_dataset(tmp_path / "f").select(outcome=outcome).direction.sides == sides


def test_small_proportions_have_digits(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("study,events,n\nA,1,900\nB,2,1500\nC,1,700\nD,0,800\n", encoding="utf-8")
    evidence = brw.open_dataset(path)
    said = headline(run(default_analyses(evidence)[0], evidence))
    assert re.search(r"pooled proportion 0\.00\d\d \(0\.00\d\d to 0\.0\d\d\d\)", said)
