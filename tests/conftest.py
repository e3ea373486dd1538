"""For all tests: names that are the same in each of pytest's processes."""

_SHORT = 12


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long bytes are named after their argument: packed ones hold the time, and pytest-xdist compares names."""
    return argname if isinstance(val, bytes) and len(val) > _SHORT else None
