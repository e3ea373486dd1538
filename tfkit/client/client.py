"""A client for any EAS TensorFlow service: one on this machine, or the cloud's.

What is sent again, after a short pause: a request that never reached the service (no connection), and one that was
refused before it was computed (429, 450, 503). What is never sent again: a request that may have been computed (500,
408, no answer in time, a connection lost while waiting).
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import numpy as np

from tfkit.arrays import Array
from tfkit.client.transport import URL_FORM, Answer, NotConnectedError, Transport
from tfkit.eas.auth import sign_headers
from tfkit.eas.compression import FORMATS, compress
from tfkit.eas.messages import PredictRequest, decode_response, encode_request
from tfkit.eas.structure import parse_structure
from tfkit.eas.token import check_token
from tfkit.errors import InputError, MessageError, MissingError, ServiceError, UsageError
from tfkit.inputs.convert import from_array
from tfkit.tensors import DType, Signature, TensorSpec

ANSWER_LIMIT_BYTES = 1024**3

_CONTENT_TYPE = "application/octet-stream"
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_SHORTEST_POLL_S, _LONGEST_POLL_S = 0.05, 0.5
_SHOWN_BODY_BYTES = 500
_LONGEST_TIMEOUT_S = 2_000_000  # sockets hold 31 bits of milliseconds
# What numpy makes of Python's numbers: such an array may be of another dtype than was meant.
_UNMEANT = (np.dtype(np.int64), np.dtype(np.float64), np.dtype(np.complex128))

_INPUTS_FORM = 'expected values by input name, as {"x": [[1.0, 2.0]]}'
_NOT_COMPUTED = frozenset((429, 450, 503))
# Answers to an empty request that say something other than "this model cannot describe itself".
_NOT_ABOUT_STRUCTURE = frozenset((401, 403, 404, 407, 408, 429, 450, 499, 502, 503, 504))
# Source: the status table of EAS's public documents; 413 is tfkit's.
_HINTS = {
    400: "The request does not fit the model: its structure says what it takes.",
    401: "Check the token; a gateway may want it signed, or raw.",
    404: f"Check the service's name in the URL: {URL_FORM}",
    405: f"Check the URL: {URL_FORM}",
    407: "The proxy wants a user name and a password: HTTP_PROXY=http://USER:PASSWORD@HOST:PORT",
    408: "The request outran the service's time limit (rpc.keepalive). It was not sent again: it may be computed yet.",
    413: "Send fewer rows at a time.",
    429: "The service's rate limit (rpc.rate_limit) is reached: send less, or later.",
    450: "The service's queue (rpc.max_queue_size) is full: send less, or later.",
    500: "The model failed; the service's log may say why.",
    503: "The service is not ready: still loading or warming up, or stopped. Client.wait_until_ready waits for it.",
    504: "The gateway got no answer from the service in time.",
}


class Client:
    """Asks one service; any number of threads may share it.

    Proxies come from the environment (``HTTP_PROXY``, ``HTTPS_PROXY``, ``NO_PROXY``) except for this machine's own
    addresses; certificates are checked against the system's, or those in the file that ``SSL_CERT_FILE`` names.

    Args:
        url: Where requests are posted: ``http://HOST:PORT/api/predict/NAME``.
        token: The service's token; empty for an open service.
        signed: Send a signature made with the token (``EAS ...``), not the token itself.
        timeout_s: The longest that one attempt may take, from connecting to the answer's last byte.
        retries: How often a request is sent again that certainly was not computed.
        compression: How the service wants bodies compressed (``rpc.decompressor``): gzip, zlib, snappy, zstd or lz4.
        answer_limit_bytes: The largest answer to read, unpacked.

    Raises:
        UsageError: An argument makes no sense.
        InputError: The token cannot stand in an HTTP header.

    >>> Client("http://127.0.0.1:8500/api/predict/digits", token="secret")
    <Client http://127.0.0.1:8500/api/predict/digits>
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        signed: bool = False,
        timeout_s: float = 5.0,
        retries: int = 2,
        compression: str = "",
        answer_limit_bytes: int = ANSWER_LIMIT_BYTES,
    ) -> None:
        if signed and not token:
            raise UsageError("signed requests need a token")
        if compression and compression not in FORMATS:
            raise UsageError(f"compression {compression!r} is not known: expected one of {', '.join(FORMATS)}")
        _check_timeout(timeout_s)
        if retries < 0:
            raise UsageError(f"retries={retries} is not possible: expected 0 or more")
        self._transport = Transport(url, answer_limit_bytes)
        self._token = check_token(token, "token") if token else ""
        self._signed = signed
        self._timeout_s = timeout_s
        self._retries = retries
        self._compression = compression
        self._specs: dict[str, dict[str, TensorSpec]] | None = None

    @property
    def url(self) -> str:
        """Where requests are posted."""
        return self._transport.url

    def predict(self, inputs: Mapping[str, Any], *, signature: str = "", fetch: Sequence[str] = ()) -> dict[str, Array]:
        """Asks for a prediction.

        Args:
            inputs: Values by input name. Lists, numbers, texts, and arrays of numpy's default dtypes (float64, int64,
                complex128) take the dtype that the service's structure names, or keep numpy's own where it does not
                describe the signature. Arrays of any other dtype are sent as they are.
            signature: The signature to run; empty for the service's default.
            fetch: The outputs to ask for; all if empty.

        Returns:
            The outputs by name; strings as object arrays of bytes.

        Raises:
            ServiceError: The service answered with an error status.
            MissingError: It cannot be reached, or gave no answer in time.
            InputError: A value cannot be sent, or the answer cannot be read.
            UsageError: ``inputs`` maps no names to values.
        """
        if not isinstance(inputs, Mapping):
            raise UsageError(f"inputs are a {type(inputs).__name__}: {_INPUTS_FORM}")
        for name in inputs:
            if not isinstance(name, str):
                raise UsageError(f"input name {name!r} is no text: {_INPUTS_FORM}")
        arrays = {name: self._array(name, value, signature) for name, value in inputs.items()}
        body = encode_request(PredictRequest(arrays, signature, tuple(fetch)))
        if not body:  # a model without inputs: an empty body would ask for the structure
            body = encode_request(PredictRequest({}, self.structure().name))
        answered = self.predict_bytes(body)
        try:
            answer = decode_response(answered).outputs
        except MessageError as error:
            raise MessageError(f"the answer of {self.url} cannot be read: {error.message}", hint=error.hint) from None
        return {name: _own(array) for name, array in answer.items()}

    def predict_bytes(self, body: bytes) -> bytes:
        """Sends one serialized PredictRequest and returns the serialized PredictResponse, neither checked.

        Raises:
            ServiceError: The service answered with an error status.
            MissingError: It cannot be reached, or gave no answer in time.
            InputError: The body is empty: to a service that is a request for its structure.
        """
        if not body:
            raise InputError("an empty body asks for a service's structure, and for no prediction")
        return self._ask(compress(self._compression, body) if self._compression else body)

    def structure(self) -> Signature:
        """What the service takes and gives: the signature that it describes when asked with an empty request.

        Raises:
            ServiceError: The service answered with an error status; one of a frozen graph cannot describe itself.
            MissingError: It cannot be reached, or gave no answer in time.
            MessageError: The answer is no structure.
        """
        try:
            return parse_structure(self._ask(b""))
        except MessageError as error:
            raise MessageError(f"{self.url}: {error.message}", hint=error.hint) from None

    def find_structure(self) -> Signature | None:
        """As ``structure``, but ``None`` where the service is there and cannot describe itself (a frozen graph)."""
        found: Signature | None = None
        try:
            found = self.structure()
        except MessageError:
            pass
        except ServiceError as error:
            if error.status in _NOT_ABOUT_STRUCTURE:
                raise
        self._remember(found)
        return found

    def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        """Waits until the service takes requests: while nothing listens there yet, and while it answers 503.

        Raises:
            MissingError: It is not ready in time; the message holds the last reason.
            ServiceError: It answered with an error that waiting does not mend, such as 401.
        """
        deadline = time.monotonic() + timeout_s
        pause_s = _SHORTEST_POLL_S
        while (reason := self._why_not_ready(deadline)) is not None:
            if time.monotonic() + pause_s > deadline:
                raise MissingError(f"{self.url} is not ready after {timeout_s:g} s: {reason}")
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _LONGEST_POLL_S)

    def close(self) -> None:
        """Closes the idle connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"

    # --- values

    def _array(self, name: str, value: Any, signature: str) -> Array:
        if hasattr(value, "__array__"):
            given = np.asarray(value)
            if given.dtype not in _UNMEANT:
                return given
            wanted = self._known_specs(signature).get(name)
            return given if wanted is None else from_array(given, wanted)
        spec = self._known_specs(signature).get(name)
        try:
            array = np.asarray(value)
            if array.dtype.kind in "SU" or (spec is not None and spec.dtype is DType.STRING):
                array = np.array(value, dtype=object)  # numpy's own strings lose trailing NULs
        except (ValueError, OverflowError) as error:
            raise InputError(f"input {name!r} is no array: {error}") from None
        return array if spec is None else from_array(array, spec)

    def _known_specs(self, signature: str) -> dict[str, TensorSpec]:
        """The inputs of a signature, asked for once; none where the service describes another signature, or none."""
        if self._specs is None:
            self.find_structure()
        return (self._specs or {}).get(signature, {})

    def _remember(self, found: Signature | None) -> None:
        specs = {spec.name: spec for spec in found.inputs} if found is not None else {}
        self._specs = {"": specs} | ({found.name: specs} if found is not None else {})

    # --- requests

    def _ask(self, body: bytes) -> bytes:
        """Posts a body and returns the answer's; sends it again where that is safe."""
        attempt = 0
        while True:
            try:
                return self._ask_once(body, self._timeout_s)
            except NotConnectedError:
                if attempt >= self._retries:
                    raise
            except ServiceError as error:
                if error.status not in _NOT_COMPUTED or attempt >= self._retries:
                    raise
            # Half of the pause is chance, so that clients that were refused together do not come back together.
            pause_s = min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S)
            time.sleep(pause_s * (0.5 + random.random() / 2))  # noqa: S311
            attempt += 1

    def _ask_once(self, body: bytes, timeout_s: float) -> bytes:
        answer = self._transport.post(body, self._headers(body), timeout_s)
        if answer.status != HTTPStatus.OK:
            raise self._service_error(answer)
        return answer.body

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": _CONTENT_TYPE}
        if self._signed:
            headers |= sign_headers(self._token, self._transport.path, body, _CONTENT_TYPE)
        elif self._token:
            headers["Authorization"] = self._token
        return headers

    def _service_error(self, answer: Answer) -> ServiceError:
        text = answer.body[:_SHOWN_BODY_BYTES].decode("utf-8", "replace").strip()
        message = f"{self.url} answered {answer.status}" + (f": {text}" if text else "")
        hint = (
            f"It has moved: give its new URL, {answer.location}" if answer.location else _HINTS.get(answer.status, "")
        )
        return ServiceError(message, status=answer.status, body=answer.body, hint=hint)

    def _why_not_ready(self, deadline: float) -> str | None:
        """Why the service does not take requests now; ``None`` if it does."""
        left_s = max(deadline - time.monotonic(), _SHORTEST_POLL_S)
        try:
            self._ask_once(b"", min(left_s, self._timeout_s))
        except MissingError as error:
            return error.message
        except ServiceError as error:
            if _is_starting(error):
                return error.message
            if error.status in _NOT_ABOUT_STRUCTURE:
                raise
        return None


def _check_timeout(timeout_s: object) -> None:
    if isinstance(timeout_s, int | float) and math.isfinite(timeout_s) and 0 < timeout_s <= _LONGEST_TIMEOUT_S:
        return
    raise UsageError(
        f"timeout {timeout_s!r} is not possible: expected seconds, more than 0 and at most {_LONGEST_TIMEOUT_S}"
    )


def _is_starting(error: ServiceError) -> bool:
    """Whether the answer to an empty request says that the service is not ready yet; a cloud's may be an empty 404."""
    return error.status in _NOT_COMPUTED or (error.status == HTTPStatus.NOT_FOUND and not error.body.strip())


def _own(array: Array) -> Array:
    """The array in memory of its own: a view would be read-only, and keep the whole answer alive."""
    return array if array.flags.writeable else array.copy()
