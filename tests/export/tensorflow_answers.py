"""What TensorFlow itself computes of a checkpoint or a frozen graph; a process of its own, since it imports TensorFlow.

Called with the graph's file, an npz of what is fed, by tensors' names, the npz to write, and the names of tensors.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import numpy as np
import tensorflow as tf


def main(graph: str, given: str, written: str, *names: str) -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        if graph.endswith(".meta"):
            metagraph = tf.compat.v1.MetaGraphDef.FromString(Path(graph).read_bytes())
            for node in metagraph.graph_def.node:
                node.attr.pop("_output_shapes", None)  # those of 1.12 contradict today's of FusedBatchNormGrad
            saver = tf.compat.v1.train.import_meta_graph(metagraph, clear_devices=True)
            saver.restore(session, graph.removesuffix(".meta"))
        else:
            tf.import_graph_def(tf.compat.v1.GraphDef.FromString(Path(graph).read_bytes()), name="")
        with np.load(given) as feeds:
            outputs = session.run(list(names), dict(feeds.items()))
    np.savez(written, **dict(zip(names, outputs, strict=True)))


if __name__ == "__main__":
    main(*sys.argv[1:])
