"""The inputs of a request from ``--input`` options: parsing them, reading files, making values up."""

from __future__ import annotations

from tfkit.inputs.files import read_request
from tfkit.inputs.make import (
    given_names,
    given_request,
    given_rows,
    make_inputs,
    options_from,
    random_for_missing,
    signature_of,
)
from tfkit.inputs.options import FORMS, InputOption, parse_inputs
from tfkit.inputs.rows import Reading

__all__ = [
    "FORMS",
    "InputOption",
    "Reading",
    "given_names",
    "given_request",
    "given_rows",
    "make_inputs",
    "options_from",
    "parse_inputs",
    "random_for_missing",
    "read_request",
    "signature_of",
]
