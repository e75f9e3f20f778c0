"""Damaged and hostile inputs end in an error of the package or in evidence; see `mutate`."""

import importlib.util
import sys
from pathlib import Path

import pytest


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


stores = loaded("stores")
mutate = loaded("mutate")


def failures(count, seed):
    # Memory is a figure of the whole process, here that of pytest: the script reports it.
    found = mutate.run(count, seed)[1]
    return [each for each in found if each[1] != "memory"]


def test_the_inputs_are_valid_before_they_are_mutated(tmp_path):
    for kind, (name, files) in mutate.seeds().items():
        place = tmp_path / kind
        for each, raw in files.items():
            (place / each).parent.mkdir(parents=True, exist_ok=True)
            (place / each).write_bytes(raw)
        assert mutate.attempt(kind, place / name, place) in stores.VALID


def test_a_hundred_mutated_inputs_end_well():
    assert failures(104, 1) == []


@pytest.mark.slow
def test_four_thousand_mutated_inputs_end_well():
    assert failures(4000, 20261124) == []
