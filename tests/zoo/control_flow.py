"""Branches, loops and functions inside functions."""

from __future__ import annotations

import tensorflow as tf

from tests.zoo.kinds import Made, Run, always, as_array, function, given, integers, kind, normal, rows, spec, weights


@kind
def condition() -> Made:
    """tf.cond with both branches taken."""
    w = weights(3, 3)

    def serve(x: tf.Tensor, p: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.cond(p, lambda: tf.matmul(x, w) + 1.0, lambda: tf.nn.relu(x))}

    runs = [run for p in (True, False) for run in given(x=normal(3), p=always(p))]
    return function(serve, [spec("float32", 3), tf.TensorSpec([], "bool")], runs, keep=[w])


@kind
def nested_conditions() -> Made:
    """A condition in a condition, with values that only one branch uses, and several results."""
    w = weights(3)

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        total = tf.reduce_sum(x)
        inner = lambda: tf.cond(total > 2.0, lambda: (x + w, tf.constant(2)), lambda: (x * w, tf.shape(x)[0]))  # noqa: E731
        y, which = tf.cond(total > 0.0, inner, lambda: (tf.zeros_like(x) - 1.0, tf.constant(7)))
        return {"y": y, "which": which}

    at = [as_array([[value, 1.0, 0.5]]) for value in (-9.0, -1.0, 9.0)]
    runs = [Run({"x": x}) for x in at] + given(x=normal(3))
    return function(serve, [spec("float32", 3)], runs, keep=[w])


@kind
def case() -> Made:
    """tf.switch_case, every branch, and an index out of range."""

    def serve(x: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.switch_case(k, [lambda: x * 2.0, lambda: x + 1.0, lambda: -x])}

    runs = [run for k in (0, 1, 2, 9, -1) for run in given(x=normal(3), k=always(k, "int32"))]
    return function(serve, [spec("float32", 3), tf.TensorSpec([], "int32")], runs)


@kind
def nested_loops() -> Made:
    """A loop in a loop with a condition in it."""

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        y, i = x, tf.constant(0)
        while i < 3:
            j = tf.constant(0)
            while j < i:
                y = tf.tanh(y) + 0.1
                j += 1
            y = y - 1.0 if tf.reduce_sum(y) > 0.0 else y * 2.0
            i += 1
        return {"y": y, "i": i}

    return function(serve, [spec("float32", 3)], given(x=normal(3)))


@kind
def mapped() -> Made:
    """map_fn, scan, foldl, vectorized_map."""

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "map": tf.map_fn(lambda row: tf.cumsum(row) * tf.reduce_max(row), x),
            "scan": tf.scan(lambda a, row: a * 0.5 + row, x),
            "fold": tf.foldl(lambda a, row: tf.maximum(a, row) - 0.1, x),
            "vectorized": tf.vectorized_map(lambda row: tf.tensordot(row, row, 1), x),
            "pairs": tf.map_fn(lambda row: (row[0], row > 0), x, fn_output_signature=(tf.float32, tf.bool))[1],
        }

    return function(serve, [spec("float32", 3)], given(x=normal(3)))


@kind
def tensor_arrays() -> Made:
    """A loop that writes and reads a TensorArray, of a size that comes in, and keeps what is invariant."""
    w = weights(3, 3, scale=0.5)

    def serve(x: tf.Tensor, steps: tf.Tensor) -> dict[str, tf.Tensor]:
        array = tf.TensorArray(tf.float32, steps, element_shape=[None, 3])
        y = x
        for step in tf.range(steps):
            y = tf.nn.relu(tf.matmul(y, w)) + tf.cast(step, tf.float32)
            array = array.write(step, y)
        return {"all": array.stack(), "joined": array.concat(), "last": array.read(steps - 1)}

    runs = [run for steps in (1, 4) for run in given(x=normal(3), steps=always(steps, "int32"))]
    return function(serve, [spec("float32", 3), tf.TensorSpec([], "int32")], runs, keep=[w])


@kind
def lists_of_lists() -> Made:
    """A TensorArray filled in a loop inside a loop, and one that grows."""

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        outer = tf.TensorArray(tf.float32, 0, dynamic_size=True, element_shape=[3])
        for row in tf.range(tf.shape(x)[0]):
            inner = tf.TensorArray(tf.float32, 3, element_shape=[])
            for column in tf.range(3):
                inner = inner.write(column, x[row, column] * tf.cast(column, tf.float32))
            outer = outer.write(row, inner.stack())
        return {"y": outer.stack()}

    return function(serve, [spec("float32", 3)], given(x=normal(3)))


@kind
def growing_loop() -> Made:
    """A loop whose value changes its shape, and one that breaks out."""

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        grown = tf.while_loop(
            lambda y: tf.shape(y)[1] < 6,
            lambda y: [tf.concat([y, y[:, -1:] * 0.5], 1)],
            [x],
            shape_invariants=[tf.TensorShape([None, None])],
        )[0]
        total = tf.constant(0.0)
        for step in tf.range(100):
            total += tf.reduce_sum(tf.abs(x))
            if total > 10.0 or step > 20:
                break
        return {"grown": grown, "total": total}

    return function(serve, [spec("float32", None)], [*given(x=normal(3)), *given(x=normal(1))])


@kind
def beam_search() -> Made:
    """Decoding step by step with a cache: gathers, top k and concatenations in a loop."""
    table, mixing = weights(7, 4), weights(4, 7)

    def serve(start: tf.Tensor) -> dict[str, tf.Tensor]:
        def step(at: tf.Tensor, ids: tf.Tensor, scores: tf.Tensor) -> tuple[tf.Tensor, ...]:
            logits = tf.nn.log_softmax(tf.matmul(tf.reduce_mean(tf.gather(table, ids), 1), mixing))
            best, choice = tf.math.top_k(scores[:, tf.newaxis] + logits, 1)
            return at + 1, tf.concat([ids, choice], 1), best[:, 0]

        shapes = [tf.TensorShape([]), tf.TensorShape([None, None]), tf.TensorShape([None])]
        loop = [tf.constant(0), start[:, tf.newaxis], tf.zeros_like(start, tf.float32)]
        _, ids, scores = tf.while_loop(lambda at, *_: at < 5, step, loop, shapes)
        return {"ids": ids, "scores": scores}

    return function(serve, [spec("int32")], given(start=integers(0, 7)), keep=[table, mixing])


@kind
def nested_functions() -> Made:
    """Functions that call functions, several times, with defaults and captured variables."""
    w = weights(3, 3)

    @tf.function
    def twist(x: tf.Tensor, times: float = 2.0) -> tf.Tensor:
        return tf.tanh(tf.matmul(x, w)) * times

    @tf.function
    def outer(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return twist(twist(x)), twist(x, times=0.5)

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        y, z = outer(x)
        return {"y": y, "z": outer(z)[0], "same": x}

    return function(serve, [spec("float32", 3)], given(x=normal(3)), keep=[w])


@kind
def custom_gradient() -> Made:
    """A function with a gradient of its own, and a gradient that is served."""
    w = weights(3, 3)

    @tf.custom_gradient
    def clipped(x: tf.Tensor) -> tuple[tf.Tensor, object]:
        return tf.clip_by_value(x, -1.0, 1.0), lambda up: up * 0.5

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(tf.square(tf.sin(tf.matmul(clipped(x), w))))
        return {"y": y, "gradient": tape.gradient(y, x)}

    return function(serve, [spec("float32", 3)], given(x=normal(3)), keep=[w])


@kind
def assertions() -> Made:
    """Checks that have to pass first, in a function and in a branch."""

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        checks = [tf.debugging.assert_all_finite(x, "infinite"), tf.debugging.assert_greater(tf.shape(x)[0], 0)]
        with tf.control_dependencies(checks):
            y = tf.identity(x) * 2.0
        tf.debugging.assert_less(tf.reduce_max(tf.abs(x)), 1e6, message="too large")
        return {"y": tf.ensure_shape(y, [None, 3])}

    return function(serve, [spec("float32", 3)], given(x=normal(3)))


@kind
def stateful_order() -> Made:
    """A variable that is written and read in turn: what comes out depends on the order, and is the same each time."""
    state = tf.Variable(tf.zeros([3]))

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        state.assign(tf.reduce_sum(x, 0))
        first = state.read_value()
        state.assign_add([1.0, 2.0, 3.0])
        if tf.reduce_sum(first) > 0.0:
            state.scatter_add(tf.IndexedSlices(tf.constant([10.0]), tf.constant([1])))
        else:
            state.assign(state * 2.0)
        for _ in tf.range(2):
            state.assign_sub(first)
        return {"first": first, "last": state.read_value()}

    return function(
        serve,
        [spec("float32", 3)],
        [*given(x=normal(3)), *given(x=rows([1.0, 2.0, 3.0])), *given(x=rows([-1.0, -2.0, -3.0]))],
        keep=[state],
    )


@kind
def resource_scatter() -> Made:
    """A variable written row by row and gathered from, each time from the start."""
    state, start = tf.Variable(tf.zeros([6, 2])), weights(6, 2)

    def serve(at: tf.Tensor, x: tf.Tensor) -> dict[str, tf.Tensor]:
        state.assign(start)
        state.scatter_update(tf.IndexedSlices(x, at))
        state.scatter_nd_add(at[:, tf.newaxis], x)
        state.scatter_max(tf.IndexedSlices(x * 3.0, at))
        return {"all": state.read_value(), "some": tf.gather(state, at), "nd": state.gather_nd(at[:, tf.newaxis])}

    runs = given(at=rows(3, 1, 5, 0, 2, 4, dtype="int32"), x=normal(2))
    return function(serve, [spec("int32"), spec("float32", 2)], runs, keep=[state, start])
