"""Checkpoints of TensorFlow 1, written by the real old versions: found, cut down, run, compared."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cramjam
import pytest

from tests.old_sources.tf1_graphs.recorded import BY_HAND, CNN, LSTM, PIPELINE, TRAINED, WORDS, Trained
from tests.runtimes import installed_runtime
from tfkit import proto
from tfkit.errors import InputError, ModelError, SignatureError, UsageError
from tfkit.export import ExportReport, export_everywhere, export_model
from tfkit.proto.wire import write_varint
from tfkit.runtime import Runtime
from tfkit.savedmodel.reader import read_metagraphs
from tfkit.savedmodel.table import read_table

TABLE_MAGIC = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
SERVING = CNN.options


def copied(trained: Trained, folder: Path) -> Path:
    shutil.copytree(trained.folder, folder)
    return folder


def edited(folder: Path, edit: Callable[[Any], None]) -> Path:
    """The folder, its graphs changed."""
    for file in folder.glob("*.meta"):
        message = proto.message("tensorflow.MetaGraphDef").FromString(file.read_bytes())
        edit(message)
        file.write_bytes(message.SerializeToString())
    return folder


def exported(source: Path, folder: Path, **options: Any) -> ExportReport:
    return export_model(source, folder, **{"verify": False, **options})


def ops(folder: Path) -> list[str]:
    saved = proto.message("tensorflow.SavedModel").FromString((folder / "saved_model.pb").read_bytes())
    return [node.op for node in saved.meta_graphs[0].graph_def.node]


@pytest.mark.parametrize("trained", TRAINED, ids=str)
def test_a_checkpoint_gives_what_was_recorded(trained: Trained, runtime: Runtime, tmp_path: Path) -> None:
    report = export_model(trained.folder, tmp_path / "out", output_tensors=trained.outputs, **trained.options)

    assert report.source.kind == "TensorFlow 1 checkpoint"
    assert not report.check.skipped
    trained.check(runtime.load(tmp_path / "out").predict(trained.inputs))


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("processor", ["tensorflow_cpu_1.15", "tensorflow_cpu_2.7"])
def test_a_checkpoint_gives_what_was_recorded_on_processors(processor: str, tmp_path: Path) -> None:
    installed_runtime(processor)
    with Runtime(processor) as old:
        for trained in TRAINED:
            output = tmp_path / str(trained)
            export_model(trained.folder, output, processor=processor, output_tensors=trained.outputs, **trained.options)
            trained.check(old.load(output).predict(trained.inputs))


def test_the_export_imports_no_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys, tfkit; tfkit.export_model(sys.argv[1], sys.argv[2], fixed={'is_training': False});"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, CNN.folder, tmp_path / "out"], timeout=120, check=True)


# --- which checkpoint


@pytest.mark.parametrize("name", ["", "model.ckpt-20", "model.ckpt-20.meta", "model.ckpt-20.data-00000-of-00001"])
def test_a_folder_a_prefix_or_a_file_lead_to_the_checkpoint(tmp_path: Path, name: str) -> None:
    report = exported(CNN.folder / name, tmp_path / "out", **SERVING)

    assert report.source.name == "model.ckpt-20"
    assert ("of 2 checkpoints, 'model.ckpt-20' is the one that checkpoint names" in report.notes) == (not name)


def test_the_state_files_paths_of_another_machine_are_looked_for_in_the_folder(tmp_path: Path) -> None:
    folder = copied(CNN, tmp_path / "run")
    (folder / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/run/model.ckpt-10"\n')

    assert exported(folder, tmp_path / "out", **SERVING).source.name == "model.ckpt-10"


@pytest.mark.parametrize("state", [None, "", 'model_checkpoint_path: "model.ckpt-99"', "all_model_checkpoint_paths: 7"])
def test_without_the_state_file_the_newest_step_is_taken(tmp_path: Path, state: str | None) -> None:
    folder = copied(CNN, tmp_path / "run")
    (folder / "checkpoint").unlink() if state is None else (folder / "checkpoint").write_text(state)

    report = exported(folder, tmp_path / "out", **SERVING)

    assert report.source.name == "model.ckpt-20"
    assert any("'model.ckpt-20' has the newest step" in note for note in report.notes)


def test_a_checkpoint_whose_files_have_no_name_but_endings(tmp_path: Path) -> None:
    folder = tmp_path / "nameless"
    folder.mkdir()
    for file in CNN.folder.glob("model.ckpt-20*"):
        shutil.copy(file, folder / file.name.removeprefix("model.ckpt-20"))
    (folder / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/runs/7/"\n')

    report = exported(folder, tmp_path / "out", verify=True, **SERVING)

    assert report.source.name == "nameless"
    assert (tmp_path / "out" / "variables" / "variables.index").is_file()


def test_variables_stay_the_files_that_they_are(tmp_path: Path) -> None:
    exported(WORDS.folder, tmp_path / "out")

    for ending in ("index", "data-00000-of-00002", "data-00001-of-00002"):
        written = tmp_path / "out" / "variables" / f"variables.{ending}"
        source = WORDS.folder / f"model.ckpt-20.{ending}"
        assert written.read_bytes() == source.read_bytes()
        assert written.stat().st_ino == source.stat().st_ino or written.stat().st_dev != source.stat().st_dev


def test_an_index_whose_blocks_are_packed_is_read_and_kept(runtime: Runtime, tmp_path: Path) -> None:
    folder = copied(LSTM, tmp_path / "run")
    index = folder / "model.ckpt-20.index"
    index.write_bytes(packed_table(list(read_table(index.read_bytes()))))

    exported(folder, tmp_path / "out", output_tensors=LSTM.outputs)

    assert (tmp_path / "out" / "variables" / "variables.index").read_bytes() == index.read_bytes()
    LSTM.check(runtime.load(tmp_path / "out").predict(LSTM.inputs))


def packed_table(entries: list[tuple[bytes, bytes]]) -> bytes:
    """A sorted string table of one block, packed with snappy, as TensorFlow itself reads it."""
    data = packed_block([(key, value) for key, value in entries])
    index = packed_block([(entries[-1][0], write_varint(0) + write_varint(len(data) - 5))])
    meta = packed_block([])
    places = (len(data) + len(index), len(meta) - 5, len(data), len(index) - 5)
    return data + index + meta + b"".join(map(write_varint, places)).ljust(40, b"\0") + TABLE_MAGIC


def packed_block(entries: list[tuple[bytes, bytes]]) -> bytes:
    plain = b"".join(
        write_varint(0) + write_varint(len(key)) + write_varint(len(value)) + key + value for key, value in entries
    ) + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")  # fmt: skip
    block = bytes(cramjam.snappy.compress_raw(plain)) + b"\x01"
    checksum = crc32c(block)
    masked = ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFF_FFFF
    return block + masked.to_bytes(4, "little")


def crc32c(data: bytes) -> int:
    checksum = 0xFFFF_FFFF
    for byte in data:
        checksum ^= byte
        for _ in range(8):
            checksum = checksum >> 1 ^ (0x82F6_3B78 if checksum & 1 else 0)
    return checksum ^ 0xFFFF_FFFF


# --- inputs and outputs


def test_a_training_switch_has_to_be_fixed_or_named(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match=r"is_training:0 .* chooses between training and serving") as caught:
        exported(CNN.folder, tmp_path / "out")

    assert "--set is_training=false" in caught.value.hint
    assert "--input-tensor images=images:0 --input-tensor is_training=is_training:0" in caught.value.hint


def test_inputs_and_outputs_are_found_and_said(tmp_path: Path) -> None:
    report = exported(CNN.folder, tmp_path / "out", **SERVING)

    assert [spec.name for spec in report.signature.inputs] == ["images"]
    assert [spec.name for spec in report.signature.outputs] == ["probabilities"]
    assert "input 'images' was found: images:0" in report.notes
    assert "output 'probabilities' was found: probabilities:0 (Softmax)" in report.notes


@pytest.mark.parametrize(
    ("trained", "options", "output"),
    [(LSTM, {}, "BiasAdd"), (BY_HAND, BY_HAND.options, "add"), (WORDS, {}, "scores")],
    ids=["lstm", "cnn_by_hand", "words"],
)
def test_logits_that_only_the_loss_takes_are_found(
    trained: Trained, options: dict[str, Any], output: str, tmp_path: Path
) -> None:
    report = exported(trained.folder, tmp_path / "out", **options)

    assert [spec.name for spec in report.signature.outputs] == [output]


def test_outputs_that_are_not_clear_are_listed_with_the_option_to_give(tmp_path: Path) -> None:
    def hide_names(message: Any) -> None:
        """Takes its likely name from the better candidate, and gives it to another."""
        for node in message.graph_def.node:
            if node.name == "probabilities":
                node.op = "Sigmoid"
            node.name = {"probabilities": "scores", "is_training": "is_training"}.get(node.name, node.name)
            for at, text in enumerate(node.input):
                node.input[at] = "scores" if text == "probabilities" else text
        other = message.graph_def.node.add(name="more/predictions", op="Sigmoid", input=["classes/BiasAdd"])
        other.attr["T"].type = 1

    folder = edited(copied(CNN, tmp_path / "run"), hide_names)

    with pytest.raises(SignatureError, match="tensors of the graph may be its outputs") as caught:
        exported(folder, tmp_path / "out", **SERVING)

    lines = caught.value.hint.splitlines()
    assert "  --output-tensor scores=scores:0   Sigmoid, float32[?, 3]" in lines
    assert any(line.startswith("  --output-tensor predictions=more/predictions:0   Sigmoid") for line in lines)


def test_inputs_get_other_names(tmp_path: Path) -> None:
    report = exported(CNN.folder, tmp_path / "out", rename={"images": "x", "probabilities:0": "y"}, **SERVING)

    assert report.renamed == {"images": "x", "probabilities": "y"}
    assert [spec.name for spec in (*report.signature.inputs, *report.signature.outputs)] == ["x", "y"]


def test_any_tensor_becomes_an_input(runtime: Runtime, tmp_path: Path) -> None:
    """What is before it is cut off, the convolutions' variables with it."""
    exported(
        CNN.folder, tmp_path / "out", input_tensors={"features": "flatten/Reshape:0"},
        output_tensors={"scores": "classes/BiasAdd"}, **SERVING,
    )  # fmt: skip

    assert "Conv2D" not in ops(tmp_path / "out")
    assert ops(tmp_path / "out").count("VariableV2") == 2
    assert str(read_metagraphs(tmp_path / "out")[0].signatures["serving_default"].inputs[0]) == "float32[?, 24]"


def test_an_input_pipeline_is_cut_off_where_the_user_says(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match="input pipeline of training, at IteratorGetNext:0") as caught:
        exported(PIPELINE.folder, tmp_path / "out")
    assert "--input-tensor input_0=IteratorGetNext:0" in caught.value.hint

    report = exported(PIPELINE.folder, tmp_path / "out", input_tensors={"rows": "IteratorGetNext:0"})

    assert [str(spec) for spec in report.signature.inputs] == ["float32[?, 10]"]
    assert "training has its default; --input-tensor makes it an input" in report.notes
    assert not [op for op in ops(tmp_path / "out") if "Iterator" in op or "Dataset" in op or "Random" in op]


def test_a_placeholder_with_a_default_can_be_an_input(tmp_path: Path) -> None:
    inputs = {"rows": "IteratorGetNext:0", "training": "training:0"}

    report = exported(PIPELINE.folder, tmp_path / "out", input_tensors=inputs)

    assert [spec.name for spec in report.signature.inputs] == ["rows", "training"]
    assert "PlaceholderWithDefault" in ops(tmp_path / "out")


def test_signatures_that_the_graph_brings_are_used(runtime: Runtime, tmp_path: Path) -> None:
    def add_signatures(message: Any) -> None:
        for name, output in (("classify", "probabilities:0"), ("embed", "flatten/Reshape:0")):
            signature = message.signature_def[name]
            signature.method_name = "tensorflow/serving/predict"
            signature.inputs["x"].name, signature.outputs["y"].name = "images:0", output

    folder = edited(copied(CNN, tmp_path / "run"), add_signatures)

    exported(folder, tmp_path / "both", **SERVING)
    exported(folder, tmp_path / "one", signature="embed", **SERVING)

    assert sorted(read_metagraphs(tmp_path / "both")[0].signatures) == ["classify", "embed"]
    assert sorted(read_metagraphs(tmp_path / "one")[0].signatures) == ["embed"]
    with pytest.raises(SignatureError, match="no signature 'clasify'") as caught:
        exported(folder, tmp_path / "none", signature="clasify", **SERVING)
    assert "Did you mean 'classify'?" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"fixed": {"is_trainin": False}}, "no placeholder 'is_trainin' to set", "Did you mean 'is_training'?"),
        ({"fixed": {"probabilities": 1}}, "'probabilities' is no placeholder but computed", "is_training"),
        ({"fixed": {"is_training": 3}}, "takes bool: 3 is none", ""),
        ({"fixed": {"is_training": [True, False]}}, r"is bool\[\]: it cannot be set", ""),
        ({"output_tensors": {"y": "probabilitys:0"}}, "no tensor 'probabilitys:0'", "'probabilities:0' or"),
        ({"output_tensors": {"y": "probabilities:3"}}, "has no output 3", ""),
        ({"output_tensors": {"y": "a:b:c"}}, "is no tensor's name", ""),
        ({"input_tensors": {"x": "labels:0"}, **SERVING}, "more than the inputs given: images:0", "--input-tensor"),
        (
            {"input_tensors": {"x": "images:0", "labels": "labels:0"}, **SERVING},
            "no output hangs on input 'labels'",
            "Leave it out",
        ),
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit_are_refused(options: dict[str, Any], message: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match=message) as caught:
        exported(CNN.folder, tmp_path / "out", **options)

    assert hint in caught.value.hint
    assert caught.value.exit_code == 3
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [{"tags": ["train"]}, {"merge": ["a", "b"]}], ids=["tags", "merge"])
def test_options_of_other_sources_are_refused(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="means nothing for a TensorFlow 1 checkpoint"):
        exported(CNN.folder, tmp_path / "out", **options)


# --- what is left out


def test_what_only_training_needs_is_left_out(tmp_path: Path) -> None:
    exported(CNN.folder, tmp_path / "out", **SERVING)

    left = set(ops(tmp_path / "out"))
    assert not left & {
        "Switch",
        "Merge",
        "RandomUniform",
        "ApplyMomentum",
        "SaveV2",
        "MergeSummary",
        "HistogramSummary",
    }
    assert ops(tmp_path / "out").count("RestoreV2") == 1
    saved = json.loads((tmp_path / "out" / "assets.extra" / "tfkit" / "export.json").read_text())
    assert saved["source"]["kind"] == "TensorFlow 1 checkpoint"


def test_a_variable_that_the_saver_leaves_out_is_restored_by_its_name(runtime: Runtime, tmp_path: Path) -> None:
    def forget_saver(message: Any) -> None:
        message.ClearField("saver_def")

    folder = edited(copied(CNN, tmp_path / "run"), forget_saver)

    exported(folder, tmp_path / "out", output_tensors=CNN.outputs, **SERVING)

    CNN.check(runtime.load(tmp_path / "out").predict(CNN.inputs))


def test_variables_that_were_never_saved_are_named(tmp_path: Path) -> None:
    def rename(message: Any) -> None:
        message.ClearField("saver_def")
        for node in message.graph_def.node:
            node.name = node.name.replace("classes/kernel", "classes/weights")
            node.input[:] = [text.replace("classes/kernel", "classes/weights") for text in node.input]
            for text in [*node.attr["_class"].list.s]:
                node.attr["_class"].list.s.remove(text)

    folder = edited(copied(CNN, tmp_path / "run"), rename)

    with pytest.raises(ModelError, match=r"'classes/weights', float32\[.*\], is not in the checkpoint") as caught:
        exported(folder, tmp_path / "out", output_tensors=CNN.outputs, **SERVING)
    assert "leaves variables out" in caught.value.hint


def test_a_graph_in_text_form_is_read(tmp_path: Path) -> None:
    from google.protobuf import text_format

    folder = copied(CNN, tmp_path / "run")
    for file in folder.glob("*.meta"):
        message = proto.message("tensorflow.MetaGraphDef").FromString(file.read_bytes())
        file.write_text(text_format.MessageToString(message))

    report = exported(folder, tmp_path / "out", **SERVING)

    assert [spec.name for spec in report.signature.outputs] == ["probabilities"]


def test_what_is_printed_on_its_way_is_no_output(tmp_path: Path) -> None:
    def show(message: Any) -> None:
        for node in message.graph_def.node:
            if node.name == "probabilities":
                printed = message.graph_def.node.add(name="shown", op="Print", input=[node.input[0], node.input[0]])
                printed.attr["T"].type = 1
                printed.attr["U"].list.type.append(1)
                node.input[0] = "shown"

    report = exported(edited(copied(CNN, tmp_path / "run"), show), tmp_path / "out", **SERVING)

    assert [spec.name for spec in report.signature.outputs] == ["probabilities"]


def test_a_vocabulary_that_lies_elsewhere_is_taken_along_and_said(tmp_path: Path) -> None:
    folder, elsewhere = copied(WORDS, tmp_path / "run"), tmp_path / "data" / "words.txt"
    elsewhere.parent.mkdir()
    (folder / "vocabulary.txt").rename(elsewhere)

    def move(message: Any) -> None:
        for node in message.graph_def.node:
            texts = node.attr["value"].tensor.string_val
            if len(texts) == 1 and texts[0].endswith(b"vocabulary.txt"):
                texts[0] = str(elsewhere).encode()

    report = exported(edited(folder, move), tmp_path / "out")

    assert f"{elsewhere} goes with the model, as assets/words.txt: a table is filled from it" in report.notes


def test_what_needs_no_model_is_refused_before_one_is_read(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").touch()

    with pytest.raises(InputError, match="exists and is no SavedModel"):
        exported(tmp_path / "gone.meta", tmp_path / "out")
    with pytest.raises(InputError, match="exists and is no SavedModel"):
        export_everywhere(tmp_path / "gone.meta", tmp_path / "out", verify=False)


def test_updates_that_an_output_waits_for_are_not_served(tmp_path: Path) -> None:
    def wait(message: Any) -> None:
        updates = message.collection_def["update_ops"].node_list.value
        for node in message.graph_def.node:
            if node.name == "probabilities":
                node.input.extend(f"^{name.partition(':')[0]}" for name in updates)

    folder = edited(copied(CNN, tmp_path / "run"), wait)

    exported(folder, tmp_path / "out", **SERVING)

    assert not {"AssignSub", "AssignSubVariableOp"} & set(ops(tmp_path / "out"))
