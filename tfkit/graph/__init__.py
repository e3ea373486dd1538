"""TensorFlow graphs as data: a read-only view, and what it says about the values that a model takes."""
