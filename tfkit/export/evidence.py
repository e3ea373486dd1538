"""What stays with an export: the inputs it was checked on and the source's outputs, as EAS messages.

assets.extra/tfkit/export.json        what was exported, from what, with which result
assets.extra/tfkit/1.request.bin      a PredictRequest, which can serve as a warm-up file as well
assets.extra/tfkit/1.response.bin     the PredictResponse that the source would give
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfkit.compat.recorded import EVIDENCE, REPORT, Case
from tfkit.eas.messages import PredictRequest, encode_request, encode_response
from tfkit.errors import MessageError

MAX_BYTES = 16 << 20


def write_evidence(folder: Path, samples: Mapping[str, Sequence[Case]]) -> tuple[tuple[str, ...], str]:
    """Writes samples into a SavedModel's folder, as many as fit into ``MAX_BYTES``.

    Args:
        folder: The SavedModel's folder.
        samples: By the signature that they are for.

    Returns:
        The files' paths inside the SavedModel, and a note where some were left out.
    """
    place = folder / EVIDENCE
    place.mkdir(parents=True, exist_ok=True)
    written: list[str] = []
    size = 0
    every = [(signature, sample) for signature, some in samples.items() for sample in some]
    for number, (signature, sample) in enumerate(every, start=1):
        try:
            messages = {
                f"{number}.request.bin": encode_request(PredictRequest(dict(sample.inputs), signature)),
                f"{number}.response.bin": encode_response(dict(sample.outputs)),
            }
        except MessageError as error:
            return tuple(written), f"no evidence is kept, and EAS cannot serve this model: {error.message}"
        size += sum(map(len, messages.values()))
        if size > MAX_BYTES:
            return tuple(written), f"samples {number} and later are not kept as evidence: over {MAX_BYTES >> 20} MiB"
        for name, message in messages.items():
            (place / name).write_bytes(message)
            written.append(str(EVIDENCE / name))
    return tuple(written), ""


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Writes the export's report into a SavedModel's folder."""
    place = folder / EVIDENCE
    place.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=4, sort_keys=True, ensure_ascii=False)
    (place / REPORT).write_text(text + "\n", encoding="utf-8")
