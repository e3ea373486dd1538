"""Makes constants of a model's variables, so that its graph is all that there is of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tfkit.arrays import Array, dtype_of
from tfkit.errors import ModelError
from tfkit.graph.attributes import int_value, strings_value, tensor_value, type_value
from tfkit.graph.closure import consumers, needed_by
from tfkit.graph.nodes import Node, Tensor
from tfkit.lower.flat import FlatModel
from tfkit.processors.catalogue import INSTALLED
from tfkit.processors.tables import op_table
from tfkit.tensors import DType

_REFERENCES = ("VariableV2", "Variable")
_VARIABLES = ("VarHandleOp", *_REFERENCES)
# What hands a variable on: its handle, or in TensorFlow 1 a reference to it.
_HAND_ON = ("Identity", "Switch", "Merge", "Enter", "Exit", "NextIteration")
_HAND_ON_REFERENCE = ("RefIdentity", "RefSwitch", "RefMerge", "RefEnter", "RefExit", "RefNextIteration")
# What writes into one, as the restore function does.
_ASSIGNS = ("AssignVariableOp", "Assign")
_TABLE_IMPORTS = ("LookupTableImportV2", "LookupTableImport")
_INT32 = int(DType.INT32)


def variables_of(model: FlatModel) -> dict[str, Node]:
    """The variables that the signatures need and the checkpoint holds, by the names of their nodes.

    What the initialisation assigns, or what nothing does, stays a variable.
    """
    if model.restore is None:
        return {}
    assigned = [node.inputs[0].node for node in needed_by([model.restore]) if node.op in _ASSIGNS]
    restored = {node for node in needed_by(assigned) if node.op in _VARIABLES}
    return {node.name: node for node in needed_by([*_ends(model), *model.init]) if node in restored}


def read_each(model: FlatModel) -> dict[str, Tensor]:
    """Adds to a model what reads each of its variables; the tensors by the names of the variables' nodes."""
    read = {}
    for name, node in variables_of(model).items():
        dtype = node.attrs["dtype"]
        if node.op in _REFERENCES:
            reader = Node(f"{name}/value", "Identity", [node.out()], {"T": dtype})
        else:
            reader = Node(f"{name}/value", "ReadVariableOp", [node.out()], {"dtype": dtype})
        read[name] = model.graph.add(reader).out()
    return read


def freeze(model: FlatModel, values: Mapping[str, Array], variables: Mapping[str, Node] | None = None) -> None:
    """Makes constants of the variables; what restores them goes.

    Args:
        model: The model; it is changed.
        values: The variables' values by the names of their nodes.
        variables: The variables by the names of their nodes; by default those that the checkpoint holds.

    Raises:
        ModelError: The model changes a variable when it runs, or does with it what cannot be done with a constant.
    """
    frozen = variables_of(model) if variables is None else variables
    _forget_restoring(model)
    users = consumers(model.graph)
    needed = needed_by([*_ends(model), *model.init])
    for name, node in frozen.items():
        is_reference = node.op in _REFERENCES
        _make_constant(node, values[name])
        handles = [node.out()]
        while handles:
            handle = handles.pop()
            for user in dict.fromkeys(users.get(handle.node, ())):
                if user not in needed or handle not in user.inputs:
                    continue
                if is_reference:
                    handles.extend(_use_value_of_reference(user, name))
                else:
                    handles.extend(_use_value_of_handle(model, user, values[name], name))
    model.prune()


def _ends(model: FlatModel) -> Iterable[Node]:
    for signature in model.signatures.values():
        yield from (tensor.node for tensor in signature.outputs.values())


def _forget_restoring(model: FlatModel) -> None:
    """Takes out of the restore part what assigns to variables, and the part itself if no table is left in it."""
    if model.restore is None:
        return
    for node in needed_by([model.restore]):
        node.controls = [control for control in node.controls if control.op not in _ASSIGNS]
        node.inputs = [tensor for tensor in node.inputs if tensor.node.op not in _ASSIGNS]
    if not any(node.op in _TABLE_IMPORTS for node in needed_by([model.restore])):
        model.restore = model.checkpoint = None


def _make_constant(node: Node, value: Array) -> None:
    dtype = dtype_of(value)
    node.op = "Const"
    if dtype is DType.STRING:
        tensor = strings_value(value.shape, value.reshape(-1).tolist())
    else:
        tensor = tensor_value(int(dtype), value.shape, np.ascontiguousarray(value).tobytes())
    node.attrs = {"dtype": type_value(int(dtype)), "value": tensor}


def _use_value_of_reference(user: Node, variable: str) -> list[Tensor]:
    """Lets a node that took a reference take the value; gives what hands it on."""
    if user.op in _HAND_ON_REFERENCE:
        user.op = user.op.removeprefix("Ref")
        return user.outs(2) if user.op == "Switch" else [user.out()]
    if user.op == "IsVariableInitialized":
        _become_true(user)
        return []
    op = op_table(INSTALLED).op(user.op)
    if op is None or any(argument.is_ref for argument in op.inputs):
        raise _not_frozen(variable, user)
    return []


def _use_value_of_handle(model: FlatModel, user: Node, value: Array, variable: str) -> list[Tensor]:
    """The same for the handle of a resource."""
    dtype, notes = type_value(int(dtype_of(value))), {key: each for key, each in user.attrs.items() if key[0] == "_"}
    if user.op in _HAND_ON:
        user.attrs = {**user.attrs, "T": dtype}
        return user.outs(2) if user.op == "Switch" else [user.out()]
    if user.op == "ReadVariableOp":
        user.op, user.attrs = "Identity", {**notes, "T": dtype}
    elif user.op == "VariableShape":
        user.op, user.attrs = "Shape", {**notes, "T": dtype, "out_type": user.attrs.get("out_type", type_value(_INT32))}
    elif user.op in ("ResourceGather", "ResourceGatherNd"):
        _gather_from_value(model, user, dtype, notes)
    elif user.op == "VarIsInitializedOp":
        _become_true(user)
    elif user.op == "DisableCopyOnRead":
        user.op, user.attrs, user.inputs = "NoOp", {}, []
    else:
        raise _not_frozen(variable, user)
    return []


def _gather_from_value(model: FlatModel, user: Node, dtype: Any, notes: Mapping[str, Any]) -> None:
    types = {"Tparams": dtype, "Tindices": user.attrs["Tindices"]}
    if user.op == "ResourceGatherNd":
        user.op, user.attrs = "GatherNd", {**notes, **types}
        return
    batch = user.int_attr("batch_dims")
    axis = Node(f"{user.name}/axis", "Const", origin=user.origin, pivot=user.pivot)
    _make_constant(axis, np.array(batch, np.int32))
    axis.require_pivot()
    user.inputs.append(model.graph.add(axis).out())
    user.op = "GatherV2"
    user.attrs = {**notes, **types, "Taxis": type_value(_INT32), "batch_dims": int_value(batch)}


def _become_true(user: Node) -> None:
    user.controls, user.inputs = [*user.controls, *(tensor.node for tensor in user.inputs)], []
    _make_constant(user, np.array(True))


def _not_frozen(variable: str, user: Node) -> ModelError:
    return ModelError(
        f"variable {variable!r} cannot be frozen: node {user.name!r} ({user.op}) does with it what cannot be done with "
        "a constant",
        hint="Export the model without --freeze: its variables stay a checkpoint then.",
    )
