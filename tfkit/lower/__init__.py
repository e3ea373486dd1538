"""Makes a model run on an older TensorFlow: the same graph, written with what that one has."""
