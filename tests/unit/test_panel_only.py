"""A panel that asks some of its questions."""

from bayesrtw.analysis.catalog import open_analysis
from bayesrtw.analysis.sensitivity import NEXT, REMOVED, sensitivity


def test_a_panel_asks_the_questions_that_are_named_and_answers_them_alike():
    analysis = open_analysis("ips-employment")
    every = sensitivity(analysis)
    some = sensitivity(analysis, only=(NEXT, "Tipping shift of effects"))

    assert {REMOVED, "Tipping prior of the mean", "Learned from the data"} <= every.questions.keys()
    assert not {REMOVED, "Tipping prior of the mean"} & some.questions.keys()
    assert some.robustness == every.robustness
    for heading in (NEXT, "Tipping shift of effects"):
        assert some.questions[heading].equals(every.questions[heading])
