"""Proves what a service gains from its warm-up file: first requests timed in fresh services, cold and warm."""
