"""What a recipe may say: each table of the file is a class here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

_STRICT = ConfigDict(extra="forbid", strict=True)
_Positive = Annotated[int, Field(ge=1)]
_Tolerance = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Size = Annotated[int, Field(ge=-1)]
# A placeholder's value, or an input's: what JSON can say, but for nothing.
Value = bool | int | float | str | list[Any]


@dataclass(frozen=True, slots=True)
class SourceTable:
    """``[source]``: what is exported, and all that ``tfkit export`` may need to know of it.

    Attributes:
        model: Path of the model: a Keras file, a checkpoint, a frozen graph, a SavedModel's folder, weights.
        signature: The signature's name, ``serving_default`` by default; of a SavedModel the one to keep, all by
            default.
        tags: Tag set of a SavedModel; ``serve`` by default, or the only one.
        merge: Signatures of a SavedModel to make one of.
        rename: Other names for inputs and outputs: ``{ old = "new" }``.
        input_tensors: Inputs of a checkpoint's or a frozen graph: ``{ images = "NODE:0" }``; by default the
            placeholders that the outputs need.
        output_tensors: Its outputs: ``{ scores = "NODE:0" }``; by default what looks like one.
        fixed: Placeholders of it that get a value for good: ``{ is_training = false }``.
        input_shapes: What an old Keras file does not say, without the batch: ``{ images = [224, 224, 3] }``; a size
            that stays open is -1.
        architecture: What builds the model that weights belong to: ``FILE.py:NAME``, or Keras's ``FILE.json``.
        custom_objects: A Python file with the classes and functions that the model's file needs.
        allow_code: Run Python code inside the model's file: only if you trust its author.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    model: Annotated[str, Field(min_length=1)]
    signature: str | None = None
    tags: list[str] | None = None
    merge: list[str] = field(default_factory=list)
    rename: dict[str, str] = field(default_factory=dict)
    input_tensors: dict[str, str] = field(default_factory=dict)
    output_tensors: dict[str, str] = field(default_factory=dict)
    fixed: dict[str, Value] = field(default_factory=dict)
    input_shapes: dict[str, list[_Size]] = field(default_factory=dict)
    architecture: str = ""
    custom_objects: str | None = None
    allow_code: bool = False


@dataclass(frozen=True, slots=True)
class TargetTable:
    """``[target]``: what is made.

    Attributes:
        processors: EAS's processors, by name or pattern such as ``tensorflow_cpu_*``; ``all``; ``installed``.
        format: ``onnx`` makes an ONNX model, and nothing of what follows.
        opset: The opset of an ONNX model; 18 by default.
        freeze: Make constants of the variables, so that the graph is all there is.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    processors: Annotated[list[str], Field(min_length=1)] = field(default_factory=lambda: ["all"])
    format: Literal["savedmodel", "onnx"] = "savedmodel"
    opset: _Positive | None = None
    freeze: bool = False


@dataclass(frozen=True, slots=True)
class VerifyTable:
    """``[verify]``: how the results are compared with the source.

    Attributes:
        run: Whether they are compared; ``false`` is for models that sample at random, and is recorded.
        atol: Largest absolute difference; by default what types and sizes allow.
        rtol: Largest relative difference; by default what types allow.
        seed: Seed of random inputs, those of the warm-up too.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    run: bool = True
    atol: _Tolerance | None = None
    rtol: _Tolerance | None = None
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, slots=True)
class WarmUpTable:
    """``[warm_up]``: the requests that a service replays to itself.

    Attributes:
        batch_sizes: How many rows a request has; one request for each size. A bundle of layout ``eas`` holds one.
        fetch: The outputs to ask for; all by default.
        requests: Recorded requests, a file or folder, that the proof sends; by default the warm-up's own.
        prove: Measure first requests, cold and warm.
        runs: How many services the proof starts without warm-up, and as many with it.
        sends: How often a service replays each request.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    batch_sizes: Annotated[list[_Positive], Field(min_length=1)] = field(default_factory=lambda: [1])
    fetch: list[str] = field(default_factory=list)
    requests: str | None = None
    prove: bool = True
    runs: _Positive = 3
    sends: _Positive = 5


@dataclass(frozen=True, slots=True)
class BundleTable:
    """``[bundle]``: what is uploaded.

    Attributes:
        name: The service's name; the recipe's by default.
        processors: Those of the target's that get one; all by default.
        settings: The service JSON's, ``metadata.`` left out: ``{ cpu = 4, rpc.keepalive = 1000 }``.
        base_url: Where it will be uploaded to, ``oss://BUCKET/PATH``; the processor's name is put behind it.
        layout: EAS's, or TensorFlow Serving's, which may hold several warm-up requests.
        check: Start each and ask it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    name: str = ""
    processors: Annotated[list[str], Field(min_length=1)] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    base_url: str = ""
    layout: Literal["eas", "tf-serving"] = "eas"
    check: bool = True


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole recipe.

    Attributes:
        source: What is exported.
        name: What it is called; by default as its file is.
        output: The folder that everything is written into; ``build/NAME`` beside the recipe by default.
        target: What is made.
        samples: Inputs to compare on and to warm up with, by name, as ``--input`` takes them: ``"@FILE"``,
            ``"random"``, values; ``"" = "@FILE"`` is a whole set in one file. What is left out is random.
        verify: How results are compared.
        warm_up: The warm-up; without the table it is made only where a bundle is.
        bundle: The bundles; none without the table.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    source: SourceTable
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")] = ""
    output: str = ""
    target: TargetTable = field(default_factory=TargetTable)
    samples: dict[str, Value] = field(default_factory=dict)
    verify: VerifyTable = field(default_factory=VerifyTable)
    warm_up: WarmUpTable | None = None
    bundle: BundleTable | None = None


# The tables by name; what stands above them all is the recipe's own.
TABLES: dict[str, type] = {
    "": Recipe,
    "source": SourceTable,
    "target": TargetTable,
    "verify": VerifyTable,
    "warm_up": WarmUpTable,
    "bundle": BundleTable,
}
