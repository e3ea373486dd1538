"""The ``--input`` option of every command that takes inputs."""

from __future__ import annotations

from typing import Annotated

import typer

INPUT_HELP = """
A value for an input, any number of times: NAME=@FILE (npy, npz[:KEY] or json[:KEY]), NAME=random, NAME=random:LO:HI,
NAME=zeros, or JSON, as 'x=[1.0, 2.0]' or 'word=["a"]'; NAME:DTYPE=... fixes the dtype. @FILE alone is a whole set of
inputs: npz, json, or a PredictRequest (binary, or protobuf JSON).
"""

InputOptions = Annotated[
    list[str] | None, typer.Option("--input", "-i", metavar="NAME=VALUE", help=INPUT_HELP, show_default=False)
]
