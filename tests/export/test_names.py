"""Names: given once, renamed all at once, and made fit for TensorFlow's graphs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfkit.errors import SignatureError, UsageError
from tfkit.export.names import (
    Port,
    check_renames,
    check_signature_name,
    graph_names,
    is_graph_name,
    parse_renames,
    rename_ports,
    unique_names,
)

INPUTS = [Port("keras_tensor", ("input_layer",)), Port("b")]
OUTPUTS = [Port("dense", ("output_0",)), Port("b", ("output_1",))]


def test_rename_options_are_split_at_the_first_equals_sign():
    assert parse_renames(["a=b", "c=d=e"]) == {"a": "b", "c": "d=e"}


@pytest.mark.parametrize("option", ["a", "=b", "a=", "="])
def test_a_rename_option_needs_both_names(option):
    with pytest.raises(UsageError, match="expected OLD=NEW"):
        parse_renames([option])


def test_renaming_one_name_twice_is_refused():
    with pytest.raises(UsageError, match="twice"):
        parse_renames(["a=b", "a=c"])


def test_names_can_be_swapped():
    assert rename_ports("input", [Port("a"), Port("b")], {"a": "b", "b": "a"}) == {"a": "b", "b": "a"}


def test_keras_own_names_work_as_well():
    assert rename_ports("input", INPUTS, {"input_layer": "images"}) == {"keras_tensor": "images", "b": "b"}
    assert rename_ports("output", OUTPUTS, {"output_0": "scores"}) == {"dense": "scores", "b": "b"}


def test_an_input_and_an_output_of_one_name_are_both_renamed():
    assert rename_ports("input", INPUTS, {"b": "c"})["b"] == rename_ports("output", OUTPUTS, {"b": "c"})["b"] == "c"


def test_an_alias_of_two_ports_means_neither():
    ports = [Port("lstm", ("lstm",)), Port("lstm_1", ("state",)), Port("lstm_2", ("state",))]
    assert rename_ports("output", ports, {"state": "x"}) == {"lstm": "lstm", "lstm_1": "lstm_1", "lstm_2": "lstm_2"}


def test_two_inputs_cannot_get_one_name():
    with pytest.raises(SignatureError, match="two inputs would be called 'b'"):
        rename_ports("input", INPUTS, {"keras_tensor": "b"})


def test_one_input_cannot_be_renamed_under_two_names():
    with pytest.raises(UsageError, match="renamed twice"):
        rename_ports("input", INPUTS, {"keras_tensor": "x", "input_layer": "y"})


def test_an_empty_name_is_refused():
    with pytest.raises(UsageError, match="empty"):
        rename_ports("input", INPUTS, {"b": ""})


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(SignatureError, match="no input or output 'dens'") as error:
        check_renames(INPUTS, OUTPUTS, {"b": "c", "dens": "x"})
    assert error.value.hint == ("Inputs: Known: keras_tensor, b.\nOutputs: Did you mean 'dense'? Known: dense, b.")


@pytest.mark.parametrize("name", ["", "__saved_model_init_op"])
def test_names_that_tensorflow_uses_itself_are_no_signature_names(name):
    with pytest.raises(UsageError):
        check_signature_name(name)


def test_unique_names_number_what_is_repeated():
    assert unique_names(["a", "a", "a_1", "a"]) == ["a", "a_2", "a_1", "a_3"]


@given(st.lists(st.sampled_from(["a", "a_1", "a_2", "b"])))
def test_unique_names_are_unique_and_keep_what_was_unique(names):
    result = unique_names(names)
    assert len(set(result)) == len(names)
    assert all(have == want for have, want in zip(result, names, strict=True) if names.count(want) == 1)


@given(
    st.lists(
        st.text(min_size=1) | st.sampled_from(["Images", "images", "a-b", "a b", "a_b", "self", "class"]), unique=True
    )
)
def test_graph_names_are_distinct_and_fit_for_tensorflow(names):
    chosen = graph_names(names)
    assert list(chosen) == names
    assert all(is_graph_name(safe) for safe in chosen.values())
    assert all(chosen[name] == name for name in names if is_graph_name(name))
    changed = [safe.lower() for name, safe in chosen.items() if safe != name]
    assert len(set(changed)) == len(changed)
    assert not set(changed) & {name.lower() for name in names if is_graph_name(name)}
