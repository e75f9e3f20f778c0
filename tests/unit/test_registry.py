"""Components to tables and back; unknown names; digests."""

import dataclasses
import tomllib
from pathlib import Path

import pytest

from bayesrtw.analysis import spec  # noqa: F401 - registers every component
from bayesrtw.errors import Faults, SpecError
from bayesrtw.model.likelihood import Likelihood
from bayesrtw.model.moderator import Group
from bayesrtw.model.prior import HalfNormal, Normal, Prior
from bayesrtw.model.selection import Selection
from bayesrtw.model.term import Term
from bayesrtw.registry import _KINDS, decode, digest, encode, kind_of, kinds, suggestion

ROLES = ("engine", "likelihood", "prior", "selection", "term")
COMPONENTS = [(role, kind) for role in ROLES for kind in sorted(_KINDS[role])]

#: What the documentation shows of each component, which is what a person would write.
SHOWN = tomllib.loads(
    (Path(__file__).parents[2] / "docs" / "components.toml").read_text(encoding="utf-8")
)


def protocol(role):
    from bayesrtw.engine import Engine  # noqa: PLC0415

    roles = {"engine": Engine, "likelihood": Likelihood, "prior": Prior, "selection": Selection}
    return {**roles, "term": Term}[role]


def example(role, kind):
    table = tomllib.loads(f"x = {SHOWN[role][kind]['example']}")["x"]
    faults = Faults(SpecError)
    found = decode(protocol(role), table, where="example", faults=faults)
    faults.raise_if_any()
    return found


def decoded(cls, table):
    faults = Faults(SpecError)
    found = decode(cls, table, where="x.toml", faults=faults)
    return found, faults.messages


def test_every_role_has_components():
    assert set(ROLES) == set(_KINDS)
    assert all(kinds(role) for role in ROLES)


@pytest.mark.parametrize(("role", "kind"), COMPONENTS)
def test_a_component_survives_the_way_to_a_table_and_back(role, kind):
    value = example(role, kind)
    table = encode(value)
    assert table["kind"] == kind == kind_of(value)
    found, faults = decoded(protocol(role), table)
    assert faults == []
    assert found == value
    assert digest(found) == digest(value)


@pytest.mark.parametrize(("role", "kind"), COMPONENTS)
def test_a_component_is_a_frozen_hashable_value(role, kind):
    value = example(role, kind)
    assert hash(value) == hash(example(role, kind))
    for name in [f.name for f in dataclasses.fields(value)][:1]:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, None)


@pytest.mark.parametrize(("role", "kind"), COMPONENTS)
def test_a_setting_that_is_not_known_is_refused(role, kind):
    _, faults = decoded(protocol(role), encode(example(role, kind)) | {"colour": 1})
    assert any("x.toml: colour is not known; " in fault for fault in faults)


@pytest.mark.parametrize("role", ROLES)
def test_an_unknown_kind_is_answered_with_the_choices(role):
    _, faults = decoded(protocol(role), {"kind": "nothing_like_it"})
    assert faults == [
        f"x.toml: kind is 'nothing_like_it'; Choices: {', '.join(sorted(_KINDS[role]))}."
    ]


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        (
            {"kind": "halfnormal"},
            "x.toml: kind is 'halfnormal'; did you mean 'half_normal'? Choices:",
        ),
        ({"scale": 1.0}, "x.toml: kind is missing; Choices: "),
        ({"kind": 3}, "x.toml: kind is 3; Choices: "),
        ({"kind": "half_normal"}, "x.toml: scale is missing; add it."),
        (
            {"kind": "half_normal", "scal": 1.0},
            "x.toml: scal is not known; did you mean 'scale'? Choices: scale.",
        ),
        (
            {"kind": "half_normal", "scale": "1"},
            "x.toml: scale must be a finite number; found '1'.",
        ),
        (
            {"kind": "half_normal", "scale": True},
            "x.toml: scale must be a finite number; found True.",
        ),
        (
            {"kind": "half_normal", "scale": float("inf")},
            "x.toml: scale must be a finite number; found inf.",
        ),
        (
            {"kind": "half_normal", "scale": -1},
            "x.toml: scale must be positive and finite; found -1.0.",
        ),
        ({"kind": "jeffreys", "se": 0.1}, "x.toml: se must be a list; found 0.1."),
        (
            {"kind": "jeffreys", "se": [0.1, "b"]},
            "x.toml: se[1] must be a finite number; found 'b'.",
        ),
        ("half_normal", "x.toml: must be a table; found 'half_normal'."),
    ],
)
def test_a_fault_of_a_prior_is_named_with_its_place(table, fault):
    found, faults = decoded(Prior, table)
    assert found is None
    assert any(message.startswith(fault) for message in faults)


def test_every_fault_of_a_table_is_noted():
    table = {"kind": "categorical", "columx": "x", "prior": {"kind": "norrmal"}, "groups": [{}, 1]}
    _, faults = decoded(Term, table)
    assert [fault.split(";")[0] for fault in faults] == [
        "x.toml: columx is not known",
        "x.toml: column is missing",
        "x.toml: prior.kind is 'norrmal'",
        "x.toml: groups[0].name is missing",
        "x.toml: groups[0].members is missing",
        "x.toml: groups[0].reason is missing",
        "x.toml: groups[1] must be a table",
    ]


def test_a_whole_number_serves_where_a_number_is_asked_for():
    assert decoded(Prior, {"kind": "half_normal", "scale": 1})[0] == HalfNormal(1.0)


def test_a_class_that_is_no_component_has_no_kind():
    with pytest.raises(SpecError, match="Group is not a registered component"):
        kind_of(Group("a", ("b",), "c"))


def test_suggestions_name_something_near_or_only_the_choices():
    assert (
        suggestion("lower_", ["lower", "higher"]) == "did you mean 'lower'? Choices: higher, lower."
    )
    assert suggestion("zzz", ["lower", "higher"]) == "Choices: higher, lower."


def test_the_digest_does_not_see_the_order_of_keys():
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest({"a": [1, 2]}) != digest({"a": [2, 1]})


def test_the_digest_sees_every_setting():
    assert digest(HalfNormal(0.5)) != digest(HalfNormal(0.25))
    assert digest(Normal(0.0, 1.0)) == digest(Normal())
