"""What to ask when a graph does not say what is meant: each error lists what was found, and the options to give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tfkit.errors import SignatureError
from tfkit.export.graphs.facts import GraphFacts
from tfkit.export.graphs.outputs import Candidate
from tfkit.export.names import unique_names
from tfkit.graph.nodes import Tensor
from tfkit.savedmodel.signatures import parse_dtype
from tfkit.tensors import DType, TensorSpec

_SHOWN = 10


def full_name(tensor: Tensor) -> str:
    """A tensor's name with its output, as options take it: ``node:0``."""
    return f"{tensor.node.name}:{tensor.output}"


def short_names(tensors: Sequence[Tensor]) -> list[str]:
    """Names for tensors: the last part of their nodes' names, or all of it where that is not enough."""
    short = [tensor.node.name.rpartition("/")[2] for tensor in tensors]
    return unique_names(
        name if short.count(name) == 1 else tensor.node.name.replace("/", "_")
        for name, tensor in zip(short, tensors, strict=True)
    )


def named(tensors: Sequence[Tensor], prefix: str = "") -> dict[str, Tensor]:
    """Tensors by such names, or by a prefix and their number."""
    names = [f"{prefix}_{at}" for at in range(len(tensors))] if prefix else short_names(tensors)
    return dict(zip(names, tensors, strict=True))


class Questions:
    """Makes the errors that ask.

    Args:
        facts: What is known of the graph's tensors.
    """

    def __init__(self, facts: GraphFacts) -> None:
        self._facts = facts

    def which_outputs(self, candidates: Sequence[Candidate]) -> SignatureError:
        """Several tensors may be the outputs, or none."""
        if not candidates:
            return SignatureError(
                "nothing in the graph looks like an output",
                hint="Name the tensors that are: --output-tensor scores=NODE:0",
            )
        lines = [
            f"  --output-tensor {name}={full_name(tensor)}   {tensor.node.op}, {self._spec(tensor)}"
            for name, tensor in list(named([each.tensor for each in candidates]).items())[:_SHOWN]
        ]
        if len(candidates) > _SHOWN:
            lines.append(f"  and {len(candidates) - _SHOWN} more")
        return SignatureError(
            f"{len(candidates)} tensors of the graph may be its outputs, and it is not clear which are meant",
            hint="\n".join(["Choose one or several; the likeliest come first:", *lines]),
        )

    def more_inputs(self, given: Mapping[str, Tensor], missing: Mapping[str, Tensor]) -> SignatureError:
        """The outputs need placeholders that are not among the inputs."""
        return SignatureError(
            f"the outputs need more than the inputs given: {self._list(missing.values())}",
            hint=f"{self._fix(missing.values())}\nor name them as well: {_options(missing)}"
            if given
            else self._fix(missing.values()),
        )

    def pipeline(self, inputs: Mapping[str, Tensor], ends: Sequence[Tensor]) -> SignatureError:
        """The outputs hang on what reads the training data."""
        return SignatureError(
            f"the outputs hang on an input pipeline of training, at {self._list(ends)}",
            hint=f"Name what comes out of it, or a tensor behind it, as inputs: "
            f"{_options({**inputs, **named(ends, 'input')})}",
        )

    def switches(self, inputs: Mapping[str, Tensor], found: Sequence[Tensor]) -> SignatureError:
        """Placeholders choose between training and serving."""
        verb = "choose" if len(found) > 1 else "chooses"
        return SignatureError(
            f"{self._list(found)} {verb} between training and serving, and it is not clear what is meant",
            hint=f"{self._fix(found)}\nor name all inputs: {_options(inputs)}",
        )

    def no_input(self, outputs: Iterable[Tensor]) -> SignatureError:
        """The outputs hang on nothing."""
        return SignatureError(
            f"no placeholder leads to {', '.join(map(full_name, outputs))}",
            hint="Name another output, or the tensor that is to be the input: --input-tensor images=NODE:0",
        )

    def without_effect(self, name: str, tensor: Tensor) -> SignatureError:
        """An input that no output hangs on."""
        return SignatureError(
            f"no output hangs on input {name!r} ({full_name(tensor)})", hint="Leave it out, or name another tensor."
        )

    def _fix(self, tensors: Iterable[Tensor]) -> str:
        fixed = " ".join(f"--set {tensor.node.name}={self._usual_value(tensor)}" for tensor in tensors)
        return f"Fix what no request shall say: {fixed}"

    def _usual_value(self, tensor: Tensor) -> str:
        dtype = parse_dtype(self._facts.dtype(tensor))
        if dtype is DType.BOOL:
            return "false"
        name = tensor.node.name.lower()
        return "1.0" if "keep" in name else "0.0" if "drop" in name else "VALUE"

    def _spec(self, tensor: Tensor) -> TensorSpec:
        return TensorSpec(str(tensor), parse_dtype(self._facts.dtype(tensor)), self._facts.shape(tensor))

    def _list(self, tensors: Iterable[Tensor]) -> str:
        return ", ".join(f"{full_name(tensor)} ({tensor.node.op}, {self._spec(tensor)})" for tensor in tensors)


def _options(tensors: Mapping[str, Tensor]) -> str:
    return " ".join(f"--input-tensor {name}={full_name(tensor)}" for name, tensor in tensors.items())
