"""The JSON Schema of analysis files against the decoder: what one takes, the other takes."""

import json
import tomllib
from datetime import date
from pathlib import Path

import jsonschema
import pytest

from bayesrtw.analysis.schema import json_schema

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "models").glob("*.toml"))

#: Files whose fault is one of layout: a key, a kind or a type. The others break rules between values.
LAYOUT = (
    "missing-kind", "missing-key", "table-for-list", "text-for-number", "number-for-text",
    "unknown-key", "unknown-kind", "unknown-term", "unknown-likelihood", "unknown-engine",
    "unknown-setting", "value-for-list", "seed-with-decimals", "exclusion-without-reason",
    "group-without-reason", "many-faults",
)  # fmt: skip


def as_json(path):
    return json.loads(json.dumps(tomllib.loads(path.read_text("utf-8")), default=date.isoformat))


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft202012Validator.check_schema(json_schema())
    return jsonschema.Draft202012Validator(json_schema())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_analyses_are_valid(validator, path):
    validator.validate(as_json(path))


@pytest.mark.parametrize("name", LAYOUT)
def test_what_the_decoder_refuses_the_schema_refuses(validator, name):
    path = ROOT / "tests/regression/wrong_models" / f"{name}.toml"
    assert not validator.is_valid(as_json(path))


def test_a_misspelt_setting_deep_inside_is_refused(validator):
    table = as_json(ROOT / "models/time-to-rtw.toml")
    table["term"][0]["prior"]["sdd"] = table["term"][0]["prior"].pop("sd")
    assert not validator.is_valid(table)


def test_every_key_of_an_analysis_is_explained():
    bare = [name for name, says in json_schema()["properties"].items() if "description" not in says]
    assert bare == []


def test_every_setting_of_every_component_is_explained():
    bare = [
        f"{name}.{key}"
        for name, table in json_schema()["$defs"].items()
        for key, says in table["properties"].items()
        if key != "kind" and "description" not in says
    ]
    assert bare == []
