"""The processors of EAS: which TensorFlow each is, installing it, what its GPU build needs, what it can do."""
