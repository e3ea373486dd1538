"""Arrays as TensorProto, and back."""

from hypothesis import given

from tests.eas.strategies import arrays
from tfkit import proto
from tfkit.graph.tensor_proto import fill_tensor, tensor_array


@given(arrays())
def test_an_array_comes_back_to_the_bit(array):
    tensor = proto.message("tensorflow.TensorProto")()
    fill_tensor(tensor, array)
    back = tensor_array(tensor)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tolist() == array.tolist() if array.dtype == object else back.tobytes() == array.tobytes()
