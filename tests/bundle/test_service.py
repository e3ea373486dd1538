"""The service JSON of a bundle: what may stand in it, and what is said about the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tfkit.bundle.service import service_problems, service_text, service_values, unknown_notes
from tfkit.eas.service_json import parse_service_json, strict_values
from tfkit.errors import InputError, UsageError

FILE = Path("service.json")
WHOLE = {"name": "digits", "processor": "tensorflow_cpu_1.15", "model_path": "model.tar.gz"}


def test_keys_may_be_given_in_short() -> None:
    given = {"cpu": 4, "rpc.keepalive": 1000, "metadata.rpc.batching": True, "rolling_strategy.max_surge": "30%"}
    values = service_values(given, on_gpu=False)
    assert values == {
        "metadata.instance": 1,
        "metadata.cpu": 4,
        "metadata.rpc.keepalive": 1000,
        "metadata.rpc.batching": True,
        "metadata.rolling_strategy.max_surge": "30%",
    }
    document = json.loads(service_text(WHOLE | values))
    assert document["metadata"]["rpc"] == {"keepalive": 1000, "batching": True}
    assert strict_values(service_text(WHOLE | values).encode(), FILE) == WHOLE | values


def test_a_gpu_processor_gets_a_gpu() -> None:
    assert service_values({}, on_gpu=True)["metadata.gpu"] == 1
    assert service_values({"gpu": 2}, on_gpu=True)["metadata.gpu"] == 2
    with pytest.raises(UsageError, match="uses no GPU"):
        service_values({"gpu": 1}, on_gpu=False)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("metadata.instance", 0, "a whole number from 1 on"),
        ("metadata.instance", True, "a whole number from 1 on"),
        ("cpu", "4", "a number above 0"),
        ("cpu", float("inf"), "a number above 0"),
        ("memory", 1.5, "a whole number from 1 on"),
        ("rpc.keepalive", -1, "a whole number from 1 on"),
        ("rpc.batching", "true", "true or false"),
        ("rpc.decompressor", "brotli", "one of gzip"),
        ("rolling_strategy.max_unavailable", "half", "a share"),
        ("model_config", float("nan"), "what JSON can hold"),
    ],
)
def test_values_that_eas_would_not_take_are_refused(key: str, value: Any, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        service_values({key: value}, on_gpu=False)


@pytest.mark.parametrize(
    ("given", "key", "note"),
    [
        ("rpc.keep_alive", "metadata.rpc.keep_alive", "kept; did you mean metadata.rpc.keepalive?"),
        ("instances", "instances", "kept; did you mean metadata.instance?"),
        ("metadata.brand_new", "metadata.brand_new", "kept"),
    ],
)
def test_keys_that_nobody_knows_are_kept_and_told_with_the_nearest(given: str, key: str, note: str) -> None:
    values = service_values({given: [{"a": 1}]}, on_gpu=False)
    assert unknown_notes(values) == [f"{key} is no key that tfkit knows: {note}"]
    read = strict_values(service_text(WHOLE | values).encode(), FILE)
    assert unknown_notes(read) == unknown_notes(values)
    assert read[key] == [{"a": 1}]


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("name", "name is not to be set by hand\n--name sets it"),
        ("token.length", "token.length is not to be set by hand"),
        ("rpc", "rpc holds other keys"),
        ("metadata", "metadata holds other keys"),
        ("cpu.cores", "metadata.cpu.cores cannot be set: metadata.cpu has a value of its own"),
        ("rpc..keepalive", "is no key: expected names with dots between them"),
        (".".join("a" * 3000), "has 3000 parts: expected at most 32"),
    ],
)
def test_keys_that_cannot_be_are_refused(key: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        service_values({key: 1}, on_gpu=False)
    assert problem in str(caught.value)


def test_values_are_nested_no_deeper_than_can_be_written() -> None:
    text = service_text(service_values({".".join("a" * 32): _nested(32)}, on_gpu=False))
    assert strict_values(text.encode(), FILE).keys() >= {"a"}
    for deep in (_nested(33), _nested(3000), {"b": (_nested(31),)}):
        with pytest.raises(UsageError, match="a is nested too deeply: expected at most 32 levels"):
            service_values({"a": deep}, on_gpu=False)


def _nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_a_key_that_is_given_by_both_its_names_is_refused() -> None:
    with pytest.raises(UsageError, match=r"metadata\.cpu is given twice"):
        service_values({"metadata.cpu": 2, "cpu": 3}, on_gpu=False)


def test_what_is_written_is_read_without_a_word() -> None:
    """But for what only EAS makes use of."""
    text = service_text(WHOLE | service_values({"rpc.keepalive": 1000}, on_gpu=False))
    parsed = parse_service_json(text.encode(), FILE)
    assert (parsed.name, parsed.keepalive_ms, parsed.unknown) == ("digits", 1000, ())
    assert parsed.notes == ("service.json: ignored here: metadata.instance, metadata.cpu",)


def test_problems_of_a_service_json_are_all_told() -> None:
    values = {"model_path": "", "metadata.rpc.keepalive": "1000", "metadata.rcp.batching": True, "procesor": "x"}
    assert service_problems(values) == [
        "name is missing",
        "model_path is missing",
        "processor is missing",
        'model_path is "": expected text',
        'metadata.rpc.keepalive is "1000": expected a whole number from 1 on',
    ]
    assert unknown_notes(values) == [
        "metadata.rcp.batching is no key that tfkit knows: kept; did you mean metadata.rpc.batching?",
        "procesor is no key that tfkit knows: kept; did you mean processor?",
    ]
    assert service_problems(WHOLE) == []
    assert service_problems({**WHOLE, "name": "", "metadata.name": "digits"})[0] == 'name is "": expected text'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"name": "a", // comment\n}', "no strict JSON"),
        ('{"name": "a",}', "no strict JSON"),
        ('{"metadata": {"cpu": NaN}}', "NaN"),
        ('{"metadata": {"rpc": {"keepalive": 1}, "rpc.keepalive": 1}}', "sets metadata.rpc.keepalive twice"),
        ("[]", "holds a list"),
        ("\ufeff{}", "no strict JSON"),
        ('{"metadata": 1}', "metadata is the number 1"),
        ("[" * 100_000, "no strict JSON"),
    ],
)
def test_only_strict_json_is_read_strictly(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        strict_values(text.encode(), FILE)


def test_json_that_is_nested_too_deeply_is_told() -> None:
    """How deep that is, the Python that reads it says."""
    refused = []
    for levels in range(400, 2000, 100):
        try:
            strict_values(f'{{"x": {"[" * levels}{"]" * levels}}}'.encode(), FILE)
        except InputError as error:
            refused.append(error.message)
    assert refused
    assert all("nested too deeply" in each or "no strict JSON" in each for each in refused)
