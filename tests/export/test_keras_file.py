"""Files that are read, and files that are refused with what they are and what to do; Keras is not needed for either."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import pytest

from tfkit.errors import ModelError, UsageError
from tfkit.export.live.keras_file import read_keras_file

SAMPLES = Path(__file__).parents[2] / "sample_models"
MLP = SAMPLES / "digits_mlp.keras"


def rewrite(path: Path, *, without=(), **members) -> Path:
    """A copy of the MLP's file with other members."""
    with zipfile.ZipFile(MLP) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            if name not in members and name not in without:
                target.writestr(name, source.read(name))
        for name, data in members.items():
            target.writestr(name, data)
    return path


def with_layer(path: Path, layer: dict) -> Path:
    """A copy of the MLP's file with a further layer in its configuration."""
    with zipfile.ZipFile(MLP) as source:
        config = json.loads(source.read("config.json"))
    config["config"]["layers"].append(layer)
    return rewrite(path, **{"config.json": json.dumps(config)})


@pytest.mark.parametrize("name", ["digits_mlp", "digits_cnn", "penguins"])
def test_a_keras_file_is_read_without_keras(name):
    code = (
        "import sys; from pathlib import Path; from tfkit.export.live.keras_file import read_keras_file;"
        "file = read_keras_file(Path(sys.argv[1])); print(file.keras_version, len(file.sha256));"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, SAMPLES / f"{name}.keras"], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split()[1] == "64"


def folder_with(*names):
    def make(path: Path) -> Path:
        path.mkdir()
        for name in names:
            (path / name).write_bytes(b"")
        return path

    return make


def file_with(data: bytes):
    def make(path: Path) -> Path:
        path.write_bytes(data)
        return path

    return make


@pytest.mark.parametrize(
    ("name", "make", "problem", "hint"),
    [
        ("m.keras", lambda path: path, "there is no file", ""),
        ("model", folder_with("config.json", "model.weights.h5"), "unpacked Keras model", "zip -r"),
        ("model", folder_with(), "holds no model", ""),
        ("ckpt.index", file_with(b"abc"), "part of a checkpoint", "copy all of them"),
        ("m.tflite", file_with(b"\x20\0\0\0TFL3"), "TensorFlow Lite", "Export the model"),
        ("m.keras", file_with(b""), "it is empty", ""),
        ("m.keras", file_with(b"hello world"), "starts with the bytes b'hello wo'", ""),
        ("m.zip", rewrite, "is a zip archive", "rename"),
    ],
)
def test_other_sources_are_named(tmp_path, name, make, problem, hint):
    path = make(tmp_path / name)
    with pytest.raises(ModelError, match=problem) as error:
        read_keras_file(path)
    assert str(path) in error.value.message
    assert hint in error.value.hint


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99, 0.9999])
def test_a_file_that_is_cut_off_is_damaged(tmp_path, share):
    path = tmp_path / "m.keras"
    data = MLP.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError, match="damaged"):
        read_keras_file(path)


def test_a_changed_byte_in_the_weights_is_found(tmp_path):
    path = tmp_path / "m.keras"
    data = bytearray(MLP.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"damaged: Bad CRC-32 for file 'model.weights.h5'"):
        read_keras_file(path)


def test_a_configuration_that_is_not_json_is_damage(tmp_path):
    path = rewrite(tmp_path / "m.keras", **{"config.json": "{"})
    with pytest.raises(ModelError, match=r"its config.json is not JSON"):
        read_keras_file(path)


@pytest.mark.parametrize(
    ("missing", "problem"),
    [("config.json", "without config.json"), ("metadata.json", "without metadata"), ("model.weights.h5", "no weights")],
)
def test_a_part_that_is_missing_is_named(tmp_path, missing, problem):
    path = rewrite(tmp_path / "m.keras", without=[missing])
    with pytest.raises(ModelError, match=problem):
        read_keras_file(path)


def test_an_archive_that_would_fill_the_memory_is_refused(tmp_path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("config.json", "metadata.json"):
            archive.writestr(name, "{}")
        with archive.open("model.weights.h5", "w") as member:
            for _ in range(1100):
                member.write(bytes(1 << 20))
    with pytest.raises(ModelError, match="would unpack to"):
        read_keras_file(path)


def test_a_path_that_leads_out_of_the_archive_is_refused(tmp_path):
    path = rewrite(tmp_path / "m.keras", **{"assets/../../evil": "x"})
    with pytest.raises(ModelError, match="leads out"):
        read_keras_file(path)


@pytest.mark.parametrize(
    ("layer", "problem"),
    [
        (
            {"module": "mine", "class_name": "Wave", "config": {"name": "wave_1"}, "registered_name": "mine>Wave"},
            "layer 'wave_1' of class Wave (module mine)",
        ),
        (
            {"module": None, "class_name": "Wave", "config": {"name": "wave_1"}, "registered_name": "Wave"},
            "layer 'wave_1' of class Wave",
        ),
        (
            {
                "module": "keras.layers",
                "class_name": "Lambda",
                "config": {"name": "twice", "function": {"class_name": "__lambda__", "config": {"value": "4wE="}}},
            },
            "Python code (a lambda) in layer 'twice'",
        ),
        (
            {
                "module": "keras.layers",
                "class_name": "Dense",
                "config": {
                    "name": "d",
                    "activation": {
                        "module": "__main__",
                        "class_name": "function",
                        "config": "swoosh",
                        "registered_name": "swoosh",
                    },
                },
            },
            "function swoosh (module __main__) in layer 'd'",
        ),
    ],
)
def test_code_that_the_file_does_not_hold_is_named(tmp_path, layer, problem):
    with pytest.raises(ModelError, match="needs code of its author") as error:
        read_keras_file(with_layer(tmp_path / "m.keras", layer))
    assert problem in error.value.message
    assert "tfkit.export_model(model" in error.value.hint


def save_custom(path: Path):
    """Runs in the process that holds Keras: a model with everything that a file cannot hold."""
    import keras

    class Wave(keras.layers.Layer):
        def call(self, x):
            return keras.ops.sin(x)

    def swoosh(x):
        return x * keras.ops.sigmoid(x)

    layers = keras.layers
    keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(3, activation=swoosh, name="first"),
            layers.Dense(3, activation="gelu", kernel_regularizer=keras.regularizers.L2(0.1)),
            layers.Lambda(lambda x: x + 1, name="plus_one"),
            Wave(name="wave"),
        ]
    ).save(path)


def test_a_file_that_keras_wrote_with_such_code_is_refused_with_all_of_it(tmp_path, in_keras):
    in_keras(save_custom, tmp_path / "m.keras")
    with pytest.raises(ModelError) as error:
        read_keras_file(tmp_path / "m.keras")
    assert error.value.message == (
        f"{tmp_path}/m.keras needs code of its author: function swoosh in layer 'first'; "
        "Python code (a lambda) in layer 'plus_one'; layer 'wave' of class Wave (module tests.export.test_keras_file)"
    )


def test_functions_and_classes_of_keras_are_no_such_code(tmp_path):
    layer = {
        "module": "keras.layers",
        "class_name": "Dense",
        "config": {
            "name": "d",
            "activation": {
                "module": "builtins",
                "class_name": "function",
                "config": "relu",
                "registered_name": "function",
            },
            "kernel_initializer": {"module": "keras.initializers", "class_name": "GlorotUniform", "config": {}},
        },
    }
    assert read_keras_file(with_layer(tmp_path / "m.keras", layer)).keras_version


def test_a_custom_loss_does_not_matter(tmp_path):
    with zipfile.ZipFile(MLP) as source:
        config = json.loads(source.read("config.json"))
    config["compile_config"] = {"loss": {"module": "mine", "class_name": "Loss", "config": {}}}
    assert read_keras_file(rewrite(tmp_path / "m.keras", **{"config.json": json.dumps(config)}))


def load(path: Path):
    """Runs in the process that holds Keras."""
    from tfkit.export.live.frameworks import import_frameworks
    from tfkit.export.live.keras_model import load_model

    return load_model(import_frameworks(), read_keras_file(path)).name


def register_and_read(path: Path):
    import keras

    @keras.saving.register_keras_serializable("mine")
    class Wave(keras.layers.Layer):
        pass

    return read_keras_file(path).keras_version


def test_keras_own_functions_are_all_known(in_keras):
    from tfkit.export.live.keras_config import _ACTIVATIONS

    assert in_keras(activations) <= _ACTIVATIONS


def activations():
    import keras

    names = vars(keras.activations)
    return {name for name in names if not name.startswith("_")} - {"deserialize", "get", "serialize"}


def test_a_class_that_is_registered_in_the_process_is_known(tmp_path, in_keras):
    layer = {"module": "mine", "class_name": "Wave", "config": {"name": "wave_1"}, "registered_name": "mine>Wave"}
    assert in_keras(register_and_read, with_layer(tmp_path / "m.keras", layer))


def test_weights_that_do_not_fit_are_keras_own_error_in_one_line(tmp_path, in_keras):
    with zipfile.ZipFile(SAMPLES / "digits_cnn.keras") as other:
        weights = other.read("model.weights.h5")
    path = rewrite(tmp_path / "m.keras", **{"model.weights.h5": weights})
    with pytest.raises(ModelError, match=r"Keras 3\.\d+\.\d+ cannot load .*m\.keras: ") as error:
        in_keras(load, path)
    assert "\n" not in error.value.message
    assert "was written by Keras 3." in error.value.hint


def linked_weights() -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_group("layers/dense/vars")["0"] = h5py.ExternalLink("/etc/other.h5", "x")
    return content.getvalue()


def test_a_configuration_that_asks_for_more_than_there_is_is_refused(tmp_path, in_keras):
    with zipfile.ZipFile(MLP) as source:
        config = json.loads(source.read("config.json"))
    next(each for each in config["config"]["layers"] if each["class_name"] == "Dense")["config"]["units"] = 10**9
    path = rewrite(tmp_path / "m.keras", **{"config.json": json.dumps(config)})
    with pytest.raises(ModelError, match=r"asks for a weight of shape .*, 1000000000"):
        in_keras(export_file, path, tmp_path / "out")


def test_weights_that_lead_out_of_the_archive_are_refused(tmp_path, in_keras):
    path = rewrite(tmp_path / "m.keras", **{"model.weights.h5": linked_weights()})
    with pytest.raises(ModelError, match=r"m\.keras \(model\.weights\.h5\): /layers/dense/vars/0 is a link"):
        in_keras(export_file, path, tmp_path / "out")
    assert [each.name for each in tmp_path.iterdir()] == ["m.keras"]


def export_file(path, output):
    import tfkit

    tfkit.export_model(path, output)


def test_an_object_that_is_no_model_is_refused(tmp_path, in_keras):
    with pytest.raises(UsageError, match=r"an object of builtins\.dict"):
        in_keras(export_object, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def export_object(output):
    import tfkit

    tfkit.export_model({}, output)
