"""Analyses as TOML: decoding, digests, variants, and running one."""

import pandas as pd
import pytest

from bayesrtw.analysis.default import default_analyses
from bayesrtw.analysis.run import run
from bayesrtw.analysis.spec import Variant, parse, vary
from bayesrtw.errors import EvidenceError, SpecError
from bayesrtw.evidence.table import Evidence
from bayesrtw.model.prior import HalfCauchy, HalfNormal, InverseGamma, Normal
from bayesrtw.reading.read import read_csv

TEXT = """
schema = 1
id = "mine"
title = "Mine"
question = "Does it?"
registered = 2026-11-24
revision = 3
seed = 7

[evidence]
dataset = "d"
measure = "generic"
where = { design = ["rct"] }

[[evidence.exclude]]
column = "study"
values = ["D"]
reason = "another question"

[[term]]
kind = "intercept"
prior = { kind = "normal", mean = 0.0, sd = 0.5 }

[[term]]
kind = "categorical"
column = "programme"
prior = { kind = "normal", sd = 0.25 }

[[term]]
kind = "exchangeable"
tau = { kind = "half_normal", scale = 0.25 }

[[estimand]]
name = "pooled"
of = "mu"

[[estimand]]
name = "much"
of = "mu"
above = 0.1
ci_prob = 0.9

[[variant]]
name = "wide"
set = { "term.exchangeable.tau.scale" = 1.0 }
"""


def analysis(text=TEXT):
    return parse(text, "mine.toml")


def changed(settings):
    return vary(analysis(), Variant("v", settings))


def evidence(count=6):
    return Evidence.from_frame(
        pd.DataFrame(
            {
                "study": list("ABCDEF")[:count],
                "effect": [0.1, 0.3, 0.2, 0.9, 0.4, 0.0][:count],
                "se": [0.1, 0.2, 0.1, 0.1, 0.3, 0.2][:count],
                "design": (["rct"] * 5 + ["cohort"])[:count],
                "programme": ["a", "b", "a", "b", "b", "a"][:count],
            }
        )
    )


def test_a_file_is_decoded_into_values():
    found = analysis()
    assert (found.id, found.revision, found.seed) == ("mine", 3, 7)
    assert found.evidence.where == {"design": ("rct",)}
    assert found.evidence.exclude[0].reason == "another question"
    assert found.model.hyper == {"tau": HalfNormal(0.25)}
    assert found.estimand[1].above == 0.1
    assert found.engine is None


def test_layout_comments_and_key_order_do_not_move_the_digest():
    head, tail = TEXT.split("[evidence]", 1)
    lines = head.strip().splitlines()
    shuffled = "# a comment\n" + "\n\n".join(reversed(lines)) + "\n[evidence]" + tail
    other = shuffled.replace('{ kind = "normal", mean = 0.0, sd = 0.5 }', '{sd=0.5,kind="normal"}')
    assert other != TEXT
    assert analysis(other).digest == analysis().digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seed = 7", "seed = 8"),
        ("scale = 0.25", "scale = 0.26"),
        ('"rct"', '"cohort"'),
        ("another question", "a question"),
        ("above = 0.1", "above = 0.2"),
        ("revision = 3", "revision = 4"),
    ],
)
def test_every_setting_moves_the_digest(old, new):
    assert analysis(TEXT.replace(old, new)).digest != analysis().digest


def test_every_fault_of_a_file_comes_in_one_error():
    text = (
        TEXT.replace("title", "titlex", 1)
        .replace("half_normal", "halfnormal")
        .replace('measure = "generic"', "measure = 1")
        .replace("seed = 7", "seed = 7.5")
        .replace("2026-11-24", '"today"')
    )
    with pytest.raises(SpecError, match=r"^6 faults:") as caught:
        analysis(text)
    for part in (
        "mine.toml: titlex is not known; did you mean 'title'? Choices: columns,",
        "mine.toml: title is missing; add it.",
        "mine.toml: term[2].tau.kind is 'halfnormal'; did you mean 'half_normal'? Choices: ",
        "mine.toml: evidence.measure must be text; found 1.",
        "mine.toml: seed must be a whole number; found 7.5.",
        "mine.toml: registered must be a date such as 2026-11-22; found 'today'.",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "reach"),
    [
        ("term.exchangeable.tau.scale", 0.5, lambda a: a.model.hyper["tau"] == HalfNormal(0.5)),
        ("term.2.tau.scale", 0.5, lambda a: a.model.hyper["tau"] == HalfNormal(0.5)),
        ("term.programme.prior.sd", 2.0, lambda a: a.term[1].prior == Normal(0.0, 2.0)),
        (
            "term.exchangeable.tau",
            {"kind": "inverse_gamma", "shape": 1.5, "scale": 0.26},
            lambda a: a.model.hyper["tau"] == InverseGamma(1.5, 0.26),
        ),
        (
            "term.exchangeable.tau.kind",
            "half_cauchy",
            lambda a: a.model.hyper["tau"] == HalfCauchy(0.25),
        ),
        ("term.exchangeable", {"kind": "common"}, lambda a: a.model.hyper == {}),
        ("evidence.where.design", ["cohort"], lambda a: a.evidence.where["design"] == ("cohort",)),
        ("evidence.exclude", [], lambda a: a.evidence.exclude == ()),
        ("estimand.much.above", 0.3, lambda a: a.estimand[1].above == 0.3),
        ("engine", {"kind": "exact", "draws": 10}, lambda a: a.engine.draws == 10),
        ("seed", 8, lambda a: a.seed == 8),
    ],
)
def test_a_variant_changes_what_its_path_names(path, value, reach):
    found = changed({path: value})
    assert reach(found)
    assert found.variant == ()


def test_a_variant_may_change_several_settings():
    found = changed({"seed": 9, "term.intercept.prior.sd": 1.0})
    assert (found.seed, found.term[0].prior.sd) == (9, 1.0)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "term.exchangeabel.tau.scale",
            1.0,
            r"mine: variant 'v': term\.exchangeabel\.tau\.scale leads nowhere at 'exchangeabel'; did "
            r"you mean 'exchangeable'\? Choices: ",
        ),
        ("trem.exchangeable", 1.0, "leads nowhere at 'trem'; did you mean 'term'"),
        ("term.9.tau", 1.0, "leads nowhere at '9'; Choices: "),
        ("estimand.mu.above", 1.0, "leads nowhere at 'mu'; did you mean 'much'"),
        (
            "term.exchangeable.tau.scal",
            1.0,
            r"variant 'v': term\[2\]\.tau\.scal is not known; did you mean 'scale'",
        ),
        ("term.exchangeable.tau.scale", "1", r"tau\.scale must be a finite number; found '1'"),
        ("term.exchangeable.tau.scale", -1.0, r"tau: scale must be positive and finite; found -1"),
        ("term", 1, r"variant 'v': term must be a list; found 1"),
        ("evidence.where.design", "rct", r"where\.design must be a list; found 'rct'"),
        ("colour", 1, r"variant 'v': colour is not known; did you mean 'columns'\? Choices: "),
        ("seed.foo", 1, r"variant 'v': seed\.foo leads nowhere: seed has no settings"),
        ("title.x", 1, r"variant 'v': title\.x leads nowhere: title has no settings"),
        ("seed.foo.bar", 1, r"leads nowhere at 'foo': what stands before has no settings"),
        (
            "term.²",
            1,
            r"term\.² leads nowhere at '²'; Choices: categorical, exchangeable, intercept,",
        ),
    ],
)
def test_a_variant_that_leads_nowhere_is_refused(path, value, message):
    with pytest.raises(SpecError, match=message):
        changed({path: value})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 7", "seed = -1", r"mine\.toml: seed must be at least 0 and below 2\^63; found -1"),
        ("seed = 7", f"seed = {2**63}", r"seed must be at least 0 and below 2\^63; found 922337"),
        ("sd = 0.5", "sd = 1e-300", r"prior: sd must lie between 1e-100 and 1e\+100; found 1e-300"),
        (
            '"generic"',
            '"genric"',
            r"evidence: measure is 'genric'; did you mean 'generic'\? Choices:",
        ),
        (
            '"programme"',
            '"a/b"',
            r"moderators are called 'a/b'; names without '/', '\[' and '\]' only",
        ),
        (
            '"programme"',
            '"a[b"',
            r"moderators are called 'a\[b'; names without '/', '\[' and '\]' only",
        ),
        (
            '"much"',
            '"pooled"',
            r"mine\.toml: estimand 'pooled' stands twice; give each a name of its",
        ),
        (
            "[[variant]]",
            '[[variant]]\nname = "wide"\nset = { seed = 8 }\n[[variant]]',
            r"mine\.toml: variant 'wide' stands twice; give each a name of its own",
        ),
        (
            "term.exchangeable.tau",
            "term.nothing.tau",
            r"mine: variant 'wide': term\.nothing\.tau\.scale leads nowhere at 'nothing'; Choices: ",
        ),
        *(
            (
                '"mine"',
                f'"{name}"',
                rf"id is '{name}'; use 1 to 100 lower-case letters, digits, dots, d",
            )
            for name in ("../x", "", "a/b", ".a", "Mine", "y" * 101)
        ),
    ],
)
def test_a_value_that_makes_no_analysis_is_refused(old, new, message):
    with pytest.raises(SpecError, match=message):
        analysis(TEXT.replace(old, new, 1))


def test_a_path_that_fits_two_terms_is_ambiguous():
    text = TEXT.replace('column = "programme"', 'column = "intercept"')
    with pytest.raises(SpecError, match=r"term\.intercept\.prior\.sd is ambiguous at 'intercept'"):
        vary(analysis(text), Variant("v", {"term.intercept.prior.sd": 1.0}))


def test_running_answers_every_question_and_variant():
    found = run(analysis(), evidence())
    assert list(found.estimates.index) == ["pooled", "much"]
    assert found.estimates["ci_prob"].tolist() == [0.95, 0.9]
    assert found.estimates["threshold"].tolist() == [0.0, 0.1]
    assert found.estimates.loc["pooled", "probability"] > found.estimates.loc["much", "probability"]
    assert list(found.variants) == ["wide"]
    assert found.variants["wide"].loc["pooled", "sd"] > found.estimates.loc["pooled", "sd"]
    assert found.evidence.data["study"].to_numpy().tolist() == ["A", "B", "C", "E"]
    checks = {finding.check for finding in found.findings}
    assert {"left-out", "few-studies", "small-level", "moderators"} <= checks


def test_an_analysis_asks_the_pooled_mean_or_at_least_one_question():
    text = TEXT.split("[[estimand]]", maxsplit=1)[0]
    assert [(e.name, e.of) for e in analysis(text).estimand] == [("pooled", "mu")]
    with pytest.raises(
        SpecError, match=r"mine\.toml: estimand is an empty list; ask at least one question"
    ):
        analysis(text.replace("seed = 7", "seed = 7\nestimand = []"))


def test_an_estimand_that_the_model_does_not_have_suggests_one():
    text = TEXT.replace('name = "pooled"\nof = "mu"', 'name = "pooled"\nof = "muu"')
    with pytest.raises(
        SpecError, match="mine: estimand 'pooled' asks for 'muu'; did you mean 'mu'"
    ):
        run(analysis(text), evidence())


@pytest.mark.parametrize(("count", "check"), [(1, "one-estimate"), (2, "few-studies")])
def test_one_or_two_studies_give_a_result_with_a_finding(count, check):
    found = run(analysis(), evidence(count))
    assert found.estimates.loc["pooled", "lower"] < found.estimates.loc["pooled", "upper"]
    assert check in {finding.check for finding in found.findings if finding.severity == "warning"}


def test_two_rows_of_one_level_give_a_result_without_warnings():
    # pytest turns every warning into an error
    found = run(analysis(TEXT.replace('"D"', '"B", "D", "E", "F"')), evidence())
    assert found.evidence.size == 2
    assert "one-level" in {finding.check for finding in found.findings}


def test_one_level_gives_a_result_with_a_finding():
    found = run(analysis(TEXT.replace('"D"', '"B", "D", "E"')), evidence())
    assert "one-level" in {finding.check for finding in found.findings}
    assert found.quantities.loc["mu_level[programme[a]]", "mean"] == pytest.approx(
        found.quantities.loc["mu", "mean"], rel=1e-12
    )


def test_a_single_estimate_is_its_study_seen_through_the_prior():
    # by hand, without heterogeneity: precision 1/0.5^2 + 1/0.1^2 = 104, mean 0.1 * 100 / 104
    text = TEXT.split("[[variant]]", maxsplit=1)[0].replace(
        'kind = "exchangeable"\ntau = { kind = "half_normal", scale = 0.25 }', 'kind = "common"'
    )
    row = run(analysis(text), evidence(1)).estimates.loc["pooled"]
    assert row["mean"] == pytest.approx(10 / 104, rel=1e-10)
    assert row["sd"] == pytest.approx(104**-0.5, rel=1e-10)


def test_unregistered_evidence_gets_an_analysis_for_each_outcome_and_measure(tmp_path):
    path = tmp_path / "e.csv"
    path.write_text(
        "study,outcome,measure,effect,se\nA,at_work,log_risk_ratio,0.1,0.1\n"
        "B,at_work,log_odds_ratio,0.1,0.1\nC,days,mean_difference,1,1\nD,none,generic,1,\n"
    )
    found = default_analyses(read_csv(path))
    assert [a.id for a in found] == [
        "at-work-log-risk-ratio",
        "at-work-log-odds-ratio",
        "days-mean-difference",
    ]
    assert all(a.registered is None for a in found)
    assert found[0].rationale[0].startswith("Not registered: a random-effects model with default")


def test_two_outcomes_never_share_an_id(tmp_path):
    path = tmp_path / "e.csv"
    path.write_text(
        "study,outcome,effect,se\nA,返岗,.1,.1\nB,病假,.9,.1\nC,a b,.1,.1\nD,a-b,.2,.1\nE,A B,.2,.1\n",
        encoding="utf-8",
    )
    assert [a.id for a in default_analyses(read_csv(path))] == [
        "generic",
        "generic--2",
        "a-b-generic",
        "a-b-generic--2",
        "a-b-generic--3",
    ]


def test_evidence_without_a_usable_row_gets_no_analysis(tmp_path):
    path = tmp_path / "e.csv"
    path.write_text("study,effect,se\nA,1,\n")
    with pytest.raises(
        EvidenceError, match=r"no row has an effect and a standard error .*; give effect"
    ):
        default_analyses(read_csv(path))


def pooled(term="", **settings):
    text = (
        'schema = 1\nid = "m"\ntitle = "M"\nquestion = "Q?"\nseed = 1\n[evidence]\ndataset = "d"\n'
        'measure = "log_odds_ratio"\n[[term]]\nkind = "intercept"\n'
        'prior = { kind = "normal", sd = 1.0 }\n[[term]]\nkind = "exchangeable"\n'
        'tau = { kind = "half_normal", scale = 0.5 }\n[[estimand]]\nname = "asked"\nof = "mu"\n'
    )
    asked = "".join(f"{name} = {value}\n" for name, value in settings.items())
    frame = pd.DataFrame({"study": list("ABC"), "effect": [0.1, 0.2, 0.3], "se": [0.1, 0.1, 0.2]})
    frame["design"] = ["rct", "cohort", "rct"]
    rows = Evidence.from_frame(frame, measure="log_odds_ratio")
    return {
        each.check: each.message for each in run(parse(text + asked + term, "m"), rows).findings
    }


def test_a_ratio_in_place_of_its_logarithm_is_suspected_and_translated():
    told = pooled(above=1.25)["threshold-scale"]
    assert "above of 'asked' = 1.25 is on the analysis scale: odds ratio 3.49." in told
    assert told.endswith(
        "If odds ratio 1.25 is meant, state above_ratio = 1.25, or its logarithm, 0.2231."
    )
    assert "threshold-scale" not in pooled(above=0.2231)
    assert "threshold-scale" not in pooled(below=-0.8)


def test_cohorts_that_count_as_trials_are_said_to():
    assert pooled()["designs-pooled"].startswith(
        "1 of 3 estimates is not randomised and counts as if it were."
    )
    apart = '[[term]]\nkind = "indicator"\nname = "nr"\ncolumn = "design"\nvalues = ["cohort"]\n'
    assert "designs-pooled" not in pooled(apart + 'prior = { kind = "normal", sd = 0.2 }\n')
