"""SavedModels on disk: reading them lazily, without TensorFlow."""
