"""Graphs of TensorFlow 1 cut down to what is served: inputs and outputs named or found, training taken out."""
