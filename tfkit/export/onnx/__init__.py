"""Exporting to ONNX: a SavedModel's signature becomes an ONNX model that was run and compared with the source."""

from tfkit.export.onnx.pipeline import export_onnx
from tfkit.export.onnx.report import OnnxReport

__all__ = ["OnnxReport", "export_onnx"]
