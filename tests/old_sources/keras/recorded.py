"""What old versions of Keras wrote and recorded of themselves; ``write_fixtures.py`` made it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.old_tensorflow.recorded import Case, read_arrays

FOLDER = Path(__file__).with_name("fixtures")


@dataclass(frozen=True)
class OldModel:
    """A model that an old Keras saved, and what it computed there."""

    version: str
    name: str

    def __str__(self) -> str:
        return f"{self.version}-{self.name}"

    @property
    def file(self) -> Path:
        """The HDF5 file."""
        return FOLDER / self.version / f"{self.name}.h5"

    @property
    def keeps_state(self) -> bool:
        """Whether a call changes what the next one answers."""
        return self.name == "stateful"

    def cases(self) -> list[Case]:
        """The recorded runs, by the names that the old Keras has for inputs and outputs."""
        recorded = json.loads((FOLDER / self.version / "recorded.json").read_text())["models"][self.name]
        return [Case("", read_arrays(each["inputs"]), read_arrays(each["outputs"])) for each in recorded]


OLD_MODELS = tuple(
    OldModel(folder.name, file.stem) for folder in sorted(FOLDER.iterdir()) for file in sorted(folder.glob("*.h5"))
)
