"""Fuzzes the message codec: of any bytes it says what protobuf says, or refuses them with a ``MessageError``.

    python tests/fuzz/fuzz_messages.py -max_total_time=60 [CORPUS]

The arguments are libFuzzer's. Without a corpus it starts from the seeds in ``seeds.py``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import atheris

with atheris.instrument_imports(include=["tfkit.eas", "tfkit.proto.wire"]):
    from tfkit.eas.messages import decode_request, decode_response, encode_request, encode_response
    from tfkit.errors import MessageError

from tests.eas.reference import assert_agrees, assert_same_array, assert_same_request
from tests.fuzz.seeds import write_seeds


def try_message(data: bytes) -> None:
    """Reads ``data`` as a request and as an answer; what was read must survive being written and read again."""
    assert_agrees(data)
    try:
        request = decode_request(data)
    except MessageError:
        pass
    else:
        assert_same_request(decode_request(memoryview(bytearray(encode_request(request)))), request)
    try:
        outputs = decode_response(data).outputs
    except MessageError:
        return
    again = decode_response(encode_response(outputs)).outputs
    assert again.keys() == outputs.keys()
    for name, array in outputs.items():
        assert_same_array(again[name], array)


def main() -> None:
    arguments = sys.argv
    if all(argument.startswith("-") for argument in arguments[1:]):
        corpus = Path(tempfile.mkdtemp(prefix="fuzz-messages-"))
        write_seeds(corpus)
        arguments = [*arguments, str(corpus)]
    atheris.Setup(arguments, try_message)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
