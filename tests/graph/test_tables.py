"""Keys of lookup tables that are filled from the columns of a file."""

import pytest

from tfkit.graph.domains import Vocabulary, input_domains
from tfkit.tensors import DType, Signature, TensorSpec

LINES = "10\tred\n20\tgreen\r\nnothing here\n"


@pytest.mark.parametrize(
    ("column", "key_dtype", "keys"),
    [
        (0, DType.INT64, (10, 20)),
        (1, DType.STRING, (b"red", b"green")),
        (-2, DType.STRING, (b"10\tred", b"20\tgreen", b"nothing here")),
        (-1, DType.INT64, (0, 1, 2)),
        (7, DType.STRING, None),
    ],
)
def test_a_key_is_a_column_a_line_or_its_number(saved_model, column, key_dtype, keys):
    def fill(metagraph):
        nodes = metagraph.graph_def.node
        nodes.add(name="x", op="Placeholder")
        nodes.add(name="file", op="Const")
        nodes.add(name="default", op="Const").attr["value"].tensor.dtype = 9
        nodes.add(name="table", op="HashTableV2").attr["key_dtype"].type = int(key_dtype)
        filler = nodes.add(name="fill", op="InitializeTableFromTextFileV2", input=["table", "file"])
        filler.attr["key_index"].i = column
        filler.attr["delimiter"].s = b"\t"
        nodes.add(name="y", op="LookupTableFindV2", input=["table", "x", "default"])
        asset = metagraph.asset_file_def.add(filename="words.tsv")
        asset.tensor_info.name = "file:0"

    folder = saved_model(fill)
    (folder / "assets").mkdir()
    (folder / "assets" / "words.tsv").write_bytes(LINES.encode())
    signature = Signature("s", (TensorSpec("x", key_dtype, (None,), "x:0"),), ())
    assert input_domains(folder, signature).get("x") == (None if keys is None else Vocabulary(keys))
