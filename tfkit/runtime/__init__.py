"""TensorFlow's C API: sessions in this process (``session``), or in a process of their own (``Runtime``)."""

from tfkit.runtime.process import LoadedModel, Runtime

__all__ = ["LoadedModel", "Runtime"]
