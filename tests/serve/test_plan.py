"""What is in force: options over the environment over the service JSON over the defaults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tfkit.errors import InputError, UsageError
from tfkit.serve import ServeSettings, is_service_json, plan_service
from tfkit.serve.plan import ServicePlan
from tfkit.warmup.tf_serving import WARMUP_FILE


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TFKIT_TOKEN", raising=False)


def write(folder: Path, **document: Any) -> Path:
    path = folder / "service.json"
    path.write_text(json.dumps({"model_path": "model", "name": "digits", **document}))
    return path


def origin(plan: ServicePlan, name: str) -> str:
    return str(plan.as_dict()["settings"][name]["from"])


def test_options_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    path = write(tmp_path, metadata={"rpc": {"keepalive": 100, "worker_threads": 3}}, processor="tensorflow_cpu_2.4")
    plan = plan_service(path, keepalive_ms=200, processor="installed")
    settings = plan.settings
    assert (settings.keepalive_ms, settings.worker_threads, settings.max_queue_size) == (200, 3, 64)
    assert (settings.name, settings.processor) == ("digits", "installed")
    names = ("keepalive_ms", "worker_threads", "max_queue_size", "processor", "model", "model_entry")
    origins = [origin(plan, name) for name in names]
    assert origins == ["command line", "file", "default", "command line", "file", "default"]


def test_an_option_wins_even_with_the_default_s_value(tmp_path: Path) -> None:
    assert (
        plan_service(write(tmp_path, metadata={"rpc.keepalive": 100}), keepalive_ms=5000).settings.keepalive_ms == 5000
    )


def test_tokens_come_from_options_then_the_environment_then_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, token="of-file")
    plans = [plan_service(path)]
    monkeypatch.setenv("TFKIT_TOKEN", "of-environment")
    plans += [plan_service(path), plan_service(path, token="of-option")]
    assert [plan.settings.token for plan in plans] == ["of-file", "of-environment", "of-option"]
    assert [origin(plan, "token") for plan in plans] == ["file", "environment", "command line"]
    for plan in plans:
        assert plan.as_dict()["settings"]["token"]["value"] == "***"
        assert plan.settings.token not in repr(plan) + json.dumps(plan.as_dict())


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    path = write(tmp_path / "sub", model_path="../model", warm_up_data_path="warm_up.bin")
    plan = plan_service(path)
    assert (plan.model, plan.warm_up) == (str(tmp_path / "sub/../model"), (str(tmp_path / "sub/warm_up.bin"),))
    path = write(tmp_path, model_path="/models/digits", warm_up_data_path="https://host/warm_up.bin?x=1")
    plan = plan_service(path)
    assert (plan.model, plan.warm_up) == ("/models/digits", ("https://host/warm_up.bin?x=1",))
    assert plan.as_dict()["settings"]["warm_up"]["value"] == ["https://host/warm_up.bin"]
    assert plan_service(path, warm_up=["other.bin"]).warm_up == ("other.bin",)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"name": "a b"}, "name is 'a b': expected letters"),
        ({"metadata": {"rpc.keepalive": 0}}, "metadata.rpc.keepalive is 0: expected 1 to"),
        ({"metadata": {"rpc.worker_threads": 5000}}, "metadata.rpc.worker_threads is 5000: expected 1 to 1024"),
        ({"metadata": {"rpc.max_queue_size": -1}}, "metadata.rpc.max_queue_size is -1: expected 0 to"),
        ({"metadata": {"rpc.decompressor": "rar"}}, "metadata.rpc.decompressor is 'rar': expected one of gzip"),
        ({"metadata": {"eas.termination_grace_period": -1}}, "metadata.eas.termination_grace_period is -1"),
        ({"processor": "tensorflow_cpu_1.9"}, "no processor is named 'tensorflow_cpu_1.9'"),
        ({"processor": "pmml"}, "Known: tensorflow_cpu_1.12"),
        ({"processor": "pmml"}, "only EAS's TensorFlow processors run here"),
        ({"processor": "TENSORFLOW_CPU_1.15"}, "Did you mean 'tensorflow_cpu_1.15'?"),
    ],
)
def test_what_cannot_be_is_refused_in_the_file_s_own_words(
    tmp_path: Path, document: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        plan_service(write(tmp_path, **document))
    assert words in str(caught.value)
    assert "service.json: " in caught.value.message


def test_a_bad_value_does_not_matter_where_an_option_wins(tmp_path: Path) -> None:
    path = write(tmp_path, processor="pmml", metadata={"rpc.keepalive": 0})
    assert plan_service(path, processor="installed", keepalive_ms=1).settings.keepalive_ms == 1


def test_bad_options_are_usage_errors(tmp_path: Path) -> None:
    for options in ({"keepalive_ms": 0}, {"processor": "pmml"}, {"device": "tpu"}, {"gpu_memory_fraction": 1.5}):
        with pytest.raises(UsageError):
            plan_service(write(tmp_path), **options)
    with pytest.raises(UsageError, match="--name NAME"):
        plan_service(tmp_path / "a b.tar.gz")


def test_what_eas_requires_and_the_file_lacks_is_said(tmp_path: Path) -> None:
    path = tmp_path / "service.json"
    path.write_text('{"model_path": "digits.tar.gz"}')
    plan = plan_service(path)
    text = "\n".join(plan.notes)
    assert plan.settings.name == "digits"
    assert "no name, which EAS requires: here it is 'digits'" in text
    assert "no processor, which EAS requires: here it is 'installed'" in text
    assert "no token, so EAS makes one: here anyone may ask" in text
    path = write(tmp_path, token="secret", processor="tensorflow_cpu_2.7")
    assert plan_service(path).notes == ()


def test_a_model_named_itself_needs_no_file(tmp_path: Path) -> None:
    plan = plan_service(tmp_path / "digits.tar.gz", port=0)
    assert (plan.file, plan.notes, plan.settings.name, plan.settings.port) == (None, (), "digits", 0)
    assert origin(plan, "model") == "command line"


def write_model(folder: Path, *, warm_up: bool = False) -> Path:
    """What stands for a model as long as none is loaded, with TensorFlow Serving's warm-up file."""
    (folder / WARMUP_FILE).parent.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"\x08\x01")
    if warm_up:
        (folder / WARMUP_FILE).write_bytes(b"records")
    return folder


@pytest.mark.parametrize(
    ("given", "entry", "chosen"),
    [
        ("digits", "", "digits/10"),
        ("digits/2", "", "digits/2"),
        ("digits/2/saved_model.pb", "", "digits/2/saved_model.pb"),
        ("digits", "2", "digits"),
        ("plain", "", "plain"),
        ("nowhere", "", "nowhere"),
    ],
)
def test_of_versions_the_highest_is_served(tmp_path: Path, given: str, entry: str, chosen: str) -> None:
    for name in ("digits/2", "digits/10", "digits/v99", "plain/1", "plain"):
        write_model(tmp_path / name)
    (tmp_path / "digits" / "99").write_text("a file")
    plan = plan_service(tmp_path / given, model_entry=entry)
    assert (plan.model, plan.settings.name) == (str(tmp_path / chosen), given.partition("/")[0])


def test_a_version_that_is_no_model_is_not_passed_over(tmp_path: Path) -> None:
    """Nor is it by TensorFlow Serving."""
    write_model(tmp_path / "digits" / "2")
    (tmp_path / "digits" / "3").mkdir()
    with pytest.raises(InputError, match=r"digits/3 is no SavedModel") as caught:
        plan_service(tmp_path / "digits").check()
    assert caught.value.hint == f"{tmp_path}/digits/2 is the highest version that holds a model."


def test_a_version_that_is_a_link_does_not_change_the_name(tmp_path: Path) -> None:
    write_model(tmp_path / "store" / "af09")
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "5").symlink_to(tmp_path / "store" / "af09")
    plan = plan_service(tmp_path / "digits")
    assert (plan.model, plan.settings.name) == (str(tmp_path / "digits" / "5"), "digits")


def test_a_model_s_own_warm_up_file_is_replayed_unless_something_else_is_said(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", warm_up=True)
    plan = plan_service(model)
    assert (plan.warm_up, origin(plan, "warm_up")) == ((str(model / WARMUP_FILE),), "model")
    told: list[str] = []
    with plan.fetched(told.append) as settings:
        assert settings.warm_up == (model / WARMUP_FILE,)
    assert [str(WARMUP_FILE) in line and "--no-warm-up" in line for line in told] == [True]
    assert plan_service(model, warm_up=["other.bin"]).warm_up == ("other.bin",)
    for plan in (plan_service(model, no_warm_up=True), plan_service(write(tmp_path))):
        with plan.fetched(told.append) as settings:
            assert (plan.warm_up, settings.warm_up) == ((), ())
    plan = plan_service(write(tmp_path, warm_up_data_path="warm_up.bin"), no_warm_up=True)
    assert (plan.warm_up, origin(plan, "warm_up")) == ((), "command line")
    with pytest.raises(UsageError, match="exclude each other"):
        plan_service(model, warm_up=["other.bin"], no_warm_up=True)
    assert len(told) == 1


def test_every_setting_is_shown(tmp_path: Path) -> None:
    shown = set(plan_service(write(tmp_path)).as_dict()["settings"])
    of_settings = set(ServeSettings.__dataclass_fields__)
    assert shown == of_settings - {"origin", "stop_on_eof"} | {"model_entry"}


def test_settings_of_what_is_on_this_machine_need_no_folder(tmp_path: Path) -> None:
    with plan_service(write(tmp_path), model_entry="1").fetched() as settings:
        assert settings.model == tmp_path / "model"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("service.json", b"anything", True),
        ("service", b' \n// comment\n/* and * another */ {"name": 1}', True),
        ("service.txt", b'\xef\xbb\xbf{"name": 1}', True),
        ("graph.pb", b"\n{", False),
        ("graph", b"\n{\n\x08x\x12\x01", False),
        ("model.pbtxt", b"{", False),
        ("words.txt", b"red\n{", False),
        ("comments", b"/**/" * 1000, False),
        ("empty", b"", False),
    ],
)
def test_service_jsons_are_told_from_models(tmp_path: Path, name: str, content: bytes, expected: bool) -> None:
    (tmp_path / name).write_bytes(content)
    assert is_service_json(str(tmp_path / name)) == expected


def test_folders_urls_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    assert not is_service_json(str(tmp_path / "folder.json"))
    assert not is_service_json("https://host/service.json")
    assert is_service_json(str(tmp_path / "missing.json"))
    with pytest.raises(InputError, match=r"missing.json is no file: expected a service JSON"):
        plan_service(tmp_path / "missing.json")
