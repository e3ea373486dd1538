"""tf2onnx at work: a ``GraphDef`` becomes an ONNX model. TensorFlow and tf2onnx are imported here, when they are asked.

Of tf2onnx the parts are used that work beside today's onnx, TensorFlow and numpy: its conversion of a graph without
variables, and its optimizer. Its loaders of SavedModels are not: some of what they import from TensorFlow is gone.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from tfkit.arrays import NUMPY_DTYPES
from tfkit.errors import LoweringError, MissingError
from tfkit.export.live.frameworks import first_line, import_frameworks, quiet_logs
from tfkit.export.onnx.handlers import LABELS, choose_without_arithmetic, handlers
from tfkit.export.onnx.tables import Table
from tfkit.tensors import Signature, TensorSpec

_LABELS_VERSION = 2


@dataclass(frozen=True, slots=True)
class Ends:
    """A signature's tensors in a graph.

    Attributes:
        needed: The names of tensors that are fed, by the names of the inputs that the outputs hang on.
        outputs: The names of tensors that are fetched, by the names of the outputs.
    """

    needed: Mapping[str, str]
    outputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Converted:
    """What tf2onnx made.

    Attributes:
        model: The ``onnx.ModelProto``; operations that were not converted are in it as they were.
        problems: Why nodes could not be converted, by their names.
    """

    model: Any
    problems: Mapping[str, str]


class Converter:
    """tf2onnx, imported.

    Args:
        opset: The opset to write.

    Raises:
        MissingError: It cannot be imported.
    """

    def __init__(self, opset: int) -> None:
        self._opset = opset
        self._tf = import_frameworks().tf
        with _quiet():
            try:
                import onnx
                import tf2onnx.optimizer
                import tf2onnx.tf_loader
                import tf2onnx.tfonnx
                from tf2onnx.handler import tf_op
            except ImportError as error:
                raise MissingError(
                    f"tf2onnx and onnx are needed to write ONNX, and cannot be imported: {error}",
                    hint="Install tfkit with its extra onnx. `tfkit doctor` says what is installed.",
                ) from error
        self._onnx, self._tf2onnx = onnx, tf2onnx
        self._registered = dict(tf_op.create_mapping(opset, []))
        self.operations = frozenset(self._registered)

    @property
    def versions(self) -> dict[str, str]:
        """Of what converts."""
        return {name: version(name) for name in ("tf2onnx", "onnx", "tensorflow")}

    def convert(
        self, graph_def: bytes, ends: Ends, tables: Mapping[str, Table], signature: Signature, name: str
    ) -> Converted:
        """Converts a graph without variables.

        Args:
            graph_def: The graph, with a library of the functions that branches and loops call.
            ends: What is fed and fetched.
            tables: The contents of its tables by their shared names.
            signature: What the model takes and gives, in the order that it shall have.
            name: What the ONNX graph is called.

        Raises:
            LoweringError: tf2onnx cannot convert it.
        """
        with _quiet() as problems:
            try:
                with self._tf.device("/cpu:0"):
                    model = self._convert(graph_def, ends, tables, name)
            except UnicodeDecodeError as error:
                raise LoweringError(
                    f"the model cannot be made an ONNX model: the text {error.object[:20]!r} in it is no UTF-8, as all"
                    " texts of ONNX are"
                ) from error
            except Exception as error:
                raise LoweringError(
                    f"tf2onnx cannot convert the model: {_first_of(problems) or first_line(error)}",
                    hint="TFKIT_DEBUG=1 shows where. Another --opset may help, or a change to the layer that it names.",
                ) from error
        self._arrange(model.graph.input, signature.inputs)
        self._arrange(model.graph.output, signature.outputs)
        return Converted(model, problems)

    def _arrange(self, ports: Any, specs: Sequence[TensorSpec]) -> None:
        """Makes inputs or outputs what the signature says: tf2onnx loses some, and what is known of their shapes."""
        helper = self._onnx.helper
        arranged = []
        for spec in specs:
            dtype = helper.np_dtype_to_tensor_dtype(np.dtype(NUMPY_DTYPES[spec.dtype]))
            # No two open sizes get one name, for ONNX takes such for equal.
            sizes = spec.shape and [
                f"{spec.name}_{axis}" if size is None else size for axis, size in enumerate(spec.shape)
            ]
            arranged.append(helper.make_tensor_value_info(spec.name, dtype, sizes))
        del ports[:]
        ports.extend(arranged)

    def _convert(self, graph_def: bytes, ends: Ends, tables: Mapping[str, Table], name: str) -> Any:
        inputs, outputs = list(ends.needed.values()), list(ends.outputs.values())
        with self._tf.Graph().as_default() as graph:
            self._tf.import_graph_def(self._tf.compat.v1.GraphDef.FromString(graph_def), name="")
            folded = self._tf2onnx.tf_loader.tf_optimize(inputs, outputs, graph.as_graph_def(add_shapes=True))
        with self._tf.Graph().as_default() as graph:
            self._tf.import_graph_def(folded, name="")
            converted = self._tf2onnx.tfonnx.process_tf_graph(
                graph,
                opset=self._opset,
                continue_on_error=True,
                input_names=inputs,
                output_names=outputs,
                tensors_to_rename={
                    tensor: name for ports in (ends.needed, ends.outputs) for name, tensor in ports.items()
                },
                custom_op_handlers=handlers(tables, self._registered),
                custom_rewriter=[choose_without_arithmetic],
            )
        model = self._tf2onnx.optimizer.optimize_graph(converted).make_model(name)
        if any(each.domain == LABELS for each in nodes_of(model.graph)):
            self._declare_labels(model)
        return model

    def _declare_labels(self, model: Any) -> None:
        if not any(each.domain == LABELS for each in model.opset_import):
            model.opset_import.append(self._onnx.helper.make_opsetid(LABELS, _LABELS_VERSION))


def nodes_of(graph: Any) -> Iterator[Any]:
    """All nodes of an ONNX graph, and of the graphs in it."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from nodes_of(attribute.g)


class _Listener(logging.Handler):
    """Remembers which nodes tf2onnx could not convert, and why: it only logs that."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.problems: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Reads what ``tf2onnx.tfonnx`` says of a node."""
        if isinstance(record.args, tuple) and record.args and record.exc_info and record.exc_info[1] is not None:
            self.problems[str(record.args[0])] = first_line(record.exc_info[1]).removeprefix("make_sure failure: ")


def _first_of(problems: Mapping[str, str]) -> str:
    return next((f"node {node!r}: {problem}" for node, problem in problems.items()), "")


@contextmanager
def _quiet() -> Iterator[dict[str, str]]:
    """Keeps tf2onnx from telling what is found out afterwards, and TensorFlow from telling at all.

    Yields what nodes tf2onnx could not convert, and why.
    """
    logger, listener = logging.getLogger("tf2onnx"), _Listener()
    level, propagates = logger.level, logger.propagate
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    logger.addHandler(listener)
    with quiet_logs(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield listener.problems
        finally:
            logger.removeHandler(listener)
            logger.setLevel(level)
            logger.propagate = propagates
