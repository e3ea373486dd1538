"""Models of Keras 2 and tf.keras in HDF5: read as data, and made live by the Keras that computes them as they were."""
