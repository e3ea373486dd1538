"""Warm-up files: one serialized PredictRequest that a service replays to itself before it takes traffic."""
