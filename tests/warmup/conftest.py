import pytest

from tfkit import proto

IDENTITY_INPUTS = {"images": (1, (-1, 4)), "ids": (9, (-1,)), "word": (7, (-1,))}


@pytest.fixture
def model(tmp_path):
    """A SavedModel of three inputs: ``ids`` index a table of 3 rows, ``images`` and ``word`` are handed on."""
    saved = proto.message("tensorflow.SavedModel")(saved_model_schema_version=1)
    metagraph = saved.meta_graphs.add()
    metagraph.meta_info_def.tags.append("serve")
    nodes = metagraph.graph_def.node
    metagraph.graph_def.versions.producer = 27
    for signature_name in ("predict_images", "serving_default"):
        signature = metagraph.signature_def[signature_name]
        signature.method_name = "tensorflow/serving/predict"
        for name, (dtype, shape) in IDENTITY_INPUTS.items():
            for place, node in ((signature.inputs, name), (signature.outputs, f"{name}_out")):
                place[name].name = f"{node}:0"
                place[name].dtype = dtype
                for size in shape:
                    place[name].tensor_shape.dim.add(size=size)
    for name, (dtype, _) in IDENTITY_INPUTS.items():
        nodes.add(name=name, op="Placeholder").attr["dtype"].type = dtype
        nodes.add(name=f"{name}_out", op="Identity", input=[name]).attr["T"].type = dtype
    table = nodes.add(name="table", op="Const")
    table.attr["dtype"].type = 1
    table.attr["value"].tensor.dtype = 1
    table.attr["value"].tensor.tensor_shape.dim.add(size=3)
    table.attr["value"].tensor.tensor_content = bytes(12)
    axis = nodes.add(name="axis", op="Const")
    axis.attr["value"].tensor.dtype = 3
    nodes.add(name="rows", op="GatherV2", input=["table", "ids", "axis"])
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())
    return folder
