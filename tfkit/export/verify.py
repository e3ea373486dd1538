"""``verify_model``: runs a model in the real TensorFlow of processors, and compares it with its source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from tfkit.compat.drawing import Runner
from tfkit.compat.report import VerifyReport
from tfkit.compat.verify import compare_runtimes, find_models
from tfkit.export.reference import is_source, open_reference
from tfkit.processors.catalogue import ALL, select_processors
from tfkit.tensors import SERVE_TAG


def verify_model(
    model: str | Path,
    *,
    processors: Sequence[str] = (ALL,),
    reference: str | Path | Runner | None = None,
    inputs: Sequence[str] = (),
    warm_up: str | Path | None = None,
    signature: str | None = None,
    batch_sizes: Sequence[int] = (),
    atol: float | None = None,
    rtol: float | None = None,
    seed: int = 0,
    timeout_s: float = 120.0,
    tags: Sequence[str] = (SERVE_TAG,),
    device: str = "cpu",
    reference_name: str = "",
    progress: Callable[[str], None] | None = None,
) -> VerifyReport:
    """Runs a SavedModel in the real TensorFlow of processors, each in its own process, and compares the outputs.

    They are compared with the model's source: with the outputs that ``export_model`` recorded of it, with a reference,
    or with recorded outputs. Without any of these, the runtimes are compared with each other, and no more is claimed.

    Args:
        model: The SavedModel's folder, or a folder with one for each processor, called as these are.
        processors: Processors, ``installed``, or patterns as the shell has them; ``all`` for all of EAS's.
        reference: What to compare with: a source, by any path that ``export_model`` takes; another SavedModel, which is
            run in the installed TensorFlow; a folder of ``1.request.bin`` and ``1.response.bin``; an ``.npz`` file with
            the outputs for the given inputs; or a function that takes a signature's name and arrays by name, and gives
            arrays by name.
        inputs: ``--input`` options, such as ``images=@test.npy``; what they leave out is random.
        warm_up: A warm-up file: a request to run as it is.
        signature: The signature; by default the one that given inputs are for, else every one.
        batch_sizes: Rows of each case; by default 1 and 3, and all that are given, up to 256.
        atol: Largest absolute difference of floating-point outputs; by default what their type and size allow.
        rtol: Largest difference relative to the reference.
        seed: Seed of random inputs.
        timeout_s: The longest that loading the model or one run may take.
        tags: The metagraph's tags.
        device: Where to compute: ``cpu``, ``gpu`` or ``auto``.
        reference_name: What to call the reference in the report; by default its path.
        progress: Told the name of each processor that is installed before it is run.

    Returns:
        The comparison; a runtime that fails is a row of it.

    Raises:
        ModelError: There is no SavedModel, or a damaged one.
        SignatureError: An input or the signature does not fit it, or the reference has others.
        InputError: The reference fails on the inputs, or is none.
        MissingError: A source needs Keras or TensorFlow, which is not here.
        UsageError: Options make no sense.

    Example:
        >>> tfkit.verify_model("build/m115", processors=["tensorflow_cpu_1.15"]).verdict  # doctest: +SKIP
        "equal to the source's recorded outputs, within what is allowed"
    """
    opened: AbstractContextManager[tuple[str | Path | Runner | None, str | None]] = nullcontext((reference, signature))
    if reference is not None and not callable(reference) and is_source(Path(reference)):
        first = next(iter(find_models(Path(model), select_processors(processors)).values()))
        opened = open_reference(Path(reference), first, signature, tags)
        reference_name = reference_name or str(reference)
    with opened as (answers, chosen):
        return compare_runtimes(
            Path(model),
            processors=processors,
            reference=answers,
            reference_name=reference_name,
            inputs=inputs,
            warm_up=warm_up,
            signature=chosen,
            batch_sizes=batch_sizes,
            atol=atol,
            rtol=rtol,
            seed=seed,
            timeout_s=timeout_s,
            tags=tags,
            device=device,
            progress=progress,
        )
