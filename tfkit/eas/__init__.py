"""The protocol of Alibaba Cloud PAI-EAS's TensorFlow processor: messages, authentication, compression, structure JSON.

Nothing is imported here: the structure JSON must be had without numpy.
"""
