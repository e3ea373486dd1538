"""The server: a SavedModel behind EAS's protocol. ``tfkit.serve_model`` starts one from Python.

``tfkit.serve.proxy`` records what a service is asked; it is imported apart, for it brings an HTTP client.
"""

from tfkit.eas.token import read_token
from tfkit.serve.log import log_to_stderr
from tfkit.serve.plan import ServicePlan, is_service_json, plan_service
from tfkit.serve.server import Ready, serve
from tfkit.serve.settings import ServeSettings, is_service_name

__all__ = [
    "Ready",
    "ServeSettings",
    "ServicePlan",
    "is_service_json",
    "is_service_name",
    "log_to_stderr",
    "plan_service",
    "read_token",
    "serve",
]
