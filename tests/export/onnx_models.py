"""Functions that are exported to ONNX, and what runs in the process that holds TensorFlow; see ``test_onnx.py``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfkit.export.onnx.pipeline import export_onnx

Calls = Sequence[dict[str, Any]]


def save(function: Callable[..., Any], folder: str, calls: Calls) -> list[dict[str, Any]]:
    """Writes a function as a SavedModel and gives what it answers; a size that differs between calls is left open."""
    import tensorflow as tf

    specs = {
        name: tf.TensorSpec([_size(each) for each in zip(*(np.shape(call[name]) for call in calls), strict=True)],
                            np.asarray(calls[0][name]).dtype.name if np.asarray(calls[0][name]).dtype.kind != "O"
                            else "string", name=name)
        for name in calls[0]
    }  # fmt: skip
    module = tf.Module()
    module.kept, serve = function(tf)
    module.serve = tf.function(serve, input_signature=list(specs.values()))
    tf.saved_model.save(module, folder, signatures=module.serve)
    return [
        {name: tensor.numpy() for name, tensor in module.serve(*map(tf.constant, call.values())).items()}
        for call in calls
    ]


def _size(sizes: tuple[int, ...]) -> int | None:
    return sizes[0] if len(set(sizes)) == 1 else None


def convert(function: Callable[..., Any], folder: Path, calls: Calls, **options: Any) -> list[tuple[Any, Any]]:
    """Exports a function; what its own answers to some calls are, and those of the ONNX model."""
    import onnxruntime

    expected = save(function, str(folder / "saved"), calls)
    output = folder / "model.onnx"
    export_onnx(folder / "saved", output, inputs=calls[0], **options)
    session = onnxruntime.InferenceSession(output, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_outputs()]
    arrays = [{name: np.asarray(value) for name, value in call.items()} for call in calls]
    answers = [dict(zip(names, session.run(None, each), strict=True)) for each in arrays]
    return list(zip(expected, answers, strict=True))


def export(source: Path, output: Path, **options: Any) -> Any:
    """Exports in this process; the report as plain values."""
    return export_onnx(source, output, **options).as_dict()


def save_only(function: Callable[..., Any], folder: Path, calls: Calls) -> None:
    """Writes a function as a SavedModel."""
    save(function, str(folder), calls)


# --- branches and loops


def recurrent(tf: Any) -> Any:
    """A loop that reads a variable, with a branch in it that reads another."""
    w = tf.Variable(np.linspace(-0.5, 0.5, 9).reshape(3, 3).astype("float32"))
    scale = tf.Variable(0.5)

    def serve(x: Any) -> dict[str, Any]:
        def turn(at: Any, state: Any) -> Any:
            new = tf.tanh(state @ w + x[:, at])
            return at + 1, tf.cond(tf.reduce_sum(new) > 0, lambda: new, lambda: new * scale)

        _, state = tf.while_loop(lambda at, _: at < tf.shape(x)[1], turn, [0, tf.zeros_like(x[:, 0])])
        return {"y": state}

    return [w, scale], serve


def chosen(tf: Any) -> Any:
    """One of three branches, each with a variable of its own."""
    parts = [tf.Variable(float(value)) for value in (2, 3, 5)]

    def serve(x: Any, which: Any) -> dict[str, Any]:
        return {"y": tf.switch_case(which, [lambda part=part: x * part for part in parts])}

    return parts, serve


def raw_loop(tf: Any) -> Any:
    """A loop that counts down, by no counter of TensorFlow's own."""

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.float32)])
    def goes_on(left: Any, _: Any) -> Any:
        return left > 0

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.float32)])
    def turn(left: Any, total: Any) -> Any:
        return left - 2, total + tf.cast(left, tf.float32)

    def serve(start: Any, x: Any) -> dict[str, Any]:
        left, total = tf.raw_ops.While(
            input=[start, x], cond=goes_on.get_concrete_function(), body=turn.get_concrete_function()
        )
        return {"left": left, "total": total}

    return [], serve


# --- tables


def texts(tf: Any) -> Any:
    """A table of texts to floats, one of whole numbers to texts, and the size of one."""
    keys = tf.constant(["a", "b", "grün"])
    floats = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, [1.5, 2.5, 3.5]), -1.0)
    names = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(tf.constant([7, 2**40], tf.int64), tf.constant(["seven", "many"])), "?"
    )

    def serve(text: Any, number: Any) -> dict[str, Any]:
        return {
            "value": floats.lookup(text), "name": names.lookup(number), "size": floats.size() + 0 * number[0],
            "is": text == "a", "is_not": tf.not_equal("grün", text),
        }  # fmt: skip

    return [floats, names], serve


# --- operations that tf2onnx leaves, or converts to something else


def tails(tf: Any) -> Any:
    def serve(x: Any, wide: Any) -> dict[str, Any]:
        return {
            "erfc": tf.math.erfc(x), "erfc64": tf.math.erfc(wide), "erf64": tf.math.erf(wide),
            "expm1": tf.math.expm1(x), "log1p": tf.math.log1p(tf.abs(x)), "lgamma": tf.math.lgamma(x + 0.25),
            "digamma": tf.math.digamma(x + 0.25),
        }  # fmt: skip

    return [], serve


def divided(tf: Any) -> Any:
    def serve(x: Any, y: Any) -> dict[str, Any]:
        return {
            "floor_mod": x % y, "floor_div": x // y, "less": x < y + 2**40 + 1 - 2**40,
            "truncate_mod": tf.truncatemod(x, y),
        }  # fmt: skip

    return [], serve


def segmented(tf: Any) -> Any:
    def serve(x: Any, ids: Any) -> dict[str, Any]:
        ordered = tf.sort(tf.abs(ids))
        return {
            "sum": tf.math.unsorted_segment_sum(x, ids, 5), "max": tf.math.unsorted_segment_max(x, ids, 5),
            "min": tf.math.unsorted_segment_min(x, ids, 5), "sorted_max": tf.math.segment_max(x, ordered),
            "mean": tf.math.segment_mean(x, ordered), "prod": tf.math.segment_prod(x, ordered),
            "sparse": tf.sparse.segment_mean(x, tf.range(tf.shape(ids)[0]), ordered),
            "root": tf.sparse.segment_sqrt_n(x, tf.range(tf.shape(ids)[0]), ordered, num_segments=9),
        }  # fmt: skip

    return [], serve


def coloured(tf: Any) -> Any:
    def serve(x: Any) -> dict[str, Any]:
        hsv = tf.image.rgb_to_hsv(x)
        return {"hsv": hsv, "rgb": tf.image.hsv_to_rgb(hsv), "saturated": tf.image.adjust_saturation(x, 1.7)}

    return [], serve


def signs(tf: Any) -> Any:
    def serve(x: Any) -> dict[str, Any]:
        bits = tf.bitcast(x, tf.int32)
        bit = tf.constant(-(2**31), tf.int32)
        return {"plain": bits < 0, "masked": tf.bitwise.bitwise_and(bits, bit) < 0, "chosen": tf.where(x > 0, 1 / x, x)}

    return [], serve


def counted(tf: Any) -> Any:
    def serve(x: Any) -> dict[str, Any]:
        places = tf.searchsorted(tf.constant([0.0, 0.5, 2.0]), x)
        return {
            "counts": tf.math.bincount(tf.cast(tf.abs(x), tf.int32), minlength=4, maxlength=4),
            "places": places, "bins": tf.histogram_fixed_width(x, [-1.0, 1.0], 5),
            "buckets": tf.raw_ops.Bucketize(input=x, boundaries=[0.0, 1.0]), "line": tf.linspace(x[0], x[1], 7),
        }  # fmt: skip

    return [], serve


def assorted(tf: Any) -> Any:
    def serve(x: Any, y: Any, k: Any) -> dict[str, Any]:
        raw = tf.raw_ops
        return {
            "xlogy": tf.math.xlogy(x, y * y), "xdivy": tf.math.xdivy(x, y), "xlog1py": tf.math.xlog1py(x, y * y),
            "no_nan": tf.math.multiply_no_nan(1 / x, y), "near": raw.ApproximateEqual(x=x, y=y, tolerance=0.5),
            "top": raw.InTopKV2(predictions=x, targets=k, k=2), "cross": tf.linalg.cross(x, y),
            "loss": tf.nn.l2_loss(x), "diag": raw.Diag(diagonal=x[0]),
            "part": raw.DiagPart(input=raw.Diag(diagonal=y[0])),
            "upper": tf.searchsorted(tf.sort(x), y, side="right"), "inverse": raw.Inv(x=y + 3),
            "shape": tf.broadcast_dynamic_shape(tf.shape(x), tf.shape(y[:1])),
        }  # fmt: skip

    return [], serve


def resized(tf: Any) -> Any:
    def serve(x: Any, whole: Any) -> dict[str, Any]:
        return {
            "area": tf.image.resize(x, [3, 5], "area"),
            "corners": tf.compat.v1.image.resize_area(x, [2, 1], align_corners=True),
            "between": tf.image.resize(whole, [5, 3]),
            "nearest": tf.image.resize(tf.cast(whole, tf.int64), [5, 3], "nearest"),
        }  # fmt: skip

    return [], serve


def listed(tf: Any) -> Any:
    def serve(x: Any, numbers: Any) -> dict[str, Any]:
        missing = tf.raw_ops.ListDiff(x=tf.range(6), y=numbers)
        return {
            "missing": missing.out, "where": missing.idx, "inverted": tf.math.invert_permutation(tf.argsort(numbers)),
            "hot": tf.one_hot(numbers, 4, on_value=9, off_value=-1, axis=0), "bytes": tf.bitcast(numbers - 1, tf.uint8),
            "unsigned": tf.bitcast(numbers - 1, tf.uint32), "product": tf.math.cumprod(x, axis=1),
            "before": tf.math.cumprod(x, exclusive=True), "behind": tf.math.cumprod(x, axis=-1, reverse=True),
        }  # fmt: skip

    return [], serve


def heard(tf: Any) -> Any:
    def serve(x: Any) -> dict[str, Any]:
        return {
            "power": tf.abs(tf.signal.stft(x, 16, 8)), "real": tf.math.real(tf.signal.rfft(x, [50])),
            "imag": tf.math.imag(tf.signal.rfft(x, [21])), "one": tf.abs(tf.signal.rfft(x[0])),
        }  # fmt: skip

    return [], serve


def cased(tf: Any) -> Any:
    """Of the letters of ASCII alone."""

    def serve(x: Any) -> dict[str, Any]:
        return {"lower": tf.strings.lower(x), "upper": tf.strings.upper(x)}

    return [], serve


def kept_table(tf: Any) -> Any:
    """A table that could be changed, and is not by what is served."""
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    table.insert(tf.constant(["a", "b"]), tf.constant([4, 5], tf.int64))

    def serve(x: Any) -> dict[str, Any]:
        return {"y": table.lookup(x)}

    return [table], serve


# --- what is refused


def spectrum(tf: Any) -> Any:
    def serve(x: Any) -> dict[str, Any]:
        return {"y": tf.signal.rfft(x)}

    return [], serve


def learning_table(tf: Any) -> Any:
    table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, -1)

    def serve(x: Any) -> dict[str, Any]:
        known = table.lookup(x)
        with tf.control_dependencies([table.insert(x, x)]):
            return {"y": tf.identity(known)}

    return [table], serve


def crowded(tf: Any) -> Any:
    """More kinds of operations that ONNX does not have than are told at length, and one that stops tf2onnx."""

    def serve(x: Any) -> dict[str, Any]:
        square = tf.reshape(x, [1, 1])
        texts = tf.strings.join([tf.strings.as_string(x), tf.strings.upper("ä", encoding="utf-8")])
        return {
            "a": tf.linalg.inv(square), "b": tf.linalg.cholesky(square), "c": tf.linalg.det(square),
            "d": tf.math.igamma(x, x), "e": tf.math.zeta(x, x), "f": tf.math.betainc(x, x, x), "g": texts,
            "h": tf.strings.length(texts), "i": tf.strings.substr(texts, 0, 1),
            "j": tf.strings.regex_replace(texts, "a", "b"),
            "k": tf.strings.to_hash_bucket_fast(texts, 9), "l": tf.io.encode_base64(texts),
        }  # fmt: skip

    return [], serve


def hashed(tf: Any) -> Any:
    def serve(x: Any) -> dict[str, Any]:
        return {
            "y": tf.strings.to_hash_bucket_fast(tf.strings.as_string(x), 9),
            "z": tf.strings.to_hash_bucket_fast(tf.strings.as_string(x), 7),
        }

    return [], serve


def counting(tf: Any) -> Any:
    count = tf.Variable(0.0, name="count")

    def serve(x: Any) -> dict[str, Any]:
        return {"y": count.assign_add(x)}

    return [count], serve


def half(tf: Any) -> Any:
    def serve(x: Any) -> dict[str, Any]:
        return {"y": tf.cast(tf.cast(x, tf.bfloat16) * 2, tf.float32)}

    return [], serve


def changing_table(tf: Any) -> Any:
    table = tf.lookup.experimental.DenseHashTable(tf.int64, tf.int64, -1, -1, -2)

    def serve(x: Any) -> dict[str, Any]:
        return {"y": table.lookup(x)}

    return [table], serve


def echoing(tf: Any) -> Any:
    """An output that is called as an input is, and one that is that input."""

    def serve(x: Any, unused: Any) -> dict[str, Any]:
        return {"x": x * 2, "same": x, "size": tf.shape(unused)[0]}

    return [], serve


def two_ways(folder: Path) -> None:
    """A SavedModel with two signatures, neither of them the default one."""
    import tensorflow as tf

    module = tf.Module()
    spec = tf.TensorSpec([None], tf.float32, name="x")
    module.up = tf.function(lambda x: {"y": x + 1}, input_signature=[spec])
    module.down = tf.function(lambda x: {"y": x - 1}, input_signature=[spec])
    tf.saved_model.save(module, str(folder), signatures={"up": module.up, "down": module.down})


def save_twice(folder: Path) -> tuple[list[str], list[float]]:
    """A model whose weights lie beside it: the files, and what ONNX Runtime gives."""
    import onnx
    import onnxruntime
    from onnx import helper, numpy_helper

    from tfkit.export.onnx.files import save_metadata, save_model

    weights = numpy_helper.from_array(np.arange(4096, dtype=np.float32), "w")
    ports = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", ports[:1], ports[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    path = save_model(model, folder, "m.onnx", large_bytes=1000)
    save_metadata(model, path, {"format": "onnx"})
    session = onnxruntime.InferenceSession(path)
    (result,) = session.run(None, {"x": np.ones(1, np.float32)})
    return sorted(each.name for each in folder.iterdir()), result[-2:].tolist()


def export_lstm(output: Path) -> Any:
    """Exports a bidirectional LSTM; the report."""
    import keras

    inputs = keras.Input((7, 4))
    model = keras.Model(inputs, keras.layers.Bidirectional(keras.layers.LSTM(5, return_sequences=True))(inputs))
    return export_onnx(model, output).as_dict()
