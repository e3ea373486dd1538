"""What newer TensorFlows add that does nothing for a served model."""

from tfkit.lower.edit import Edit
from tfkit.lower.rules import rule


@rule("DisableCopyOnRead", makes="nothing: it is a hint")
def drop_hint(edit: Edit) -> None:
    """The value is read all the same."""
    edit.become("NoOp", ())
