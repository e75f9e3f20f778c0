"""Reading CSV files and data set folders: what is accepted, and every fault in one error."""

import hashlib

import numpy as np
import pytest

from bayesrtw.errors import EvidenceError
from bayesrtw.reading.read import read_csv, read_folder

HEAD = "study,effect,se\n"

TOML = """
schema = 1
id = "trials"
version = 2
title = "Some trials"
caveat = "Made up."

[source]
citation = "Nobody 2020"
doi = "10.1000/x"
licence = "CC0"
retrieved = 2026-11-22
limits = ["one"]

[[outcome]]
name = "at_work"
title = "at work"
benefit = "higher"
"""
STUDIES = "study,label,year,design\na2001,A 2001,2001,rct\nb2002,B 2002,2002,cohort\n"
RESULTS = "study,outcome,reported,estimate,ci_low,ci_high\na2001,at_work,risk_ratio,2,1,4\n"


def field(name, rule="", file="results.csv"):
    return f'\n[[field]]\nfile = "{file}"\nname = "{name}"\n{rule}\n'


#: Declarations of every column of RESULTS.
DECLARED = "".join(map(field, RESULTS.split("\n", 1)[0].split(",")))


def csv(tmp_path, content):
    path = tmp_path / "my.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_csv(path)


def folder(tmp_path, *, toml=TOML, studies=STUDIES, results=RESULTS):
    path = tmp_path / "trials"
    path.mkdir()
    for name, text in (("dataset.toml", toml), ("studies.csv", studies), ("results.csv", results)):
        if text is not None:
            (path / name).write_text(text, encoding="utf-8")
    return read_folder(path)


def faults(read, tmp_path, *args, **kwargs):
    with pytest.raises(EvidenceError) as caught:
        read(tmp_path, *args, **kwargs)
    return str(caught.value)


def test_a_flat_file_becomes_evidence_in_its_order(tmp_path):
    text = "study,effect,se,country,year\nB,0.3,0.1,NL,2001\nA,-0.1,0.2,NO,\n"
    found = csv(tmp_path, text)
    assert found.data["study"].to_numpy().tolist() == ["B", "A"]
    np.testing.assert_array_equal(found.data["effect"], [0.3, -0.1])
    np.testing.assert_array_equal(found.data["se"], [0.1, 0.2])
    assert found.data["country"].to_numpy().tolist() == ["NL", "NO"]
    np.testing.assert_array_equal(found.data["year"], [2001.0, np.nan])
    assert found.provenance.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_a_flat_file_that_states_no_direction_has_none(tmp_path):
    found = csv(tmp_path, HEAD + "A,0.1,0.2\n")
    assert found.benefit == ""
    assert found.provenance.limits[0].startswith(
        "No direction of benefit was stated, so nothing is called a benefit; state it with --benefit"
    )


def test_a_flat_file_may_state_the_direction_of_each_outcome(tmp_path):
    text = (
        "study,outcome,benefit,effect,se\nA,days,lower,1,1\nB,work,higher,1,1\nC,days,lower,2,1\n"
    )
    found = csv(tmp_path, text)
    assert {name: o.benefit for name, o in found.outcomes.items()} == {
        "days": "lower",
        "work": "higher",
    }
    assert found.provenance.limits == ()


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + HEAD.encode() + b"A,0.1,0.2\n",
        b"study,effect,se\r\nA,0.1,0.2\r\n",
        b"study,effect,se\rA,0.1,0.2\r",
        b"study,effect,se\n\n  A , 0.1 ,0.2\n,,\n\n",
        b'study,"effect","se"\n"A","0.1","0.2"',
        b"study,effect,se\nA,1e-1,+.2\n",
    ],
    ids=["byte order mark", "CRLF", "CR", "blank lines and spaces", "quotes", "exponents"],
)
def test_spreadsheets_ways_of_writing_csv_are_accepted(tmp_path, content):
    found = csv(tmp_path, content)
    assert found.data["study"].to_numpy().tolist() == ["A"]
    assert (float(found.data["effect"][0]), float(found.data["se"][0])) == (0.1, 0.2)


def test_a_quoted_cell_may_hold_commas_and_line_breaks(tmp_path):
    found = csv(tmp_path, 'study,effect,se,note\n"A, 2001",0.1,0.2,"one\ntwo"\nB,0.1,0.3,\n')
    assert found.data["study"].to_numpy().tolist() == ["A, 2001", "B"]
    assert found.data["note"].to_numpy().tolist() == ["one\ntwo", ""]


def test_a_line_separator_inside_a_cell_is_no_new_row(tmp_path):
    found = csv(tmp_path, HEAD + "A\u2028B\x0cC,1,1\n")
    assert found.data["study"].to_numpy().tolist() == ["A B C"]


def test_empty_columns_at_the_end_are_no_columns(tmp_path):
    found = csv(tmp_path, "study,effect,se,,\nA,1,1,,\nB,2,1\n")
    assert found.data["study"].to_numpy().tolist() == ["A", "B"]
    assert "" not in found.data


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "my.csv: is empty; give a header row and one row a result."),
        (b"\n\n , \n", "my.csv: is empty; give a header row and one row a result."),
        (HEAD.encode(), "my.csv: has a header and no rows; give one row a result."),
        (b"study,effect,se\nA\0,1,1\n", "my.csv: holds a NUL character; save it as plain CSV."),
        (
            b"study,effect,se,se\nA,1,1,1\n",
            "my.csv: columns 'se' stand twice in the header; name every column, each once.",
        ),
        (
            b"study,,effect,se\nA,x,1,1\n",
            "my.csv: a column has no name in the header; name every column, each once.",
        ),
        (
            b"study,effect,se,,\nA,1,1,,2\n",
            "my.csv: a column has no name in the header; name every column, each once.",
        ),
        (b'study,effect,se\n"A,1,1\n', "my.csv: is not CSV: unexpected end of data; save it as"),
        (
            b"study,effect,se\n" + b"A" * 140_000 + b",1,1\n",
            "my.csv: is not CSV: field larger than field limit (131072); save it as",
        ),
        (
            b"study,effect,se\nA,1\n",
            "my.csv: row 2: has 2 cells; the header has 3; add the missing commas.",
        ),
        (
            b"study,effect,se\nA,1,1,1\n",
            "my.csv: row 2: has 4 cells; the header has 3; quote cells that hold commas.",
        ),
        (
            b"study,value\nA,1\n",
            "my.csv: no column holds a result; found 'study', 'value'; give effect and se, or "
            "estimate with ci_low and ci_high, or counts (events_t, n_t, events_c, n_c), or means",
        ),
        (
            b"study,effect,se\nA,0.1,0.2\nB,abc,0.2\n",
            "my.csv: row 3 (study='B'): effect must be a number; found 'abc'; write a decimal "
            "number or leave the cell empty.",
        ),
        (
            b"study,effect,se\nA,0.1,0\n",
            "my.csv: row 2 (study='A'): se must be positive; found 0; leave the cell empty where the "
            "source gives none.",
        ),
        (
            b"study,measure,effect,se\nA,log_hazard_rato,0.1,1\n",
            "my.csv: row 2 (study='A'): measure is 'log_hazard_rato'; did you mean "
            "'log_hazard_ratio'? Choices: ",
        ),
        (
            b"study,reversed,effect,se\nA,1,0.1,1\n",
            "my.csv: row 2 (study='A'): reversed is '1'; write yes, no or nothing.",
        ),
        (
            b"study,measure,estimate,ci_low,ci_high\nA,log_hazard_ratio,1.5,1.1,2\n",
            "my.csv: row 2 (study='A'): reported is empty and measure is 'log_hazard_ratio': the "
            "estimate may be a ratio or its logarithm; write reported=hazard_ratio or reported=log_",
        ),
        (
            b"study,estimate,p_value\nA,.5,5\n",
            "my.csv: row 2 (study='A'): p_value must lie between 0 and 1; found '5'; correct it",
        ),
        (
            b"study,effect,se\n,0.1,1\n",
            "my.csv: row 2: study must not be empty; give the study a name.",
        ),
        (
            b"study,reported,estimate,ci_low,ci_high\nA,hazard_ratio,1,2,0.5\n",
            "my.csv: row 2 (study='A'): ci_low must be less than ci_high; found ci_low=2, "
            "ci_high=0.5; swap them or correct them against the source.",
        ),
        (
            b"study,reported,estimate,ci_low,ci_high\nA,hazard_ratio,9,0.5,2\n",
            "my.csv: row 2 (study='A'): estimate must lie in its interval; found estimate=9, "
            "ci_low=0.5, ci_high=2; correct it against the source.",
        ),
        (
            b"study,outcome,benefit,effect,se\nA,work,up,1,1\n",
            "my.csv: row 2 (study='A'): benefit is 'up'; Choices: higher, lower.",
        ),
        (
            b"study,outcome,benefit,effect,se\nA,work,higher,1,1\nB,work,lower,1,1\n",
            "my.csv: benefit of outcome 'work' is 'lower' in row 3 and 'higher' before; give an "
            "outcome one direction.",
        ),
    ],
)
def test_a_fault_of_a_flat_file_is_named(tmp_path, content, message):
    assert message in faults(csv, tmp_path, content)


@pytest.mark.parametrize("cell", ["inf", "-inf", "1e400", "Infinity", "0x1p3", "1_000", "12 3"])
def test_what_is_not_a_finite_number_is_refused(tmp_path, cell):
    message = faults(csv, tmp_path, f"{HEAD}A,{cell},0.2\n")
    assert f"row 2 (study='A'): effect must be a number; found {cell!r}" in message


def test_a_repeated_row_is_named_with_its_study(tmp_path):
    message = faults(csv, tmp_path, HEAD + "A,0.10,0.2\nB,0.1,0.2\nA,0.1,.2\n")
    assert message == (
        "my.csv: row 4 (study='A'): repeats row 2; a result enters once: leave one out, or tell them "
        "apart in a column."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nA,1,1\n\nB,x,1\n", "row 5 (study='B'): effect must be a number; found 'x'"),
        ("\nA,1,1\n\nB,1,0\n", "row 5 (study='B'): se must be positive; found 0;"),
        ("\nA,1,1\n,,\nB,1\n", "row 5: has 2 cells; the header has 3;"),
        ('"A\nB",1,1\nC,1,1\nC,1,1\n', "row 5 (study='C'): repeats row 4;"),
    ],
)
def test_rows_are_called_by_their_line_in_the_file(tmp_path, text, message):
    assert message in faults(csv, tmp_path, HEAD + text)


def test_all_faults_of_a_flat_file_come_in_one_error(tmp_path):
    text = "study,measure,effect,se\nA,generic,x,1\nB,generik,1,1\nC,generic,1,-1\n"
    message = faults(csv, tmp_path, text)
    assert message.startswith("3 faults:\n  1. my.csv: row 2 (study='A'): effect must be a number")
    for number in (2, 3, 4):
        assert f"row {number} (study=" in message


def test_faults_of_every_stage_come_in_one_error(tmp_path):
    message = faults(csv, tmp_path, "studie,effect,se,outcome\nA,x,1,o\nB,1,1\nC,1,1,o,1\n")
    assert message.startswith("3 faults:")
    message = faults(csv, tmp_path, HEAD + "A,x,1\nB,1,0\nC,1,1,1\n")
    for part in (
        "3 faults:",
        "row 2 (study='A'): effect must be a number; found 'x'",
        "row 3 (study='B'): se must be positive; found 0;",
        "row 4: has 4 cells; the header has 3;",
    ):
        assert part in message


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(EvidenceError, match=r"none\.csv: cannot be read \(No such file or direct"):
        read_csv(tmp_path / "none.csv")


def test_a_folder_becomes_evidence_with_its_studies_columns(tmp_path):
    found = folder(tmp_path)
    assert found.size == 1
    assert str(found.data["label"].to_numpy()[0]) == "A 2001"
    assert float(found.data["year"][0]) == 2001.0
    np.testing.assert_allclose(found.data["effect"], np.log(2), rtol=1e-14)
    origin = found.provenance
    assert (origin.dataset, origin.version, origin.studies) == ("trials", 2, 2)
    assert (origin.citation, origin.licence, origin.retrieved) == (
        "Nobody 2020",
        "CC0",
        "2026-11-22",
    )
    assert origin.caveat == "Made up."
    assert origin.limits == ("one",)


def test_a_column_of_both_tables_keeps_the_results_and_prefixes_the_studys(tmp_path):
    results = RESULTS.replace("ci_high", "ci_high,note").replace(",4", ",4,of the result")
    studies = "study,note\na2001,of the study\n"
    found = folder(tmp_path, studies=studies, results=results)
    assert found.data["note"].to_numpy().tolist() == ["of the result"]
    assert found.data["study_note"].to_numpy().tolist() == ["of the study"]


def test_an_outcome_may_be_called_1(tmp_path):
    toml = TOML.replace('"at_work"', '"1"')
    found = folder(tmp_path, toml=toml, results=RESULTS.replace("at_work", "1"))
    assert found.outcome_names == ("1",)
    assert found.benefit == "higher"


def test_a_declared_hash_that_fits_is_accepted(tmp_path):
    digest = hashlib.sha256(RESULTS.encode()).hexdigest()
    assert folder(tmp_path, toml=f'{TOML}\n[files]\n"results.csv" = "{digest}"\n').size == 1


def test_a_declared_hash_that_does_not_fit_is_refused(tmp_path):
    message = faults(folder, tmp_path, toml=f'{TOML}\n[files]\n"results.csv" = "{"0" * 64}"\n')
    actual = hashlib.sha256(RESULTS.encode()).hexdigest()
    assert f"trials/results.csv: its SHA-256 is {actual}; dataset.toml declares 0000" in message
    assert (
        "a change of rows is a new version: raise version and write the new hash, or run" in message
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"toml": None}, "trials/dataset.toml: cannot be read (No such file or directory); check"),
        (
            {"results": None},
            "trials/results.csv: cannot be read (No such file or directory); check",
        ),
        ({"toml": "id ="}, "trials/dataset.toml: is not TOML: "),
        (
            {"toml": TOML.replace('"trials"', '"trails"')},
            "trials/dataset.toml: id is 'trails'; the folder is called 'trials'; make them equal.",
        ),
        (
            {"toml": TOML.replace("caveat", "caveats")},
            "trials/dataset.toml: caveats is not known; did you mean 'caveat'? Choices: caveat, coding",
        ),
        (
            {"toml": TOML.replace("licence", "license")},
            "license is not known; did you mean 'licence'? Choices: citation, doi, known_disag",
        ),
        (
            {"toml": TOML.replace("version = 2", "")},
            "trials/dataset.toml: version is missing; add it.",
        ),
        (
            {"toml": TOML.replace("schema = 1", "schema = 2")},
            "trials/dataset.toml: schema is 2; this version reads schema 1.",
        ),
        (
            {"toml": TOML.replace('"higher"', '"up"')},
            "trials/dataset.toml: outcome[0].benefit is 'up'; Choices: higher, lower.",
        ),
        (
            {"toml": TOML + field("study", 'type = "numbrx"')},
            "field[0].type is 'numbrx'; did you mean 'number'? Choices: integer, number, string.",
        ),
        (
            {"results": RESULTS.replace("at_work,", "at_wrk,")},
            "trials/results.csv: row 2 (study='a2001'): outcome 'at_wrk' has no [[outcome]] in "
            "dataset.toml; did you mean 'at_work'? Choices: at_work.",
        ),
        (
            {"results": RESULTS.replace("a2001", "a2011")},
            "trials/results.csv: row 2 (study='a2011'): study 'a2011' is not in trials/studies.csv; did you "
            "mean 'a2001'? Choices: a2001, b2002.",
        ),
        (
            {"results": RESULTS.replace("outcome", "outcom")},
            "trials/results.csv: column 'outcome' is missing; did you mean 'outcom'? Choices:",
        ),
        (
            {"studies": STUDIES.replace("study", "id", 1)},
            "trials/studies.csv: column 'study' is missing; ",
        ),
        (
            {
                "toml": TOML + DECLARED,
                "results": RESULTS.replace("\n", ",x\n", 1).replace("4", "4,1"),
            },
            "trials/results.csv: column 'x' is not declared in dataset.toml; ",
        ),
        (
            {"toml": TOML + DECLARED + field("se")},
            "trials/results.csv: column 'se' is missing; add it or its declaration.",
        ),
        (
            {
                "toml": TOML
                + DECLARED.replace('"reported"\n', '"reported"\nenum = ["risk_ratio", "counts"]\n'),
                "results": RESULTS.replace("risk_ratio", "risk_rato"),
            },
            "trials/results.csv: row 2 (study='a2001'): reported: found 'risk_rato'; did you mean "
            "'risk_ratio'? Choices: counts, risk_ratio.",
        ),
        (
            {
                "toml": TOML
                + DECLARED.replace(
                    '"reported"\n', '"reported"\nwords = ["risk_ratio", "counts"]\n'
                ),
                "results": RESULTS.replace("risk_ratio", "counts;risk_rato"),
            },
            "trials/results.csv: row 2 (study='a2001'): reported: found 'counts;risk_rato'; "
            "'risk_rato' is not a word of the list; did you mean 'risk_ratio'? Choices: counts, "
            "risk_ratio.",
        ),
        (
            {
                "toml": TOML
                + DECLARED.replace(
                    '"reported"\n', '"reported"\nwords = ["risk_ratio", "counts"]\n'
                ),
                "results": RESULTS.replace("risk_ratio", "counts;counts"),
            },
            "trials/results.csv: row 2 (study='a2001'): reported: found 'counts;counts'; 'counts' "
            "stands twice; name it once.",
        ),
        (
            {
                "toml": TOML + DECLARED.replace('"ci_low"\n', '"ci_low"\nrequired = true\n'),
                "results": RESULTS.replace(",1,", ",,"),
            },
            "trials/results.csv: row 2 (study='a2001'): ci_low: found ''; must not be empty.",
        ),
        (
            {
                "toml": TOML
                + DECLARED.replace('"ci_low"\n', '"ci_low"\ntype = "number"\nminimum = 2\n')
            },
            "trials/results.csv: row 2 (study='a2001'): ci_low: found '1'; must lie between 2 and",
        ),
        (
            {
                "toml": TOML + DECLARED.replace('"ci_low"\n', '"ci_low"\ntype = "integer"\n'),
                "results": RESULTS.replace(",1,", ",1.5,"),
            },
            "trials/results.csv: row 2 (study='a2001'): ci_low: found '1.5'; must be a whole",
        ),
        (
            {
                "toml": TOML
                + "".join(
                    field(name, "unique = true" if name == "study" else "", "studies.csv")
                    for name in ("study", "label", "year", "design")
                ),
                "studies": STUDIES + "a2001,A,1999,rct\n",
            },
            "trials/studies.csv: row 4 (study='a2001'): study: found 'a2001'; must be unique.",
        ),
        (
            {"studies": STUDIES + "a2001,A,1999,rct\n"},
            "studies.csv: rows 2 and 4 (study='a2001'): study 'a2001' stands twice; a study has one",
        ),
        (
            {"studies": STUDIES.split("\n", 1)[0] + "\n"},
            "trials/studies.csv: has a header and no rows; give one row a result.",
        ),
        (
            {"studies": "study,ci_low,measure\na2001,99,zz\n"},
            "trials/studies.csv: columns 'ci_low', 'measure' stand in trials/results.csv too; rename",
        ),
        (
            {"toml": TOML.replace("[[outcome]]", "[outcome]")},
            "trials/dataset.toml: outcome must be a list; found {'name': 'at_",
        ),
        (
            {"toml": 'outcome = "x"\n' + TOML.split("[[outcome]]", maxsplit=1)[0]},
            "trials/dataset.toml: outcome must be a list; found 'x'.",
        ),
        (
            {"toml": "outcome = [1]\n" + TOML.split("[[outcome]]", maxsplit=1)[0]},
            "trials/dataset.toml: outcome[0] must be a table; found 1.",
        ),
        (
            {"toml": TOML + '[[outcome]]\nname = "at_work"\ntitle = "P"\nbenefit = "lower"\n'},
            "trials/dataset.toml: outcomes 'at_work' stand twice; leave one out.",
        ),
        (
            {"toml": TOML.replace('name = "at_work"', "")},
            "trials/dataset.toml: outcome[0].name is missing; add it.",
        ),
        (
            {"toml": 'files = "x"\n' + TOML},
            "trials/dataset.toml: files must be a table; found 'x'.",
        ),
        (
            {"toml": TOML + '[files]\n"result.csv" = "00"\n'},
            "trials/dataset.toml: files.result.csv is not known; did you mean 'results.csv'? Choices:",
        ),
        (
            {"toml": "field = [1]\n" + TOML},
            "trials/dataset.toml: field[0] must be a table; found 1.",
        ),
        (
            {"toml": TOML + '[[field]]\nfile = "results.csv"\n'},
            "trials/dataset.toml: field[0].name is missing; add it.",
        ),
        (
            {"toml": TOML + field("study", 'type = ["x"]')},
            "trials/dataset.toml: field[0].type is ['x']; Choices: integer, number, string.",
        ),
        (
            {"toml": TOML + field("study", 'type = "number"\nminimum = "0"')},
            "trials/dataset.toml: field[0].minimum must be a finite number; found '0'.",
        ),
        (
            {"toml": TOML + field("study", "enum = 3")},
            "trials/dataset.toml: field[0].enum must be a list; found 3.",
        ),
        (
            {"toml": TOML.replace("version = 2", 'version = "two"')},
            "trials/dataset.toml: version must be a whole number; found 'two'.",
        ),
        (
            {"toml": TOML.replace("version = 2", "version = true")},
            "trials/dataset.toml: version must be a whole number; found True.",
        ),
        (
            {"toml": TOML.replace('limits = ["one"]', 'known_disagreements = "abc"')},
            "trials/dataset.toml: source.known_disagreements must be a list; found 'abc'",
        ),
        (
            {"toml": TOML + "unit = 5\n"},
            "trials/dataset.toml: outcome[0].unit must be text; found 5.",
        ),
    ],
)
def test_a_fault_of_a_folder_is_named(tmp_path, change, message):
    assert message in faults(folder, tmp_path, **change)


def test_all_faults_of_the_tables_come_in_one_error(tmp_path):
    results = RESULTS + "c,at_work,risk_ratio,1,x,2\na2001,work,risk_ratio,-1,,\n"
    message = faults(folder, tmp_path, results=results)
    for part in (
        "row 3 (study='c'): ci_low must be a number; found 'x'",
        "estimate of a ratio must be positive; found -1;",
        "row 4 (study='a2001'): outcome 'work' has no [[outcome]]",
        "study 'c' is not in trials/studies.csv",
    ):
        assert part in message
