"""Open parts against enumeration of every completion, each a model of its own without missing parts.

Weights are beta-binomial, written out here. Nodes of the hyperparameter leave 1e-7.
"""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import special

import bayesrtw as brw
from bayesrtw.engine import solve
from bayesrtw.engine.graph import graph
from bayesrtw.errors import EngineRefusal, EvidenceError, SpecError
from bayesrtw.model.checked import check
from bayesrtw.model.open_arms import MissingParts
from bayesrtw.model.prior import HalfNormal, Normal
from bayesrtw.question.missing import missing_levels
from bayesrtw.question.parts import material, told_by

#: Study, parts of the arm, parts that it may have, the same of its comparator, effect and standard error.
ROWS = [
    ("s0", "a + b", "none", "none", "none", 0.42, 0.15),
    ("s1", "a", "c", "none", "none", 0.30, 0.12),
    ("s2", "b", "none", "a", "none", 0.05, 0.20),
    ("s3", "c", "a + b", "none", "none", -0.12, 0.20),
    ("s4", "a + c", "d", "b", "d", 0.22, 0.10),
    ("s5", "b + c", "none", "c", "a", -0.30, 0.22),
    ("s6", "a + d", "none", "none", "none", 0.55, 0.15),
    ("s6", "a + d", "none", "b", "none", 0.35, 0.14),
]
MISSING = MissingParts("open_t", "open_c")
#: What stands open: row, side and part. Part d of both arms of s4 is alike in both.
OPEN = [(1, 0, "c"), (3, 0, "a"), (3, 0, "b"), (5, 1, "a")]


def evidence(rows=ROWS):
    names = ["study", "parts_t", "open_t", "parts_c", "open_c", "effect", "se"]
    frame = pd.DataFrame(rows, columns=names)
    return brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")


def model(missing=None, *, pairs=()):
    term = brw.terms.Components(
        Normal(0, 0.25), "parts_t", "parts_c", none=("none",), interactions=pairs, missing=missing
    )
    return brw.Model(terms=(term, brw.Exchangeable(HalfNormal(0.25))))


def completed(chosen, rows=ROWS):
    """Give rows in which open parts are there or not."""
    found = [list(row) for row in rows]
    for (row, side, part), there in zip(OPEN, chosen, strict=True):
        if there:
            cell = found[row][1 + 2 * side]
            found[row][1 + 2 * side] = part if cell == "none" else f"{cell} + {part}"
    return [(*row[:2], "none", row[3], "none", *row[5:]) for row in found]


def known(rows=ROWS):
    """Arms of each side that have a part, and that have not, beside one of each."""
    counts = {}
    for side, part in {(side, part) for _, side, part in OPEN}:
        # An arm that stands in two rows of its study is one arm.
        cells = {
            (row[0], *(frozenset(row[at + 2 * side].split(" + ")) for at in (1, 2))) for row in rows
        }
        yes = sum(part in has for _, has, _ in cells)
        unclear = sum(part in may and part not in has for _, has, may in cells)
        counts[side, part] = (1 + yes, 1 + len(cells) - yes - unclear)
    return counts


def beta_binomial(chosen, rows=ROWS):
    total = 0.0
    for (side, part), (yes, no) in known(rows).items():
        own = [
            bool(there)
            for (_, s, p), there in zip(OPEN, chosen, strict=True)
            if (s, p) == (side, part)
        ]
        total += special.betaln(yes + sum(own), no + len(own) - sum(own)) - special.betaln(yes, no)
    return total


def enumerated(pairs=()):
    every = list(product((0, 1), repeat=len(OPEN)))
    fits = [solve(model(pairs=pairs), evidence(completed(chosen))) for chosen in every]
    logs = [
        fit.posterior.log_evidence + beta_binomial(own)
        for fit, own in zip(fits, every, strict=True)
    ]
    return special.logsumexp(logs), np.exp(np.array(logs) - special.logsumexp(logs)), fits, every


def mixed(share, parts):
    moments = np.array([part.moments() for part in parts])
    mean = share @ moments[:, 0]
    return mean, np.sqrt(share @ (moments[:, 1] ** 2 + (moments[:, 0] - mean) ** 2))


@pytest.mark.parametrize("pairs", [(), ("a + b", "a + c")])
def test_the_model_is_the_sum_over_all_completions(pairs):
    log, share, fits, every = enumerated(pairs)
    fit = solve(model(MISSING, pairs=pairs), evidence())
    assert fit.posterior.log_evidence == pytest.approx(log, abs=1e-7)
    width = fit.design.columns.shape[1]
    lines = np.vstack([np.eye(width), fit.design.quantities["mu"].combine])
    for new in (False, True):
        own = fit.mean_at(lines, new=new)
        parts = [each.mean_at(lines, new=new) for each in fits]
        for place, found in enumerate(own):
            same = [each[place] for each in parts]
            np.testing.assert_allclose(found.moments(), mixed(share, same), atol=1e-7)
            wanted = share @ [float(each.below(0.1)) for each in same]
            assert float(found.below(0.1)) == pytest.approx(wanted, abs=1e-7)
    at = np.array([0.05, 0.2])
    wanted = share @ np.array([each.posterior.hyper["tau"].cdf(at) for each in fits])
    np.testing.assert_allclose(fit.posterior.hyper["tau"].cdf(at), wanted, atol=1e-7)
    whole = np.ones(len(ROWS), dtype=bool)
    behind = [list(each) for each in zip(*(each.effect_of(whole) for each in fits), strict=True)]
    for found, same in zip(fit.effect_of(whole), behind, strict=True):
        np.testing.assert_allclose(found.moments(), mixed(share, same), atol=1e-7)
    names = fit.problem.unreported.names
    for place, (row, side, part) in enumerate(OPEN):
        wanted = sum(s for s, own in zip(share, every, strict=True) if own[place])
        column = names.index(part if side == 0 else f"{part} (comparator)")
        assert fit.levels[row, column] == pytest.approx(wanted, abs=1e-7)


@pytest.mark.parametrize("pairs", [(), ("a + b", "a + c")])
def test_what_studies_tell_is_the_mean_over_all_completions(pairs):
    _, share, fits, _ = enumerated(pairs)
    fit = solve(model(MISSING, pairs=pairs), evidence())
    # Completions without a part lack its column; told_by names it by label.
    found, each = told_by(fit), [told_by(own) for own in fits]
    for place, part in enumerate(found.table.index):
        shares = [own.shares[:, list(own.table.index).index(part)] for own in each]
        np.testing.assert_allclose(found.shares[:, place], share @ np.array(shares), atol=1e-6)
        prior = share @ [own.table.loc[part, "prior"] for own in each]
        assert found.table.loc[part, "prior"] == pytest.approx(prior, abs=1e-6)
    # Sets of parts are added up from these: their moments are those of the posterior.
    stuff = material(fit)
    line = np.array([1.0, -1.0, 0.5, 1.0, *([1.0] * len(pairs))])
    exact = fit.mean_at(line[None])[0].moments()
    mean = stuff.weight @ (stuff.mean @ line)
    second = stuff.weight @ (line @ stuff.covariance @ line + (stuff.mean @ line) ** 2)
    np.testing.assert_allclose((mean, np.sqrt(second - mean**2)), exact, atol=1e-6)


def test_columns_of_coded_data_sets_are_read_unless_they_are_stated():
    usual = evidence()
    renamed = {"open_t": "parts_t_unclear", "open_c": "parts_c_unclear"}
    coded = replace(usual, data=usual.data.rename(renamed))
    stated, silent = solve(model(MISSING), usual), solve(model(), coded)
    assert silent.posterior.log_evidence == pytest.approx(stated.posterior.log_evidence, abs=1e-12)
    declared = model(MissingParts(absent=True))
    absent, plain = solve(declared, coded), solve(model(), usual)
    assert absent.posterior.log_evidence == pytest.approx(plain.posterior.log_evidence, abs=1e-12)
    [told] = [each for each in check(declared, coded) if each.check == "open-parts-absent"]
    assert told.severity == "warning"
    assert "4 parts of arms open" in told.message
    assert "taken for absent, by a statement" in told.message
    with pytest.raises(SpecError, match="leave it out, or absent = true"):
        MissingParts(absent=True, delta={"a": 1.0})
    # Open in both arms, and one of a pair whose other is in one arm: said, for it is no difference of sums.
    pairs = model(MISSING, pairs=("a + d",))
    [told] = [each.message for each in check(pairs, usual) if each.check == "missing-parts"]
    assert told.endswith(
        "makes no difference where all do, and is taken for absent in pairs ('d')."
    )


@pytest.mark.parametrize("row", [2, 3])
def test_a_row_that_is_left_out_is_predicted_with_and_without_its_open_parts(row):
    mask = np.arange(len(ROWS)) == row
    [left] = solve(model(MISSING), evidence()).without([mask])
    [ahead] = left.expected(mask)
    others = [own for place, own in enumerate(ROWS) if place != row]
    logs, parts = [], []
    for chosen in product((0, 1), repeat=len(OPEN)):
        [fit] = solve(model(), evidence(completed(chosen))).without([mask])
        logs.append(fit.posterior.log_evidence + beta_binomial(chosen, others))
        parts.append(fit.expected(mask)[0])
    share = np.exp(np.array(logs) - special.logsumexp(logs))
    np.testing.assert_allclose(ahead.moments(), mixed(share, parts), atol=1e-6)
    # The evidence counts the bits of the row that is left out too, which sum to one.
    assert left.posterior.log_evidence == pytest.approx(special.logsumexp(logs), abs=1e-6)


def test_one_arm_in_several_rows_has_a_part_in_all_of_them():
    rows = [*ROWS, ("s1", "a", "c", "b", "none", 0.10, 0.15)]
    fit = solve(model(MISSING), evidence(rows))
    weight = fit.problem.log_prior
    assert len(weight) == 2**5
    assert np.sum(np.isfinite(weight)) == 2**4
    assert special.logsumexp(weight) == pytest.approx(0.0, abs=1e-12)
    assert fit.levels[1, 0] == pytest.approx(fit.levels[8, 0], abs=1e-12)
    with pytest.raises(EngineRefusal, match="several rows have one arm"):
        graph(model(MISSING), evidence(rows))


def test_a_shift_of_log_odds_is_that_of_a_beta_share():
    shifted = replace(MISSING, delta={"c": 0.9})
    unreported = model(shifted).terms[0].unreported(evidence())
    yes, no = known()[0, "c"]
    share, weight = special.roots_jacobi(60, no - 1, yes - 1)
    share, weight = 0.5 * (share + 1), weight / weight.sum()
    odds = share * np.exp(0.9)
    wanted = weight @ (odds / (odds + 1 - share))
    assert unreported.chances()[unreported.names.index("c")] == pytest.approx(wanted, abs=1e-9)


def test_what_it_costs_is_said_beside_other_ways():
    table = missing_levels(model(MISSING), evidence())
    assert list(dict.fromkeys(table.index.get_level_values("way"))) == [
        "summed over levels",
        "complete cases",
        "open parts absent",
    ]
    absent = solve(model(), evidence()).posterior.effects["beta[component[c]]"].moments()
    found = table.loc[("open parts absent", "beta[component[c]]"), ["mean", "sd"]]
    np.testing.assert_allclose(found.astype(float), absent, atol=1e-9)
    assert table.loc["complete cases", "rows"].eq(5).all()


def test_findings_and_refusals_say_what_stands_open():
    [note] = [
        each.message for each in check(model(MISSING), evidence()) if each.check == "missing-parts"
    ]
    assert note == (
        "3 of 8 rows leave 4 parts of arms open ('a', 'a (comparator)', 'b', 'c'): each is there as often as "
        "in the arms that say so, missing at random. Arms of one study that leave a part open are taken to "
        "be alike in it, so that it makes no difference where all do."
    )
    with pytest.raises(SpecError, match="must be positive and finite"):
        MissingParts("open_t", yes=0.0)
    with pytest.raises(SpecError, match="delta of 'c' must be finite"):
        MissingParts("open_t", delta={"c": float("nan")})
    with pytest.raises(SpecError, match="missing parts are columns of text beside arm"):
        brw.terms.Components(Normal(0, 1), columns=("x",), missing=MISSING)
    with pytest.raises(EvidenceError, match="delta of missing names 'zz'"):
        brw.fit(model(replace(MISSING, delta={"zz": 1.0})), evidence())
    many = " + ".join("efghijklmnop")
    wide = [*ROWS, ("s9", "a", many, "none", "none", 0.1, 0.2)]
    with pytest.raises(EvidenceError, match="more than 10 parts stand open in rows"):
        brw.fit(model(MISSING), evidence(wide))
    some = " + ".join("abcdefgh")
    broad = [*ROWS, *((f"t{place}", "d", some, "none", "none", 0.1, 0.2) for place in range(2))]
    with pytest.raises(
        EngineRefusal, match=r"18 parts of 'component' stand open in 5 rows: 2\^18 = 2.6e"
    ):
        solve(model(MISSING), evidence(broad))


def test_draws_have_every_part_as_often_as_it_is_expected():
    unreported = model(MISSING).terms[0].unreported(evidence())
    drawn = unreported.draw(20_000, np.random.default_rng(1))
    shares = unreported.shares()
    for row in unreported.silent:
        seen = np.bincount(drawn[:, row], minlength=shares.shape[1]) / len(drawn)
        np.testing.assert_allclose(seen, shares[row], atol=0.02)
    assert shares.sum(axis=1) == pytest.approx(1.0)


def test_arms_are_counted_once_and_single_arms_are_no_comparators():
    names = ["study", "parts_t", "open_t", "parts_c", "open_c", "effect", "se", "single_arm"]
    cells = [
        ("s1", "a + c", "none", "none", "none", 0.4, 0.1, "no"),
        ("s1", "a + c", "none", "b", "none", 0.2, 0.1, "no"),
        ("s2", "a", "none", "none", "none", 0.1, 0.1, "no"),
        ("s3", "a", "c", "b", "c", 0.3, 0.1, "no"),
        ("s4", "a", "c", "c", "none", 0.5, 0.1, "no"),
        ("s5", "b", "none", "", "", 0.5, 0.1, "yes"),
        ("s6", "b", "none", "none", "c", 0.5, 0.1, "no"),
    ]
    frame = pd.DataFrame(cells, columns=names)
    rows = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
    found = model(MISSING).terms[0].unreported(rows)
    assert found.names == ("c", "c (comparator)")
    # Of the programmes s1 has it, s2, s5 and s6 have not; of comparators s4 has, s1 (twice) and s2 have not.
    np.testing.assert_array_equal(found.known(), [[2, 4], [2, 4]])
    keep = np.arange(7) != 0
    np.testing.assert_array_equal(found.known(keep), [[2, 4], [2, 3]])


def test_an_open_arm_on_both_sides_is_named():
    cells = [
        ("s1", "a", "c", "none", "none", 0.4, 0.1),
        ("s1", "b", "none", "a", "c", 0.2, 0.1),
    ]
    with pytest.raises(SpecError, match=r"comparator in another: 'c of s1'"):
        model(MISSING).terms[0].unreported(evidence(cells))


def test_a_common_effect_with_open_parts_is_fitted():
    made = replace(model(MISSING), terms=(model(MISSING).terms[0], brw.Common()))
    table = brw.summarise(brw.fit(made, evidence(), engine=brw.Exact(draws=0)))
    close = replace(made, terms=(made.terms[0], brw.Exchangeable(HalfNormal(1e-4))))
    near = brw.summarise(brw.fit(close, evidence(), engine=brw.Exact(draws=0)))
    slopes = [name for name in table.index if name.startswith("beta")]
    np.testing.assert_allclose(table.loc[slopes, "mean"], near.loc[slopes, "mean"], atol=1e-6)
    np.testing.assert_allclose(table.loc[slopes, "sd"], near.loc[slopes, "sd"], rtol=1e-6)
