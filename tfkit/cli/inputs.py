"""The ``--input`` option of every command that takes inputs."""

from __future__ import annotations

from typing import Annotated

import typer

INPUT_HELP = """
A value for an input, any number of times: NAME=@FILE (npy, npz[:KEY], json[:KEY], csv[:COLUMN], jsonl[:KEY],
parquet[:COLUMN], tfrecord[:FEATURE], txt), NAME=@FOLDER[:LO:HI] (pictures, values from LO to HI in place of 0 to 255),
NAME=random, NAME=random:LO:HI, NAME=zeros, or JSON, as 'x=[1.0, 2.0]' or 'word=["a"]'; NAME:DTYPE=... fixes the dtype.
@FILE alone is a whole set of inputs: npz, json, a table with a column for each, a PredictRequest (binary, or protobuf
JSON), or the body of TensorFlow Serving's REST call.
"""

InputOptions = Annotated[
    list[str] | None, typer.Option("--input", "-i", metavar="NAME=VALUE", help=INPUT_HELP, show_default=False)
]
