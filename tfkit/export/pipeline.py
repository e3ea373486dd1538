"""The whole export: read the source, trace it, write it, run it, compare, keep the evidence, rename."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfkit.compat.compare import Limits
from tfkit.compat.tolerance import check_tolerance
from tfkit.errors import UsageError
from tfkit.export.making import prepared
from tfkit.export.proving import proving_processor
from tfkit.export.report import ExportReport
from tfkit.export.selfcheck import Given
from tfkit.export.sources.base import SourceOptions
from tfkit.export.sources.opening import open_source
from tfkit.export.target import check_target, folder_size, staged_folder
from tfkit.processors.catalogue import INSTALLED, find_processor
from tfkit.tensors import Shape


def export_model(
    model: Any,
    output: str | os.PathLike[str],
    *,
    processor: str = INSTALLED,
    signature: str | None = None,
    rename: Mapping[str, str] | None = None,
    tags: Sequence[str] | None = None,
    merge: Sequence[str] = (),
    freeze: bool = False,
    force: bool = False,
    verify: bool = True,
    atol: float | None = None,
    rtol: float | None = None,
    inputs: Sequence[str] | Mapping[str, Any] = (),
    input_tensors: Mapping[str, str] | None = None,
    output_tensors: Mapping[str, str] | None = None,
    fixed: Mapping[str, Any] | None = None,
    input_shapes: Mapping[str, Shape] | None = None,
    architecture: str = "",
    custom_objects: str | os.PathLike[str] | None = None,
    allow_code: bool = False,
    seed: int = 0,
) -> ExportReport:
    """Exports a model as a SavedModel that runs on a processor, and proves that it gives the same answers.

    The SavedModel is written beside ``output``, for an older TensorFlow with what that one has, run through its own C
    library at two batch sizes and compared with the source itself; only then does it get its name. After an error,
    nothing is left behind.

    A live subclassed model does not say its inputs' dtypes. Without arrays in ``inputs`` they are taken as floats, with
    a warning; a model that makes whole numbers of them, as an embedding does, is refused.

    Args:
        model: A path: a ``.keras`` file, a SavedModel's folder, a TensorFlow 1 checkpoint with its ``.meta`` file (its
            folder, its prefix or one of its files), a frozen graph (``.pb``, ``.pbtxt``), a file of weights or a
            checkpoint (see ``architecture``); or a live object: a Keras model, a ``tf.Module``, a ``tf.function``.
        output: The folder to write; its parents are made.
        processor: What it shall run on: one of EAS's processors, or ``installed``.
        signature: The signature's name, ``serving_default`` by default; of a SavedModel the one to keep, all by
            default.
        rename: New names of inputs and outputs by those of the model; ``SIGNATURE:NAME`` tells apart those of a
            SavedModel's signatures.
        tags: The tag set of a SavedModel; by default ``serve``, or else the only one there is.
        merge: Signatures of a SavedModel to make one of, called ``signature``: inputs of the same name become one. A
            single one is renamed.
        freeze: Make constants of the variables: the graph is all that there is then, loads faster, and answers the
            first request more slowly; it takes 2 GiB at most.
        force: Replace a SavedModel that is there.
        verify: Run and compare; ``False`` for models that sample at random. The report records it.
        atol: Largest absolute difference of floating-point outputs; by default what their type and size allow.
        rtol: Largest difference relative to the source's value.
        inputs: What to compare on: arrays by the signature's input names, or ``--input`` options such as
            ``images=@test.npy``. What is left out is random. Arrays also tell what a subclassed model takes; name them
            as the model does then.
        input_tensors: Tensors of a TensorFlow 1 checkpoint's or a frozen graph that are its inputs, by the names that
            the inputs get: ``{"images": "model/Placeholder:0"}``. What they are made of is cut off. By default the
            placeholders that the outputs need.
        output_tensors: The same for its outputs; by default what looks like them.
        fixed: Values of its placeholders, which are inputs no more: ``{"is_training": False}``. What never runs then
            is left out.
        seed: Seed of random inputs.
        input_shapes: Shapes of the inputs of an old Keras file that does not tell them, without the batch, by name,
            with ``None`` where a size stays open; an only input may be called ``""``.
        architecture: What builds the model, where ``model`` is a file of weights or a checkpoint: ``FILE.py:NAME``, a
            function without arguments or a model in a Python file, which is run; or Keras's ``to_json``, ``FILE.json``.
        custom_objects: A Python file with the classes and functions that a model's file needs; it is run.
        allow_code: Run Python code that a model's file holds, such as that of Lambda layers: only for files whose
            author you trust.

    Returns:
        The signature, the largest difference found, and what else there is to know.

    Raises:
        ModelError: The source is no model, is damaged, or needs code that is not here.
        LoweringError: The processor's TensorFlow lacks what the model uses, and no rule writes it otherwise.
        SignatureError: A rename or an input does not fit the model.
        InputError: What is at ``output`` is no SavedModel, and so is never replaced.
        VerdictError: The exported model differs from the source, or comparing them would prove nothing.
        TensorFlowError: TensorFlow does not run what was written.
        MissingError: TensorFlow, Keras or the processor's runtime is not here, or there is no permission or space.
        UsageError: ``output`` exists already, the options make no sense, Keras runs on another backend, or arrays must
            say an input's dtype.

    Example:
        >>> report = tfkit.export_model(model, "build/digits", processor="tensorflow_cpu_1.15")  # doctest: +SKIP
    """
    started = time.monotonic()
    given = Given.read(inputs, seed)
    if not isinstance(processor, str):
        raise UsageError(
            f"processor={processor!r}: expected the name of one",
            hint="For several: tfkit.export.export_everywhere(model, output, processors=[...]), a folder for each.",
        )
    target_processor = find_processor(processor).name
    proving = proving_processor(processor) if verify else ""
    limits = Limits(check_tolerance("atol", atol), check_tolerance("rtol", rtol))
    options = SourceOptions.read(
        given.arrays,
        signature=signature,
        rename=rename,
        tags=tags,
        merge=merge,
        input_tensors=input_tensors,
        output_tensors=output_tensors,
        fixed=fixed,
        input_shapes=input_shapes,
        architecture=architecture,
        custom_objects=custom_objects,
        allow_code=allow_code,
    )
    target = check_target(Path(output), force=force)
    source = open_source(model, options)
    with staged_folder(target, force=force) as staged:
        with prepared(source, staged, given, limits, freeze=freeze, verify=verify) as made:
            report = made.make(staged, target_processor, proving)
        size = folder_size(staged)
    return replace(report, path=Path(output), size_bytes=size, elapsed_s=time.monotonic() - started)
