import pytest

from tfkit.inputs import make_inputs, parse_inputs
from tfkit.tensors import DType, Signature, TensorSpec


@pytest.fixture
def make():
    """Makes the arrays of inputs that are given as ``name=(dtype, shape)``, from ``--input`` options."""

    def make(*options, batch_size=None, seed=0, inputs=None, **settings):
        specs = inputs or {"x": (DType.FLOAT, (None, 2))}
        signature = Signature("predict", tuple(TensorSpec(name, *held) for name, held in specs.items()), ())
        return make_inputs(parse_inputs(options), signature, batch_size=batch_size, seed=seed, **settings)

    return make
