"""Parts of arms: what is read of a data set folder, what evidence gets of it, and every fault by name."""

import pytest

import bayesrtw as brw
from bayesrtw.doubt.inspect import inspect
from bayesrtw.errors import EvidenceError
from bayesrtw.evidence.coding import ARMS, NOTHING, PLUS
from bayesrtw.evidence.combine import combine
from bayesrtw.reading.read import read_folder

TOML = """
schema = 1
id = "trials"
version = 1
title = "Some trials"

[source]
citation = "Nobody 2020"

[coding]
coder = "one person"
coded = 2026-11-29
rules = ["what a text does not say is unclear"]

[[part]]
name = "meeting"
title = "Meeting"
counts = "worker and employer meet"

[[part]]
name = "exercise"
title = "Exercise"

[[part]]
name = "advice"
title = "Advice"

[[outcome]]
name = "at_work"
title = "at work"
benefit = "higher"
"""
STUDIES = "study\na2001\nb2002\n"
RESULTS = (
    "result,study,contrast,outcome,effect,se\n"
    "r1,a2001,meeting vs none,at_work,0.1,0.2\n"
    "r2,a2001,exercise vs none,at_work,0.2,0.2\n"
    "r3,b2002,advice vs none,at_work,0.3,0.2\n"
)
HEAD = "study,contrast,arm,code,parts,where,words\n"
CODES = (
    "a2001,meeting vs none,experimental,yes,meeting;advice,abstract,they meet and are advised\n"
    "a2001,exercise vs none,experimental,yes,exercise,abstract,they train\n"
    "a2001,,control,no,meeting;exercise,abstract,nothing of that\n"
    "b2002,,experimental,no,meeting,abstract,a leaflet\n"
    "b2002,,control,no,meeting;exercise,abstract,nothing of that\n"
)


def folder(tmp_path, codes=CODES, *, toml=TOML, results=RESULTS, head=HEAD):
    path = tmp_path / "trials"
    path.mkdir()
    files = {
        "dataset.toml": toml,
        "studies.csv": STUDIES,
        "results.csv": results,
        "components.csv": head + codes,
    }
    for name, text in files.items():
        (path / name).write_text(text, encoding="utf-8")
    return path


def messages(path):
    with pytest.raises(EvidenceError) as caught:
        read_folder(path)
    return [fault.message for fault in caught.value.faults]


def test_evidence_has_the_parts_of_both_arms_and_those_that_are_unclear(tmp_path):
    data = read_folder(folder(tmp_path)).data
    assert data["parts_t"].to_numpy().tolist() == ["meeting + advice", "exercise", "none"]
    assert data["parts_c"].to_numpy().tolist() == ["none", "none", "none"]
    assert data["parts_t_unclear"].to_numpy().tolist() == [
        "exercise",
        "meeting + advice",
        "exercise + advice",
    ]
    assert data["parts_c_unclear"].to_numpy().tolist() == ["advice", "advice", "advice"]
    # unclear in one arm alone: the difference is not known
    assert data["parts_open"].to_numpy().tolist() == ["exercise + advice", "meeting", "exercise"]


def test_silence_is_unclear_and_never_no(tmp_path):
    coding = read_folder(folder(tmp_path)).coding
    assert coding.of("b2002", "advice vs none", "experimental") == {
        "meeting": "no",
        "exercise": "unclear",
        "advice": "unclear",
    }
    assert set(coding.of("nobody", "", "control").values()) == {"unclear"}


def test_every_code_keeps_its_place_and_its_coder(tmp_path):
    coding = read_folder(folder(tmp_path)).coding
    (said,) = coding.said("a2001", "exercise vs none", "experimental")
    assert (said.parts, said.where, said.words) == (("exercise",), "abstract", "they train")
    assert (coding.coder, coding.coded) == ("one person", "2026-11-29")
    assert coding.rules == ("what a text does not say is unclear",)


def test_a_selection_keeps_codes_and_columns(tmp_path):
    chosen = read_folder(folder(tmp_path)).select(study=["b2002"])
    assert chosen.data["parts_t"].to_numpy().tolist() == ["none"]
    assert len(chosen.coding.statements) == 5


def test_joined_evidence_has_the_codes_of_both(tmp_path):
    coded, plain = read_folder(folder(tmp_path)), brw.open_dataset("cancer-rtw")
    for both in (combine(coded, plain), combine(plain, coded)):
        assert both.coding.statements == coded.coding.statements
        assert both.coding.coder == "one person"


def test_a_data_set_without_codes_has_no_such_columns(tmp_path):
    path = folder(tmp_path)
    (path / "components.csv").unlink()
    evidence = read_folder(path)
    assert not evidence.coding.parts
    assert not [name for name in evidence.data.data_vars if str(name).startswith("parts_")]


WHERE = "trials/components.csv: row 2 (study='a2001'): "


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "a2001,,control,no,meetings,abstract,words\n",
            WHERE
            + "parts is 'meetings'; did you mean 'meeting'? Choices: advice, exercise, meeting.",
        ),
        (
            "a2001,,control,maybe,meeting,abstract,words\n",
            WHERE + "code is 'maybe'; choices: no, unclear, yes.",
        ),
        (
            "a2001,,treated,no,meeting,abstract,words\n",
            WHERE + "arm is 'treated'; choices: control, experimental.",
        ),
        (
            "a2001,,control,no,meeting,,words\n",
            WHERE + "where is ''; must not be empty: a code says where it was read, and what was.",
        ),
        (
            "a2001,,control,no,meeting,abstract,\n",
            WHERE + "words is ''; must not be empty: a code says where it was read, and what was.",
        ),
        (
            "a2001,rest vs none,control,no,meeting,abstract,words\n",
            WHERE + "contrast is 'rest vs none'; the results of 'a2001' have 'exercise vs none', "
            "'meeting vs none'.",
        ),
        (
            "a201,,control,no,meeting,abstract,words\n",
            "trials/components.csv: row 2 (study='a201'): study is 'a201'; it is not in studies.csv; "
            "did you mean 'a2001'?.",
        ),
    ],
)
def test_what_is_wrong_with_a_statement_is_named(tmp_path, row, message):
    (found,) = messages(folder(tmp_path, row))
    assert found.lower() == message.lower()


@pytest.mark.parametrize(
    "second",
    [
        "a2001,,control,yes,advice;meeting,abstract,words\n",
        "a2001,meeting vs none,control,no,meeting,abstract,words\n",
    ],
)
def test_a_part_of_an_arm_is_coded_once(tmp_path, second):
    (found,) = messages(folder(tmp_path, "a2001,,control,no,meeting,abstract,words\n" + second))
    assert found == (
        "trials/components.csv: row 3 (study='a2001'): codes 'meeting' of this arm, as row 2 does; code "
        "a part of an arm once."
    )


def test_columns_and_declared_parts_are_asked_for(tmp_path):
    path = folder(tmp_path, "a2001,control,no,meeting\n", head="study,arm,code,parts\n")
    assert [each.split(";")[0] for each in messages(path)] == [
        f"trials/components.csv: column {name!r} is missing"
        for name in ("contrast", "where", "words")
    ]


def test_codes_without_declared_parts_are_a_fault(tmp_path):
    start, end = TOML.index("[[part]]"), TOML.index("[[outcome]]")
    path = folder(tmp_path, toml=TOML[:start] + TOML[end:])
    assert messages(path) == [
        "trials/components.csv: no part is declared; declare each as [[part]] in dataset.toml."
    ]


def test_columns_of_these_names_in_the_results_are_a_fault(tmp_path):
    results = RESULTS.replace("outcome,", "parts_t,outcome,").replace(
        "none,at_work", "none,x,at_work"
    )
    (found,) = messages(folder(tmp_path, results=results))
    assert "columns 'parts_t' stand in trials/results.csv, and follow from" in found


def test_arms_that_are_alike_are_a_doubt(tmp_path):
    (doubt,) = [each for each in inspect(folder(tmp_path)).doubts if each.rule == "arms-alike"]
    assert (doubt.severity, doubt.file) == ("doubt", "trials/components.csv")
    assert doubt.message == (
        "trials/components.csv: both arms of 1 contrast have the same parts (b2002); what differs is no "
        "part that was looked for, or unclear: read the source again, or leave them out where parts are "
        "compared."
    )


def test_a_faulty_statement_is_left_out_and_the_results_stay(tmp_path):
    path = folder(tmp_path, CODES + "b2002,,experimental,yes,adviice,abstract,words\n")
    evidence = read_folder(path, strict=False)
    assert evidence.size == 3
    assert len(evidence.coding.statements) == 5


def test_every_study_of_the_shipped_trials_has_codes_for_both_arms_with_their_place():
    evidence = brw.open_dataset("rtw-trials")
    coding = evidence.coding
    assert len(coding.parts) == 12
    studies = set(evidence.data["study"].to_numpy())
    coded = {(each.study, each.arm) for each in coding.statements}
    # nothing could be read of two groups of studies in another review's table
    silent = {study for study in studies if not {(study, arm) for arm in ARMS} <= coded}
    assert silent <= {"brouwers2006", "vanderklink_ps", "capone_oem"}
    for name in ("parts_t", "parts_c"):
        cells = set(evidence.data[name].to_numpy())
        known = {part.name for part in coding.parts} | {NOTHING}
        assert {part for cell in cells for part in cell.split(PLUS)} <= known
