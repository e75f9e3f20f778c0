"""Faults are values; one place makes sentences of them."""

import pickle

import pytest

from bayesrtw.errors import EvidenceError, Fault, Faults, Whereabouts

WHERE = Whereabouts("results.csv", (7,), "Vale 1977", "se")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            Fault("found -1", "se must be positive", "correct it.", place=WHERE),
            "results.csv: row 7 (study='Vale 1977'): se must be positive; found -1; correct it.",
        ),
        (
            Fault("both correct 'r1'", place=Whereabouts("a.csv", (3, 5))),
            "a.csv: rows 3 and 5: both correct 'r1'.",
        ),
        (
            Fault("is empty", remedy="give a row", place=Whereabouts("a.csv")),
            "a.csv: is empty; give a row.",
        ),
        (Fault("A sentence: as it is"), "A sentence: as it is"),
        (
            Fault("found 2", "se must be less than 1").at("b.csv", 4, study="B"),
            "b.csv: row 4 (study='B'): se must be less than 1; found 2.",
        ),
    ],
)
def test_one_place_makes_the_sentence(fault, message):
    assert str(fault) == message


def test_an_error_carries_its_faults_and_lists_them():
    faults = Faults(EvidenceError)
    assert not faults
    faults.add(Fault("found -1", "se must be positive", rule="not-positive", place=WHERE))
    faults.add("b.csv: is not there.")
    with pytest.raises(
        EvidenceError, match=r"^2 faults:\n  1. results.csv: row 7 .*\n  2. b.csv: is"
    ) as found:
        faults.raise_if_any()
    again = pickle.loads(pickle.dumps(found.value))
    assert str(again) == str(found.value)
    assert [each.rule for each in again.faults] == ["not-positive", ""]
    assert again.faults[0].place == WHERE


def test_one_fault_is_the_whole_message():
    with pytest.raises(EvidenceError, match=r"^a.csv: is empty\.$") as found:
        Faults(EvidenceError, [Fault("is empty", place=Whereabouts("a.csv"))]).raise_if_any()
    assert found.value.faults[0].place.file == "a.csv"
