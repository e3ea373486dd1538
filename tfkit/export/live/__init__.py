"""Models that live in this process's TensorFlow: how they are called, traced and written."""
