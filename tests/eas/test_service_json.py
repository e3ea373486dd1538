"""The service JSON: what is read, how it may be spelled, and what is said about the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfkit.eas.service_json import MAX_SIZE_BYTES, ServiceJson, key_of, parse_service_json, read_service_json
from tfkit.errors import InputError, MissingError

FILE = Path("service.json")


def parse(document: Any) -> ServiceJson:
    """Parses a document that has a model_path beside what is given."""
    return parse_text(json.dumps({"model_path": "model", **document}))


def parse_text(text: str) -> ServiceJson:
    return parse_service_json(text.encode(), FILE)


def refused(text: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        parse_service_json(text.encode() if isinstance(text, str) else text, FILE)
    assert "service.json" in caught.value.message
    return str(caught.value)


def test_every_key_that_counts_is_read() -> None:
    parsed = parse(
        {
            "name": "digits",
            "token": "secret",
            "model_path": "model.tar.gz",
            "model_entry": "export/1",
            "processor": "tensorflow_cpu_1.15",
            "warm_up_data_path": "warm_up_test.bin",
            "metadata": {
                "rpc": {
                    "keepalive": 1000,
                    "worker_threads": 3,
                    "max_queue_size": 7,
                    "rate_limit": 9,
                    "decompressor": "gzip",
                },
                "eas": {"termination_grace_period": 5},
            },
        }
    )
    assert parsed == ServiceJson(
        path=FILE,
        name="digits",
        token="secret",
        model_path="model.tar.gz",
        model_entry="export/1",
        processor="tensorflow_cpu_1.15",
        warm_up_data_path="warm_up_test.bin",
        keepalive_ms=1000,
        worker_threads=3,
        max_queue_size=7,
        rate_limit=9,
        decompressor="gzip",
        grace_s=5,
    )


@pytest.mark.parametrize(
    "document",
    [
        {"metadata": {"rpc": {"keepalive": 70}}},
        {"metadata": {"rpc.keepalive": 70}},
        {"metadata.rpc": {"keepalive": 70}},
        {"metadata.rpc.keepalive": 70},
        {"metadata": {"rpc": {"keepalive": 70}, "rpc.keepalive": 70}},
    ],
)
def test_nested_and_flat_spellings_mean_the_same(document: dict[str, Any]) -> None:
    parsed = parse(document)
    assert (parsed.keepalive_ms, parsed.notes) == (70, ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"model_path": "m", "metadata": {"rpc": {"keepalive": 1}, "rpc.keepalive": 2}}', "metadata.rpc.keepalive"),
        ('{"model_path": "m", "model_path": "n"}', "model_path twice"),
        ('{"model_path": "m", "name": "a", "metadata": {"name": "b"}}', "as name and as metadata.name"),
    ],
)
def test_one_setting_with_two_values_is_refused(text: str, words: str) -> None:
    assert words in refused(text)
    assert "different values" in refused(text)


def test_the_name_may_stand_under_metadata() -> None:
    assert parse({"metadata": {"name": "digits"}}).name == "digits"


@pytest.mark.parametrize("value", ["5000", " 5000", 5000.0])
def test_numbers_that_are_written_otherwise_are_taken_with_a_note(value: object) -> None:
    parsed = parse({"metadata": {"rpc.keepalive": value}})
    assert parsed.keepalive_ms == 5000
    (note,) = parsed.notes
    assert "metadata.rpc.keepalive" in note
    assert "taken as 5000" in note


@pytest.mark.parametrize("value", [None, ""])
def test_null_and_empty_strings_say_nothing(value: object) -> None:
    parsed = parse({"name": value, "token": value, "metadata": {"rpc": {"keepalive": value}}})
    assert (parsed.name, parsed.token, parsed.keepalive_ms) == (None, None, None)
    assert parse({"metadata": None}).keepalive_ms is None


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"name": 5}, "name is the number 5: expected a string"),
        ({"name": ["a"]}, "name is a list: expected a string"),
        ({"processor": {"a": 1}}, "processor is an object: expected a string"),
        ({"metadata": 5}, "metadata is the number 5: expected an object"),
        ({"metadata": {"rpc": "fast"}}, "metadata.rpc is the string 'fast': expected an object"),
        ({"metadata": {"rpc.keepalive": True}}, "metadata.rpc.keepalive is true: expected a whole number"),
        ({"metadata": {"rpc.keepalive": "5s"}}, "the string '5s': expected a whole number"),
        ({"metadata": {"rpc.keepalive": 1.5}}, "the number 1.5: expected a whole number"),
        ({"metadata": {"rpc.keepalive": 1e999}}, "the number inf: expected a whole number"),
        ({"model_path": "a\0b"}, "expected printable text"),
        ({"model_path": "\ud800"}, "expected printable text"),
        ({"model_path": ""}, "model_path is missing"),
        ({"model_path": "", "modelPath": "m"}, "Did you mean it by 'modelPath'?"),
    ],
)
def test_values_of_another_type_are_refused_by_their_key(document: dict[str, Any], words: str) -> None:
    assert words in refused(json.dumps({"model_path": "m", **document}))


def test_a_bad_token_is_refused_without_being_shown() -> None:
    assert "hidden" not in refused(json.dumps({"model_path": "m", "token": "hidden\nline"}))
    assert "hidden" not in refused(json.dumps({"model_path": "m", "token": ["hidden"]}))
    assert "secret" not in repr(parse({"token": "secret"}))


def test_what_only_eas_makes_use_of_is_listed_once() -> None:
    metadata = {"instance": 1, "gpu": 0, "rpc": {"io_threads": 4, "batching": True}, "rolling_strategy": {}}
    parsed = parse({"metadata": metadata, "model_config": {"a": {"b": 1}}, "cloud": {"computing": {"x": 1}}})
    assert parsed.ignored == (
        "metadata.instance",
        "metadata.gpu",
        "metadata.rpc.io_threads",
        "metadata.rpc.batching",
        "model_config",
        "cloud",
    )
    (note,) = parsed.notes
    assert note.startswith("service.json: ignored here: metadata.instance, ")


def test_unknown_keys_are_listed_once_with_what_was_perhaps_meant() -> None:
    parsed = parse({"wam_up_data_path": "x", "rpc.keepalive": 1, "metadata": {"keep_alive": 1}, "zzz": {"a": 1}})
    assert parsed.unknown == ("wam_up_data_path", "rpc.keepalive", "metadata.keep_alive", "zzz")
    (note,) = parsed.notes
    assert "wam_up_data_path (did you mean warm_up_data_path?)" in note
    assert "rpc.keepalive (did you mean metadata.rpc.keepalive?)" in note
    assert "metadata.keep_alive (did you mean metadata.rpc.keepalive?)" in note
    assert note.endswith("zzz")


def test_a_thousand_unknown_keys_still_make_one_line() -> None:
    (note,) = parse({f"key {i}\n": i for i in range(1000)}).notes
    assert "and 980 more" in note
    assert "\n" not in note


def test_comments_and_trailing_commas_are_read_with_a_note() -> None:
    text = '{\n  "name": "digits", // the name\n  /* and */ "model_path": "model",\n}'
    parsed = parse_text(text)
    assert (parsed.name, parsed.model_path) == ("digits", "model")
    (note,) = parsed.notes
    assert "line 2, column 21" in note
    assert "EAS may refuse" in note


def test_a_byte_order_mark_is_read_with_a_note() -> None:
    parsed = parse_service_json(b'\xef\xbb\xbf{"model_path": "model"}', FILE)
    assert "byte order mark" in parsed.notes[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"model_path" "m"}', "line 1, column 15: expected ':' delimiter, found '\"'"),
        ('{"a": 1\n "b": 2}', "line 2, column 2: expected ',' delimiter, found '\"'"),
        ('{"a": 1', "line 1, column 8: expected ',' delimiter, found the end of the file"),
        ('{\n// comment\n"a" 1}', "line 3, column 5: expected JSON, found '1'"),
        ('{"a": "x\ny"}', "line 1, column 9: invalid control character, found '\\n'"),
        ("{/* open", "found the end of the file"),
        ("", "is empty"),
        (" \n", "is empty"),
        ("[1]", "holds a list: expected an object"),
        ('"text"', "holds the string 'text': expected an object"),
        ("null", "holds null"),
        ("{}", "model_path is missing"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 50_000, "nested too deeply"),
        ("//\n" + "[" * 3000, "nested too deeply"),
        ('{"a": ' + "1" * 5000 + "}", "4300 digits"),
        ("//\n" + '{"a": ' + "1" * 5000 + "}", "4300 digits"),
        (b"\xff\xfe{\x00}\x00", "no UTF-8 text: byte 0xff at offset 0"),
        (b" " * (MAX_SIZE_BYTES + 1), f"more than {MAX_SIZE_BYTES} bytes"),
    ],
)
def test_what_is_no_service_json_is_refused_with_its_place(text: str | bytes, words: str) -> None:
    assert words in refused(text)


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        read_service_json(tmp_path / "service.json")
    with pytest.raises(InputError, match="no file"):
        read_service_json(tmp_path)
    (tmp_path / "service.json").write_text('{"model_path": "model"}')
    assert read_service_json(tmp_path / "service.json").model_path == "model"


def test_keys_are_named_as_the_file_spells_them() -> None:
    assert [key_of(name) for name in ("name", "grace_s")] == ["name", "metadata.eas.termination_grace_period"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
KEYS = st.sampled_from(
    ["name", "token", "model_path", "processor", "metadata", "rpc", "rpc.keepalive", "metadata.rpc.keepalive", "eas"]
)
DOCUMENTS = st.dictionaries(KEYS, JSON | st.dictionaries(KEYS | st.text(max_size=8), JSON, max_size=4), max_size=6)


@given(DOCUMENTS)
@settings(deadline=None, max_examples=200)
def test_any_json_is_parsed_or_refused(document: dict[str, Any]) -> None:
    try:
        parsed = parse_text(json.dumps(document))
    except InputError:
        return
    assert all("\n" not in note for note in parsed.notes)


@given(st.binary(max_size=200) | st.text("{}[]\"':,/*\\u0123abc\n ", max_size=60).map(str.encode))
@settings(deadline=None, max_examples=300)
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    try:
        parse_service_json(data, FILE)
    except InputError:
        return


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "service.json"
    path.write_text("{}")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)  # the tests may run as root, who may read everything
    with pytest.raises(MissingError, match="permission denied"):
        read_service_json(path)
