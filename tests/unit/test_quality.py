"""Risk of bias: instruments keep their words, what is missing stays missing, faults name their cell."""

import pytest

from bayesrtw.analysis.catalog import open_dataset
from bayesrtw.errors import EvidenceError, Faults
from bayesrtw.evidence.cells import read_table
from bayesrtw.evidence.quality import (
    INSTRUMENTS,
    Judgement,
    Judgements,
    contradictions,
    listed,
    read_judgements,
)

HEAD = "study,instrument,version,domain,judgement,assessor,assessed,source\n"
STUDIES = ("a2001", "b2002", "c2003")


def read(text, head=HEAD):
    faults = Faults(EvidenceError)
    table = read_table((head + text).encode(), "d/risk_of_bias.csv", faults)
    return read_judgements(table, STUDIES, faults), faults.messages


def judgement(domain, word, study="a2001", instrument="RoB 2", version="2019", assessor="AB"):
    return Judgement(study, instrument, version, domain, word, assessor)


@pytest.mark.parametrize(
    ("name", "version", "domains", "words"),
    [
        ("RoB 2", "2019", 6, {"low", "some_concerns", "high"}),
        ("ROBINS-I", "2016", 8, {"low", "moderate", "serious", "critical", "no_information"}),
        (
            "ROBINS-I",
            "2025",
            7,
            {"low", "low_except_confounding", "moderate", "serious", "critical"},
        ),
    ],
)
def test_an_instrument_has_the_domains_and_words_of_its_source(name, version, domains, words):
    found = listed(name, version)
    assert found in INSTRUMENTS
    assert len(found.domains) == domains
    assert {word for allowed in found.domains.values() for word in allowed} == words
    assert found.source


def test_version_two_of_robins_i_dropped_deviations_and_no_information():
    old, new = listed("ROBINS-I", "2016"), listed("ROBINS-I", "2025")
    assert set(old.domains) - set(new.domains) == {"deviations"}
    assert "low_except_confounding" in new.domains["confounding"]
    assert "low_except_confounding" not in new.domains["measurement"]


def test_judgements_are_read_with_who_and_when():
    found, faults = read("a2001,RoB 2,2019,overall,some_concerns,AB,2026-11-22,Table 2\n")
    assert faults == []
    assert found.rows == (
        Judgement(
            "a2001", "RoB 2", "2019", "overall", "some_concerns", "AB", "2026-11-22", "Table 2"
        ),
    )


def test_only_four_columns_are_needed():
    found, faults = read("a2001,RoB 2,overall,low\n", "study,instrument,domain,judgement\n")
    assert faults == []
    assert found.rows[0].version == found.rows[0].assessor == found.rows[0].assessed == ""


def test_another_instrument_keeps_its_name_and_its_own_words():
    found, faults = read("a2001,PEDro scale,,blind assessors,no,,,x\n")
    assert faults == []
    assert (found.rows[0].instrument, found.rows[0].judgement) == ("PEDro scale", "no")
    assert listed("PEDro scale", "") is None
    assert found.missing("a2001") == {}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "a2001,RoB 2,2019,overall,moderate,,,",
            "d/risk_of_bias.csv: row 2 (study='a2001'): judgement is 'moderate'; it is no word of "
            "RoB 2 (2019) for overall; Choices: high, low, some_concerns.",
        ),
        (
            "a2001,RoB 2,2019,overall,Some concerns,,,",
            "row 2 (study='a2001'): judgement is 'Some concerns'; it is no word of RoB 2 (2019) for "
            "overall; did you mean 'some_concerns'?",
        ),
        (
            "a2001,RoB 2,2019,confounding,low,,,",
            "row 2 (study='a2001'): domain is 'confounding'; it is no domain of RoB 2 (2019); Choices",
        ),
        (
            "a2001,ROBINS-I,2025,deviations,low,,,",
            "row 2 (study='a2001'): domain is 'deviations'; it is no domain of ROBINS-I (2025)",
        ),
        (
            "a2001,ROBINS-I,,overall,low,,,",
            "row 2 (study='a2001'): version is ''; ROBINS-I has versions 2016, 2025; write one",
        ),
        ("a2001,RoB 2,2018,overall,low,,,", "version is '2018'"),
        (
            "a2001,rob2,,overall,low,,,",
            "row 2 (study='a2001'): instrument is 'rob2'; write 'RoB 2'",
        ),
        (
            "a2001,ROBINS-I V2,,overall,low,,,",
            "write 'ROBINS-I' with version 2016 or 2025; other instruments keep their own name.",
        ),
        (
            "a2011,RoB 2,2019,overall,low,,,",
            "row 2 (study='a2011'): study is 'a2011'; it is not in studies.csv; did you mean 'a2001'?",
        ),
        (
            "a2001,RoB 2,2019,overall,low,,22.11.2026,",
            "row 2 (study='a2001'): assessed is '22.11.2026'; write a date as 2026-11-22, 2026-11 or",
        ),
        (
            "a2001,,,overall,low,,,",
            "row 2 (study='a2001'): instrument is ''; it must not be empty",
        ),
        (
            "a2001,PEDro,,x,yes,,,\na2001,PEDro,,x,yes,,,",
            "row 3 (study='a2001'): repeats row 2; a judgement stands once: leave one out, or name",
        ),
    ],
)
def test_a_fault_of_a_judgement_is_named(row, message):
    _, faults = read(row + "\n")
    assert len(faults) == 1
    assert message in faults[0]


def test_missing_columns_are_named():
    found, faults = read("a2001,x\n", "study,domain\n")
    assert found == Judgements()
    assert [fault.split(";")[0] for fault in faults] == [
        "d/risk_of_bias.csv: column 'instrument' is missing",
        "d/risk_of_bias.csv: column 'judgement' is missing",
    ]


def test_an_empty_judgement_is_a_missing_one():
    found, faults = read("a2001,RoB 2,2019,overall,,,,\na2001,RoB 2,2019,selection,low,,,\n")
    assert faults == []
    assert found.overall("a2001") == ()
    assert [row.domain for row in found.of("a2001")] == ["selection"]
    assert found.missing("a2001") == {
        "RoB 2 2019": ("randomisation", "deviations", "missing_data", "measurement", "overall")
    }


def test_an_overall_judgement_is_never_worked_out():
    found = Judgements((judgement("selection", "high"),))
    assert found.overall("a2001") == ()


def test_two_assessors_may_disagree():
    rows = (judgement("overall", "low"), judgement("overall", "high", assessor="CD"))
    assert Judgements(rows).overall("a2001") == rows


def test_coverage_names_who_is_judged_and_by_what():
    rows = (judgement("overall", "low"), judgement("x", "no", "b2002", "PEDro", ""))
    found = Judgements(rows).coverage(STUDIES)
    assert found.judged == ("a2001", "b2002")
    assert found.unjudged == ("c2003",)
    assert found.instruments == {"RoB 2": 1, "PEDro": 1}


def test_an_overall_judgement_below_that_of_a_domain_is_a_contradiction():
    rows = (judgement("measurement", "high"), judgement("overall", "some_concerns"))
    found = contradictions(Judgements(rows), {"a2001": "rct"})
    assert [each.rule for each in found] == ["overall-too-low"]
    assert "is 'some_concerns' overall and 'high' in measurement" in found[0].text


def test_several_concerns_may_make_a_whole_graver_than_its_domains():
    rows = (judgement("measurement", "some_concerns"), judgement("overall", "high"))
    assert contradictions(Judgements(rows), {"a2001": "rct"}) == []


def test_no_information_contradicts_nothing():
    rows = tuple(
        judgement(domain, word, instrument="ROBINS-I", version="2016")
        for domain, word in (("confounding", "no_information"), ("overall", "low"))
    )
    assert contradictions(Judgements(rows), {"a2001": "cohort"}) == []


@pytest.mark.parametrize(
    ("instrument", "version", "design", "better"),
    [("RoB 2", "2019", "cohort", "ROBINS-I"), ("ROBINS-I", "2016", "rct", "RoB 2")],
)
def test_an_instrument_for_another_design_is_a_contradiction(instrument, version, design, better):
    rows = (judgement("overall", "low", instrument=instrument, version=version),)
    found = contradictions(Judgements(rows), {"a2001": design})
    assert [each.rule for each in found] == ["wrong-instrument"]
    assert found[0].text.endswith(f"judge it by {better}")
    assert contradictions(Judgements(rows), {"a2001": ""}) == []


def test_the_shipped_judgements_are_kept_in_the_words_of_their_instruments():
    evidence = open_dataset("rtw-trials")
    found = evidence.judgements
    assert len(found.rows) == 133
    assert len({row.study for row in found.rows}) == 22
    assert {row.instrument for row in found.rows}.isdisjoint({each.name for each in INSTRUMENTS})
    assert found.overall("bultmann2009") == ()
    covered = found.coverage(str(study) for study in evidence.data["study"].to_numpy())
    assert (len(covered.judged), len(covered.unjudged)) == (15, 109)
    assert evidence.select(outcome="time_to_rtw").judgements is found
