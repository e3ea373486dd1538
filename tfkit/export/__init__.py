"""Exporting: from a source to a SavedModel that was run and compared with it."""

from tfkit.compat.tolerance import Tolerance
from tfkit.export.everywhere import EverywhereReport, ProcessorExport, export_everywhere
from tfkit.export.onnx import OnnxReport, export_onnx
from tfkit.export.pipeline import export_model
from tfkit.export.report import ExportReport, OutputCheck, SelfCheck, Source

__all__ = [
    "EverywhereReport",
    "ExportReport",
    "OnnxReport",
    "OutputCheck",
    "ProcessorExport",
    "SelfCheck",
    "Source",
    "Tolerance",
    "export_everywhere",
    "export_model",
    "export_onnx",
]
