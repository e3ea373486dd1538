"""``tfkit record``: its options, and what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.asking import ask
from tests.serving import RecordingProxy, free_port
from tfkit.warmup.folder import read_folder


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A ``tfkit record`` that ends by itself."""
    command = [sys.executable, "-m", "tfkit.cli", "record", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done


def test_a_line_says_where_to_ask(tmp_path: Path) -> None:
    upstream = f"http://127.0.0.1:{free_port()}/api/predict/digits"
    folder = tmp_path / "records"
    with RecordingProxy(upstream, folder, "--access-log") as proxy:
        assert proxy.ready == {"url": proxy.url, "upstream": upstream, "output": str(folder)}
        assert f"tfkit: ready at {proxy.url} · in front of {upstream} · recording to {folder}" in proxy.log
        assert ask(proxy, "GET", "/readyz").status == 200
        assert proxy.stop() == 0
        assert "GET /readyz 200 0 bytes" in proxy.log
        assert "stopped after 1 requests: 1 x 200 OK" in proxy.log
        assert f"0 requests seen; 0 forms kept in {folder}" in proxy.log
    assert read_folder(folder) == ()


def test_an_added_token_on_a_public_address_is_warned_about(tmp_path: Path) -> None:
    (tmp_path / "token.txt").write_text("secret\n")
    options = ("--host", "0.0.0.0", "--token-file", str(tmp_path / "token.txt"))
    with RecordingProxy("http://127.0.0.1:9/api/predict/digits", tmp_path / "records", *options) as proxy:
        assert "anyone may ask with the token" in proxy.wait_for_log("WARNING")
        assert "secret" not in proxy.log
        assert b"secret" not in Path(f"/proc/{proxy.process.pid}/cmdline").read_bytes()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--upstream", "http://127.0.0.1:9"), 2, "names no service"),
        (("--upstream", "digits"), 2, "no URL of a service"),
        (("--upstream", "http://me:word@host/api/predict/digits"), 2, "holds a user name or password"),
        (("--forms", "0"), 2, "forms=0"),
        (("--limit", "0"), 2, "size_bytes=0"),
        (("--rate", "2"), 2, "rate=2"),
        (("--timeout", "0"), 2, "--timeout 0.0: expected up to 3600 s"),
        (("--port", "70000"), 2, "--port 70000: expected 0 to 65535"),
        (("--worker-threads", "65"), 2, "--worker-threads 65: expected 1 to 64"),
        (("--max-queue-size", "-1"), 2, "--max-queue-size -1"),
        (("--body-limit", "0"), 2, "--body-limit 0"),
        (("--grace", "-1"), 2, "--grace -1"),
        (("--advertise", "host"), 2, "HOST:PORT"),
        (("--decompressor", "rar"), 2, "gzip"),
        (("--token-file", "{tmp}/nowhere.txt"), 3, "nowhere.txt"),
        (("--output", "{tmp}/deep/er"), 3, "cannot be recorded to"),
        (("--host", "no.such.host.invalid"), 4, "cannot listen on no.such.host.invalid"),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, options: tuple[str, ...], code: int, words: str) -> None:
    given = {
        "--upstream": "http://127.0.0.1:9/api/predict/digits",
        "--output": str(tmp_path / "records"),
        "--port": "0",
    }
    given |= dict([tuple(each.format(tmp=tmp_path) for each in options)])
    done = run(*(word for pair in given.items() for word in pair))
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr
    assert "ready at" not in done.stderr


HELP = """
import json, sys
from typer.testing import CliRunner
from tfkit.cli.app import build_app

shown = CliRunner().invoke(build_app("record"), ["record", "--help"]).stdout
print(json.dumps([shown, [name for name in ("numpy", "urllib3", "tensorflow") if name in sys.modules]]))
"""


def test_its_help_says_how_a_signed_client_is_pointed_to_it() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, timeout=60, check=True)
    text, heavy = json.loads(done.stdout)
    assert "signed request's signature covers the path" in " ".join(text.split())
    assert heavy == []
