import subprocess
import sys
from pathlib import Path

import pytest

from tfkit import proto


@pytest.fixture(scope="session")
def graph_models(tmp_path_factory):
    """A folder of SavedModels made by TensorFlow and Keras (see ``make_models.py``)."""
    folder = tmp_path_factory.mktemp("graph_models")
    script = Path(__file__).with_name("make_models.py")
    made = subprocess.run([sys.executable, script, folder], capture_output=True, text=True, timeout=240, check=False)
    assert made.returncode == 0, made.stderr[-4000:]
    return folder


@pytest.fixture
def saved_model(tmp_path):
    """Writes a SavedModel of one graph: ``saved_model(fill)`` calls ``fill`` with its empty MetaGraphDef."""

    def write(fill):
        model = proto.message("tensorflow.SavedModel")(saved_model_schema_version=1)
        metagraph = model.meta_graphs.add()
        metagraph.meta_info_def.tags.append("serve")
        fill(metagraph)
        folder = tmp_path / "model"
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(model.SerializeToString())
        return folder

    return write
