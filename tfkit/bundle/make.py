"""``make_bundle``: a model, its service JSON, its warm-up file and their proof, as a folder to upload.

eas:         model.tar.gz, service.json, warm_up_test.bin, which ``eascmd create service.json`` deploys
tf-serving:  NAME/1/, a SavedModel with its warm-up requests in assets.extra, for ``--model_base_path``
both:        bundle.json, what the bundle is; evidence/ (``tfkit.bundle.evidence``); SHA256SUMS
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tfkit
from tfkit.bundle.archive import ModelEntry, copy_entries, model_entries, write_archive
from tfkit.bundle.evidence import FOLDER, Evidence, gather_evidence, has_recorded, write_evidence
from tfkit.bundle.model import BundledModel, open_model
from tfkit.bundle.report import BundledFile, BundleReport
from tfkit.bundle.service import service_text, service_values, unknown_notes
from tfkit.bundle.sums import SUMS, write_sums
from tfkit.compat.compare import Limits
from tfkit.eas.messages import PredictRequest, decode_request
from tfkit.eas.service_keys import name_note
from tfkit.eas.token import check_token
from tfkit.errors import InputError, UsageError, nearest
from tfkit.export.target import check_target, staged_folder
from tfkit.fetching.sources import name_of
from tfkit.fetching.urls import is_url
from tfkit.processors.catalogue import INSTALLED, find_processor
from tfkit.serve.settings import is_service_name
from tfkit.warmup.files import read_warmup_body
from tfkit.warmup.folder import request_files
from tfkit.warmup.lint import Severity, lint_warmup
from tfkit.warmup.tf_serving import WARMUP_FILE, write_logs

EAS, TF_SERVING = "eas", "tf-serving"
LAYOUTS = (EAS, TF_SERVING)
MANIFEST = "bundle.json"
MODEL, SERVICE, WARM_UP = "model.tar.gz", "service.json", "warm_up_test.bin"
_SECRET_MODE = 0o600


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be bundled, once it is sure that it can be; ``folder`` is where, as the user named it."""

    folder: Path
    model: BundledModel
    layout: str
    name: str
    processor: str
    version: int
    bodies: tuple[bytes, ...]
    requests: tuple[PredictRequest, ...]
    limits: Limits
    warnings: tuple[str, ...]
    values: Mapping[str, Any] = field(repr=False)

    @property
    def place(self) -> str:
        """Where the model is in the bundle."""
        return MODEL if self.layout == EAS else f"{self.name}/{self.version}"


def make_bundle(
    model: str | Path,
    output: str | Path,
    *,
    processor: str,
    warm_up: str | Path | Sequence[str | Path],
    name: str = "",
    layout: str = EAS,
    settings: Mapping[str, Any] | None = None,
    base_url: str = "",
    token: str = "",
    model_version: int = 1,
    verify: bool = True,
    atol: float | None = None,
    rtol: float | None = None,
    timeout_s: float = 120.0,
    force: bool = False,
    progress: Callable[[str], None] | None = None,
) -> BundleReport:
    """Makes what is uploaded of a model; it is checked for its processor and run there first.

    The same model and options give the same bytes.

    Args:
        model: A SavedModel's folder, a frozen graph's ``.pb`` file, or a folder with a model for each processor.
        output: The folder to make.
        processor: EAS's processor; for ``tf-serving`` also ``installed``.
        warm_up: The warm-up file, several for ``tf-serving``, or a folder of them that ``make_warmup`` or a record
            wrote; with none the first request finds a cold service.
        name: The service's name; the model's by default.
        layout: ``eas``, or ``tf-serving``.
        settings: Values of the service JSON by key: ``{"metadata.cpu": 4, "rpc.keepalive": 1000}``. By default one
            instance, one core, and one GPU if the processor is for GPUs. A key that tfkit does not know is kept, with a
            note.
        base_url: Where the files will be uploaded to, ``oss://BUCKET/PATH``, which the service JSON then names. By
            default it names them beside itself, as ``tfkit serve`` reads it.
        token: The service's token, written into the service JSON; by default EAS makes one.
        model_version: The number of the version, for ``tf-serving``.
        verify: Whether to run the model; without, the bundle says that it was not.
        atol: Largest absolute difference from the source's outputs; by default what the export allowed, or what their
            type and size allow. The bundle keeps it for its own check.
        rtol: Largest difference relative to them.
        timeout_s: The longest that loading the model or one run may take.
        force: Replace a bundle that is there already.
        progress: Told what is done now.

    Returns:
        What the bundle holds, and what proves it.

    Raises:
        UsageError: Options make no sense, or do not go together, or ``output`` is there already.
        InputError: A file cannot be bundled.
        ModelError: There is no model, or a damaged one.
        SignatureError: A warm-up request does not fit the model.
        VerdictError: The model does not run on the processor as it is, or gives other numbers than its source.
        MissingError: The processor's TensorFlow is not installed, or a file may not be read or written.

    Example:
        >>> tfkit.make_bundle("build/digits", "bundle", processor="tensorflow_cpu_2.7",
        ...                   warm_up="warm_up_test.bin").verdict                # doctest: +SKIP
        "equal to the source's recorded outputs, within what is allowed"
    """
    given = [warm_up] if isinstance(warm_up, str | Path) else warm_up
    files = [file for each in given for file in request_files(Path(each))]
    name = name or name_of(str(model))
    _check_options(layout, processor, name, files, base_url, model_version)
    if layout != EAS and (settings or base_url or token):
        raise UsageError("TensorFlow Serving takes no service JSON: neither settings, nor a URL, nor a token")
    values = service_values(settings or {}, on_gpu=find_processor(processor).device == "gpu")
    target = check_target(Path(output), force=force, called="bundle", markers=(MANIFEST,))
    opened = open_model(Path(model), processor)
    entries = model_entries(opened.path)
    _check_model(opened, layout, target)
    bodies = tuple(map(read_warmup_body, files))
    requests = tuple(map(decode_request, bodies))
    for file, request in zip(files, requests, strict=True):
        opened.signature_of(request, str(file))
    warnings = _lint(files, opened.path)
    places = _places(base_url, has_warm_up=bool(files))
    secret = {"token": check_token(token, "token")} if token else {}
    named = {"name": name, **secret, "processor": processor, **places, **values}
    limits = Limits(atol, rtol)
    wanted = _Wanted(
        Path(output), opened, layout, name, processor, model_version, bodies, requests, limits, warnings, named
    )
    evidence = gather_evidence(
        opened,
        processor,
        requests,
        verify=verify,
        timeout_s=timeout_s,
        limits=limits,
        tell=progress or (lambda _: None),
    )
    return _write(wanted, entries, evidence, target, force=force, tell=progress or (lambda _: None))


def _check_options(layout: str, processor: str, name: str, files: Sequence[Path], base_url: str, version: int) -> None:
    """Refuses what cannot be, before work is done for it; raises ``UsageError``."""
    if layout not in LAYOUTS:
        raise UsageError(f"no layout is called {layout!r}", hint=nearest(layout, LAYOUTS))
    if not is_service_name(name):
        raise UsageError(
            f"{name!r} cannot be a service's name: expected letters, digits, '_', '-' and '.'",
            hint="--name gives it another.",
        )
    if layout == TF_SERVING and name in (FOLDER, MANIFEST, SUMS):
        raise UsageError(f"{name!r} cannot be the model's name: something else in the bundle is called that")
    if version < 1:
        raise UsageError(f"version {version} is not possible: expected a number from 1 on")
    find_processor(processor)
    if layout == EAS and processor == INSTALLED:
        raise UsageError("EAS has no processor 'installed'", hint="tfkit runtime list shows EAS's processors.")
    if layout == EAS and len(files) > 1:
        raise UsageError(
            f"{len(files)} warm-up files were given: EAS's service JSON names one", hint="Choose one of them."
        )
    if base_url and not is_url(base_url):
        raise UsageError(f"{base_url!r} is no URL to upload to: expected oss://BUCKET/PATH")


def _check_model(model: BundledModel, layout: str, target: Path) -> None:
    """Refuses a model that the layout does not take, or that the bundle would lie in; raises ``InputError``."""
    if target.is_relative_to(model.path.resolve()):
        raise InputError(f"{target} is inside of the model, {model.path}", hint="Choose a folder elsewhere.")
    if model.is_frozen and layout != EAS:
        raise InputError(
            f"{model.path} is a frozen graph, which TensorFlow Serving does not take: expected a SavedModel",
            hint=f"Make one of it: tfkit export {model.path} --output FOLDER",
        )


def _lint(files: Sequence[Path], model: Path) -> tuple[str, ...]:
    """What lint warns of in warm-up files; raises ``InputError`` for what makes a request fail."""
    findings = lint_warmup(files, model=model).findings if files else ()
    for each in findings:
        if each.severity is Severity.ERROR:
            raise InputError(f"{each.file} does not fit the model: {each.message}", hint=each.hint)
    warnings = (f"warm-up: {each.message}" for each in findings if each.severity is Severity.WARNING)
    return tuple(dict.fromkeys(warnings))


def _places(base_url: str, *, has_warm_up: bool) -> dict[str, str]:
    """Where the service JSON says that the files are: beside it, or where they will be uploaded to."""
    above = f"{base_url.rstrip('/')}/" if base_url else ""
    places = {"model_path": MODEL, **({"warm_up_data_path": WARM_UP} if has_warm_up else {})}
    return {key: f"{above}{name}" for key, name in places.items()}


def _write(
    wanted: _Wanted,
    entries: Sequence[ModelEntry],
    evidence: Evidence,
    target: Path,
    *,
    force: bool,
    tell: Callable[[str], None],
) -> BundleReport:
    with staged_folder(target, force=force) as folder:
        tell(f"writing {wanted.place}")
        notes = [*evidence.notes, *_notes(wanted)]
        if wanted.layout == EAS:
            _write_for_eas(wanted, entries, folder)
        else:
            _write_for_tf_serving(wanted, entries, folder)
        is_recorded = not wanted.model.is_frozen and has_recorded(wanted.model.path)
        if note := write_evidence(folder, evidence, shown=wanted.place, recorded=is_recorded):
            notes.append(note)
        manifest = _manifest(wanted, evidence, notes)
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=4) + "\n", encoding="utf-8")
        sums = write_sums(folder)
        files = tuple(BundledFile(each, (folder / each).stat().st_size, digest) for each, digest in sums.items())
    return BundleReport(
        wanted.folder,
        wanted.layout,
        wanted.name,
        wanted.processor,
        evidence.proved_in,
        evidence.verdict,
        files,
        tuple(notes),
    )


def _write_for_eas(wanted: _Wanted, entries: Sequence[ModelEntry], folder: Path) -> None:
    write_archive(entries, folder / MODEL)
    for body in wanted.bodies:
        (folder / WARM_UP).write_bytes(body)
    (folder / SERVICE).write_text(service_text(wanted.values), encoding="utf-8")
    if "token" in wanted.values:
        (folder / SERVICE).chmod(_SECRET_MODE)


def _write_for_tf_serving(wanted: _Wanted, entries: Sequence[ModelEntry], folder: Path) -> None:
    place = folder / wanted.name / str(wanted.version)
    # The warm-up is the bundle's: that of the model goes, whether there is another or is to be none.
    copy_entries([each for each in entries if not Path(each.name).is_relative_to(WARMUP_FILE)], place)
    if wanted.requests:
        (place / WARMUP_FILE).parent.mkdir(exist_ok=True)
        with (place / WARMUP_FILE).open("xb") as stream:
            write_logs(stream, wanted.requests, wanted.name)


def _notes(wanted: _Wanted) -> list[str]:
    notes = [*wanted.warnings]
    if wanted.layout == EAS:
        notes += [*filter(None, [name_note(wanted.name)]), *unknown_notes(wanted.values)]
    if "token" in wanted.values:
        notes.append(f"{SERVICE} holds the token: keep it where nobody else reads it")
    if not wanted.requests:
        notes.append("there is no warm-up file: the first requests find a cold service")
    return notes


def _manifest(wanted: _Wanted, evidence: Evidence, notes: Sequence[str]) -> dict[str, Any]:
    """What the bundle is, for programs; nothing in it changes with time or place."""
    return {
        "made_by": f"tfkit {tfkit.__version__}",
        "layout": wanted.layout,
        "name": wanted.name,
        "processor": wanted.processor,
        "model": wanted.place,
        "proved_in": evidence.proved_in or None,
        "verdict": evidence.verdict,
        "tolerance": {"atol": wanted.limits.atol, "rtol": wanted.limits.rtol},
        "notes": list(notes),
        "checksums": SUMS,
    }
