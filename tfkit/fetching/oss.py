"""Models from Alibaba Cloud's Object Storage Service: ``oss://`` URLs, through the SDK of the extra ``oss``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfkit.errors import InputError, MissingError
from tfkit.fetching.archives import parts_of_name
from tfkit.fetching.scratch import LARGEST_BYTES, check_room

if TYPE_CHECKING:
    from tfkit.fetching.sources import Tell

_FORM = "oss://BUCKET.oss-REGION.aliyuncs.com/PATH"
_HOST = re.compile(r"([a-z0-9][a-z0-9-]{1,61}[a-z0-9])(?:\.([A-Za-z0-9.-]+(?::\d+)?))?")
_REGION = re.compile(r"oss-([a-z0-9-]+?)(-internal)?\.aliyuncs\.com")
_MAX_OBJECTS = 50_000
# The SDK's own names of the variables, then those of Alibaba Cloud's other tools: key, secret, session.
_CREDENTIALS = (
    ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"),
    ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"),
)


@dataclass(frozen=True, slots=True)
class OssUrl:
    """An ``oss://`` URL in its parts.

    Attributes:
        bucket: The bucket.
        key: The object's name, or with a slash at its end, what the names of several start with.
        endpoint: The host of the service; empty for that of the region.
        region: ``cn-hangzhou``; needed to sign requests.
    """

    bucket: str
    key: str
    endpoint: str
    region: str

    def __str__(self) -> str:
        return f"oss://{self.bucket}/{self.key}"


def parse_oss_url(url: str) -> OssUrl:
    """Parses ``oss://bucket.endpoint/path`` or ``oss://bucket/path``.

    What the URL does not say, the variables ``OSS_ENDPOINT`` and ``OSS_REGION`` do.

    Raises:
        InputError: It is no such URL, or nothing says where the bucket is.
    """
    host, _, key = url.removeprefix("oss://").partition("/")
    match = _HOST.fullmatch(host)
    if match is None:
        raise InputError(f"{url!r} is no URL of a bucket", hint=f"Give {_FORM}")
    bucket, endpoint = match[1], match[2] or os.environ.get("OSS_ENDPOINT", "")
    known = _REGION.fullmatch(endpoint.partition("://")[2] or endpoint)
    region = known[1] if known else os.environ.get("OSS_REGION", "")
    if not region:
        raise InputError(f"{url} does not say in which region the bucket is", hint=f"Set OSS_REGION, or give {_FORM}")
    return OssUrl(bucket, key, endpoint, region)


def download_oss(url: str, folder: Path, tell: Tell) -> Path:
    """Downloads an object, or all those below a path; their checksums are compared.

    Credentials come from the environment: ``OSS_ACCESS_KEY_ID`` and ``OSS_ACCESS_KEY_SECRET`` (with
    ``OSS_SESSION_TOKEN``), else ``ALIBABA_CLOUD_ACCESS_KEY_ID`` and so on, else none, for public buckets.

    Args:
        url: ``oss://bucket.endpoint/path`` or ``oss://bucket/path``.
        folder: Where to.
        tell: Called with lines for people.

    Returns:
        The file, or the folder with the files.

    Raises:
        InputError: The URL cannot be used, there is nothing of that name, or too much of it.
        MissingError: The SDK is not installed, access was denied, the network failed, or there is no room.
    """
    parsed = parse_oss_url(url)
    sdk = _import_sdk(parsed)
    job = _Job(sdk, parsed, folder, tell)
    with _explained(sdk, parsed):
        if parsed.key and not parsed.key.endswith("/") and (file := job.download_object()) is not None:
            return file
        return job.download_folder()


def _import_sdk(url: OssUrl) -> Any:
    try:
        return import_module("alibabacloud_oss_v2")
    except ImportError:
        raise MissingError(
            f"{url} cannot be downloaded: the SDK of OSS is not installed",
            hint='Install tfkit with its extra: python -m pip install "tfkit-serving[oss]" (or alibabacloud-oss-v2).',
        ) from None


class _Job:
    """One download."""

    def __init__(self, sdk: Any, url: OssUrl, folder: Path, tell: Tell) -> None:
        self._sdk = sdk
        self._url = url
        self._folder = folder
        self._tell = tell
        self._client = sdk.Client(
            sdk.Config(
                region=url.region, endpoint=url.endpoint or None, credentials_provider=_credentials(sdk.credentials)
            )
        )

    def download_object(self) -> Path | None:
        """Downloads the object of the URL's very name; ``None`` if there is none."""
        try:
            request = self._sdk.HeadObjectRequest(bucket=self._url.bucket, key=self._url.key)
            size = self._client.head_object(request).content_length or 0
        except self._sdk.exceptions.OperationError as error:
            if getattr(error.unwrap(), "status_code", 0) == 404:
                return None
            raise
        self._check_size(size)
        self._tell(f"downloading {self._url} ({size / 1e6:.1f} MB)")
        name = parts_of_name(self._url.key, str(self._url))[-1]
        self._download(self._url.key, self._folder / name, size)
        return self._folder / name

    def download_folder(self) -> Path:
        """Downloads every object below the URL's path."""
        prefix = self._url.key and f"{self._url.key.removesuffix('/')}/"
        objects = dict(self._list(prefix))
        if not objects:
            raise InputError(f"{self._url} does not exist: no object, and none below it", hint="Check bucket and path.")
        self._tell(f"downloading {self._url} ({len(objects)} objects, {sum(objects.values()) / 1e6:.1f} MB)")
        target = self._folder / "objects"
        for key, size in objects.items():
            path = target.joinpath(*parts_of_name(key.removeprefix(prefix), str(self._url)))
            path.parent.mkdir(parents=True, exist_ok=True)
            self._download(key, path, size)
        return target

    def _list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Names and sizes, as long as both are within the limits."""
        request = self._sdk.ListObjectsV2Request(bucket=self._url.bucket, prefix=prefix)
        count = total = 0
        for page in self._client.list_objects_v2_paginator().iter_page(request):
            for each in page.contents or ():
                count, total = count + 1, total + each.size
                if count > _MAX_OBJECTS:
                    raise InputError(f"{self._url} holds more than {_MAX_OBJECTS} objects: expected one model")
                self._check_size(total)
                if not each.key.endswith("/"):  # what consoles make as folders
                    yield each.key, each.size

    def _download(self, key: str, path: Path, size: int) -> None:
        request = self._sdk.GetObjectRequest(bucket=self._url.bucket, key=key)
        self._client.get_object_to_file(request, str(path))
        if path.stat().st_size != size:
            raise MissingError(f"{self._url}: {key} has {path.stat().st_size} bytes after its download, not {size}")

    def _check_size(self, size: int) -> None:
        if size > LARGEST_BYTES:
            raise InputError(f"{self._url} has more than the limit of {LARGEST_BYTES} bytes")
        check_room(self._folder, size, str(self._url))


def _credentials(credentials: Any) -> Any:
    for key, secret, session in _CREDENTIALS:
        if os.environ.get(key) and os.environ.get(secret):
            return credentials.StaticCredentialsProvider(
                os.environ[key], os.environ[secret], os.environ.get(session) or None
            )
    return credentials.AnonymousCredentialsProvider()


@contextmanager
def _explained(sdk: Any, url: OssUrl) -> Iterator[None]:
    """Turns the SDK's errors into plain words; they come with all details of a request, which nobody needs."""
    try:
        yield
    except sdk.exceptions.BaseError as error:
        cause = error.unwrap() if isinstance(error, sdk.exceptions.OperationError) else error
        status = getattr(cause, "status_code", 0)
        if not status:
            raise MissingError(
                f"{url} cannot be downloaded: {cause}", hint="Check the network and the region."
            ) from None
        denied = "Set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET to a key that may read it."
        raise (MissingError if status in (401, 403) or status >= 500 else InputError)(
            f"{url} cannot be downloaded: OSS answered {status} {cause.code or ''}".rstrip(),
            hint=denied if status in (401, 403) else "Check bucket, path and region.",
        ) from None
    except OSError as error:  # requests' errors among them
        raise MissingError(f"{url} cannot be downloaded: {error.strerror or error}") from None
