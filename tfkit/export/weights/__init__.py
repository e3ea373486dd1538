"""Weights without a model: the code or JSON that builds it, and each weight put in its place."""
