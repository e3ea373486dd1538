"""The client of EAS services: ``tfkit.Client``."""

from tfkit.client.client import Client

__all__ = ["Client"]
