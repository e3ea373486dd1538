"""Whether a model runs on a processor: ``check`` from its graph and tables, ``verify`` in the real TensorFlow."""
