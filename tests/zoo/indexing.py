"""Gathers, scatters, segments, slices, bins."""

from __future__ import annotations

import tensorflow as tf

from tests.zoo.kinds import Made, function, given, integers, kind, normal, rows, spec, uniform


@kind
def gathers() -> Made:
    """tf.gather along axes and with batch dimensions, gather_nd, boolean masks."""

    def serve(x: tf.Tensor, i: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "batched": tf.gather(x, i, batch_dims=1),
            "batched_axis": tf.gather(tf.stack([x, -x], 1), i, batch_dims=1, axis=2),
            "axis": tf.gather(x, [3, 0, 0], axis=1),
            "nd": tf.gather_nd(x, i[:, :1], batch_dims=1),
            "two_batches": tf.gather(tf.stack([x, x + 1], 1), tf.stack([i, i[:, ::-1]], 1), batch_dims=2),
            "masked": tf.boolean_mask(x, x[:, 0] > -9.0),
            "where": tf.where(x > 0.5),
        }

    return function(serve, [spec("float32", 4), spec("int32", 2)], given(x=normal(4), i=integers(0, 4, 2)))


@kind
def scatters() -> Made:
    """tensor_scatter_nd_update, _add, _sub, _max, _min, and scatter_nd."""

    def serve(x: tf.Tensor, at: tf.Tensor) -> dict[str, tf.Tensor]:
        rows_at = at[:, tf.newaxis]
        return {
            "update": tf.tensor_scatter_nd_update(tf.zeros([6, 4]), rows_at, x),
            "cell": tf.tensor_scatter_nd_update(x, [[0, 1]], [9.0]),
            "add": tf.tensor_scatter_nd_add(tf.ones([6, 4]), rows_at, x),
            "sub": tf.tensor_scatter_nd_sub(tf.ones([6, 4]), rows_at, x),
            "scattered": tf.scatter_nd(rows_at, x, [6, 4]),
        }

    return function(
        serve, [spec("float32", 4), spec("int32")], given(x=normal(4), at=rows(3, 1, 5, 0, 2, 4, dtype="int32"))
    )


@kind
def scatters_extreme() -> Made:
    """tensor_scatter_nd_max and _min."""

    def serve(x: tf.Tensor, at: tf.Tensor) -> dict[str, tf.Tensor]:
        rows_at = at[:, tf.newaxis]
        return {
            "max": tf.tensor_scatter_nd_max(tf.zeros([6, 4]), rows_at, x),
            "min": tf.tensor_scatter_nd_min(tf.zeros([6, 4]), rows_at, x),
        }

    return function(
        serve, [spec("float32", 4), spec("int32")], given(x=normal(4), at=rows(3, 1, 5, 0, 2, 4, dtype="int32"))
    )


@kind
def segments() -> Made:
    """Sums, means, maxima of segments, sorted and not."""

    def serve(x: tf.Tensor, ids: tf.Tensor) -> dict[str, tf.Tensor]:
        upward = tf.sort(ids)
        return {
            "sum": tf.math.segment_sum(x, upward),
            "mean": tf.math.segment_mean(x, upward),
            "max": tf.math.segment_max(x, upward),
            "unsorted_sum": tf.math.unsorted_segment_sum(x, ids, 4),
            "unsorted_max": tf.math.unsorted_segment_max(x, ids, 4),
            "unsorted_mean": tf.math.unsorted_segment_mean(x, ids, 4),
            "product": tf.math.unsorted_segment_prod(x, ids, 4),
            "root": tf.math.unsorted_segment_sqrt_n(x, ids, 4),
        }

    return function(
        serve, [spec("float32", 3), spec("int32")], given(x=normal(3), ids=rows(2, 0, 2, 1, 0, 3, dtype="int32"))
    )


@kind
def slices() -> Made:
    """Strided slices of every sort, splits, stacks, reversals, space to depth."""

    def serve(x: tf.Tensor, n: tf.Tensor) -> dict[str, tf.Tensor]:
        at = n[0]
        return {
            "stride": x[:, ::2, 1:-1],
            "back": x[..., ::-1],
            "new": x[:, tf.newaxis, -1],
            "dynamic": x[:, at:, : at + 1],
            "sliced": tf.slice(x, [0, at, 0], [-1, 1, 2]),
            "split": tf.split(x, [1, -1], 2)[1],
            "unstacked": tf.unstack(x, axis=1)[2],
            "reversed": tf.reverse_sequence(x, n + 1, 1, 0),
            "depth": tf.nn.space_to_depth(tf.reshape(x, [-1, 4, 4, 1]), 2),
            "batch": tf.batch_to_space(
                tf.space_to_batch(x[..., tf.newaxis], [2, 2], [[0, 0], [0, 0]]), [2, 2], [[0, 0], [0, 0]]
            ),
            "mirror": tf.pad(x, [[0, 0], [1, 2], [0, 1]], "SYMMETRIC"),
            "sequence": tf.sequence_mask(n, 5),
            "grid": tf.meshgrid(n, [1, 2])[0],
            "patches": tf.image.extract_patches(
                tf.reshape(x, [-1, 4, 4, 1]), [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID"
            ),
            "lower": tf.roll(x, [1, at], [1, 2]),
            "shape": tf.shape(x),
            "size": tf.size(x),
            "rank": tf.rank(x),
        }

    return function(serve, [spec("float32", 4, 4), spec("int32")], given(x=normal(4, 4), n=integers(0, 3)))


@kind
def bins() -> Made:
    """bincount and histograms, with weights, of rows and as one."""

    def serve(i: tf.Tensor, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "all": tf.math.bincount(i, minlength=6, maxlength=6),
            "rows": tf.math.bincount(i, minlength=6, maxlength=6, axis=-1),
            "binary": tf.math.bincount(i, minlength=6, maxlength=6, axis=-1, binary_output=True),
            "weighted": tf.math.bincount(i, weights=x, minlength=6, maxlength=6, axis=-1),
            "total": tf.math.bincount(i, weights=x, minlength=6, maxlength=6),
            "longer": tf.math.bincount(i),
            "histogram": tf.histogram_fixed_width(x, [-1.0, 1.0], 5),
            "buckets": tf.raw_ops.Bucketize(input=x, boundaries=[-0.5, 0.0, 0.5]),
            "found": tf.searchsorted(tf.constant([[-0.5, 0.0, 0.5]]), tf.reshape(x, [1, -1])),
        }

    return function(serve, [spec("int32", 3), spec("float32", 3)], given(i=integers(0, 8, 3), x=normal(3)))


@kind
def unique_values() -> Made:
    """unique, unique_with_counts, set differences, dynamic partition and stitch, topk, in_top_k."""

    def serve(i: tf.Tensor, x: tf.Tensor) -> dict[str, tf.Tensor]:
        values, index, count = tf.unique_with_counts(i)
        parts = tf.dynamic_partition(x, i % 2, 2)
        stitched = tf.dynamic_stitch(tf.dynamic_partition(tf.range(tf.size(i)), i % 2, 2), parts)
        return {
            "values": values,
            "index": index,
            "count": count,
            "stitched": stitched,
            "odd": parts[1],
            "missing": tf.raw_ops.ListDiff(x=tf.range(6), y=i).out,
            "among": tf.math.in_top_k(i % 4, x, 2),
            "duplicates": tf.math.invert_permutation(tf.argsort(i, stable=True)),
            "nth": tf.nn.top_k(x, 2, sorted=True).indices,
        }

    return function(serve, [spec("int32"), spec("float32", 4)], given(i=integers(0, 6), x=uniform(-1, 1, 4)))
