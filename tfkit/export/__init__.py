"""Exporting: from a source to a SavedModel that was run and compared with it."""

from tfkit.export.pipeline import export_model
from tfkit.export.report import ExportReport, OutputCheck, SelfCheck, Source, Tolerance

__all__ = ["ExportReport", "OutputCheck", "SelfCheck", "Source", "Tolerance", "export_model"]
