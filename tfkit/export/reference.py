"""A source of an export as what ``tfkit verify`` compares with."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from tfkit.compat.drawing import Runner
from tfkit.compat.recorded import read_recorded, recorded_names
from tfkit.compat.references import check_alike
from tfkit.export.sources.base import SourceOptions
from tfkit.export.sources.opening import open_source
from tfkit.savedmodel.files import is_saved_model
from tfkit.savedmodel.reader import find_signature, read_signatures


def is_source(reference: Path) -> bool:
    """Whether a reference has to be opened as a source first: it is neither a SavedModel nor recorded outputs."""
    recorded = reference.suffix == ".npz" or (reference.is_dir() and bool(read_recorded(reference)))
    return not recorded and not is_saved_model(reference)


@contextmanager
def open_reference(
    reference: Path, model: Path, signature: str | None, tags: Collection[str]
) -> Iterator[tuple[Runner, str]]:
    """Opens a source, under the names that a model exported from it has.

    Args:
        reference: The source.
        model: The model's folder, which says what was renamed.
        signature: Its signature; the default one if none is named.
        tags: Its metagraph's tags.

    Yields:
        What the source answers for as long as the block lasts, and the signature's name.

    Raises:
        SignatureError: Its inputs or outputs are not called as the model's.
        TfkitError: As ``export_model`` does.
    """
    wanted = find_signature(read_signatures(model, tags), signature)
    source = open_source(reference, SourceOptions(signature=wanted.name, rename=recorded_names(model)))
    with tempfile.TemporaryDirectory(prefix="tfkit-verify-") as folder:
        plain = source.write(Path(folder))
        check_alike(plain.signatures, [wanted])
        with plain.runner() as runner:
            yield runner, wanted.name
