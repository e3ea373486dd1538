"""What configurations of Keras 2 may name: its layers, its activations, and TensorFlow's functions between layers."""

from __future__ import annotations

import re

MODELS = frozenset({"Sequential", "Model", "Functional"})

# Layers whose behaviour, and whose arguments that matter, are the same in Keras 3; by class what Keras 3 takes of them.
# Whatever else a configuration holds is a reason to load it with the library that wrote it.
_CONVOLUTION = "kernel_size strides padding data_format dilation_rate activation use_bias"
_POOLING = "pool_size strides padding data_format"
_GLOBAL_POOLING = "data_format keepdims"
SAME_IN_KERAS_3 = {
    name: frozenset(arguments.split())
    for name, arguments in {
        "InputLayer": "batch_input_shape",
        "Dense": "units activation use_bias",
        "Embedding": "input_dim output_dim",
        "Conv1D": f"filters groups {_CONVOLUTION}",
        "Conv2D": f"filters groups {_CONVOLUTION}",
        "Conv3D": f"filters groups {_CONVOLUTION}",
        "DepthwiseConv2D": f"depth_multiplier {_CONVOLUTION}",
        "SeparableConv1D": f"filters depth_multiplier {_CONVOLUTION}",
        "SeparableConv2D": f"filters depth_multiplier {_CONVOLUTION}",
        "BatchNormalization": "axis momentum epsilon center scale",
        "MaxPooling1D": _POOLING,
        "MaxPooling2D": _POOLING,
        "MaxPooling3D": _POOLING,
        "AveragePooling1D": _POOLING,
        "AveragePooling2D": _POOLING,
        "AveragePooling3D": _POOLING,
        "GlobalMaxPooling1D": _GLOBAL_POOLING,
        "GlobalMaxPooling2D": _GLOBAL_POOLING,
        "GlobalAveragePooling1D": _GLOBAL_POOLING,
        "GlobalAveragePooling2D": _GLOBAL_POOLING,
        "Flatten": "data_format",
        "Reshape": "target_shape",
        "Permute": "dims",
        "RepeatVector": "n",
        "ZeroPadding1D": "padding",
        "ZeroPadding2D": "padding data_format",
        "Cropping1D": "cropping",
        "Cropping2D": "cropping data_format",
        "UpSampling1D": "size",
        "Activation": "activation",
        "Dropout": "rate",
        "SpatialDropout1D": "rate",
        "SpatialDropout2D": "rate data_format",
        "GaussianNoise": "stddev",
        "Add": "",
        "Subtract": "",
        "Multiply": "",
        "Average": "",
        "Maximum": "",
        "Concatenate": "axis",
    }.items()
}
# Arguments that mean nothing in inference, whatever they are; and those that mean nothing as long as they are this.
WITHOUT_MEANING = frozenset({
    "name", "trainable", "dtype", "rank", "fused", "virtual_batch_size", "adjustment", "autocast", "input_dtype",
    "noise_shape", "seed", "input_length", "sparse", "ragged",
})  # fmt: skip
MEANINGLESS_AS = {"groups": 1, "renorm": False, "synchronized": False, "mask_zero": False, "interpolation": "nearest"}
# What they make variables with: a file says how large these are to be, which has to be checked.
INITIALIZERS = {
    "Dense": ("kernel", "bias"),
    "Embedding": ("embeddings",),
    "Conv1D": ("kernel", "bias"),
    "Conv2D": ("kernel", "bias"),
    "Conv3D": ("kernel", "bias"),
    "DepthwiseConv2D": ("depthwise", "bias"),
    "SeparableConv1D": ("depthwise", "pointwise", "bias"),
    "SeparableConv2D": ("depthwise", "pointwise", "bias"),
    "BatchNormalization": ("beta", "gamma", "moving_mean", "moving_variance"),
}
ACTIVATIONS_SAME_IN_KERAS_3 = frozenset({
    "linear", "relu", "sigmoid", "tanh", "softmax", "elu", "selu", "softplus", "softsign", "exponential",
})  # fmt: skip

# Layers that tf-keras has beside those (tf_keras/src/layers/serialization.py), and that hold no code.
LAYERS = frozenset(SAME_IN_KERAS_3) | frozenset({
    "ActivityRegularization", "AdditiveAttention", "AlphaDropout", "Attention", "AvgPool1D", "AvgPool2D", "AvgPool3D",
    "BatchNormalizationV1", "BatchNormalizationV2", "Bidirectional", "CategoryEncoding", "CenterCrop",
    "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D",
    "Convolution1D", "Convolution1DTranspose", "Convolution2D", "Convolution2DTranspose", "Convolution3D",
    "Convolution3DTranspose", "Cropping3D", "CuDNNGRU", "CuDNNLSTM", "DepthwiseConv1D", "Discretization", "Dot",
    "DropoutWrapper", "ELU", "EinsumDense", "GRU", "GRUCell", "GRUCellV1", "GRUCellV2", "GRUV1", "GRUV2",
    "GaussianDropout", "GlobalAveragePooling3D", "GlobalAvgPool1D", "GlobalAvgPool2D", "GlobalAvgPool3D",
    "GlobalMaxPool1D", "GlobalMaxPool2D", "GlobalMaxPool3D", "GlobalMaxPooling3D", "GroupNormalization",
    "HashedCrossing", "Hashing", "Identity", "IntegerLookup", "LSTM", "LSTMCell", "LSTMCellV1", "LSTMCellV2",
    "LSTMV1", "LSTMV2", "Layer", "LayerNormalization", "LeakyReLU", "LocallyConnected1D", "LocallyConnected2D",
    "Masking", "MaxPool1D", "MaxPool2D", "MaxPool3D", "Minimum", "MultiHeadAttention", "Normalization", "PReLU",
    "RNN", "RandomBrightness", "RandomContrast", "RandomCrop", "RandomFlip", "RandomHeight", "RandomRotation",
    "RandomTranslation", "RandomWidth", "RandomZoom", "ReLU", "Rescaling", "ResidualWrapper", "Resizing",
    "SeparableConvolution1D", "SeparableConvolution2D", "SimpleRNN", "SimpleRNNCell", "SlicingOpLambda", "Softmax",
    "SpatialDropout3D", "StackedRNNCells", "StringLookup", "SyncBatchNormalization", "TFOpLambda",
    "TensorFlowOpLayer", "TextVectorization", "ThresholdedReLU", "TimeDistributed", "UnitNormalization",
    "UpSampling2D", "UpSampling3D", "ZeroPadding3D",
})  # fmt: skip

# Classes that only Keras 3 has (keras/src/layers/__init__.py), as its own files in HDF5 name them.
NEW_IN_KERAS_3 = frozenset({
    "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D", "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D", "AugMix", "AutoContrast",
    "ContrastLimitedAdaptiveHistogramEqualization", "CutMix", "Equalization", "GroupQueryAttention",
    "GroupedQueryAttention", "MaxNumBoundingBoxes", "MelSpectrogram", "MixUp", "Pipeline", "RMSNormalization",
    "RandAugment", "RandomColorDegeneration", "RandomColorJitter", "RandomElasticTransform", "RandomErasing",
    "RandomGaussianBlur", "RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective",
    "RandomPosterization", "RandomSaturation", "RandomSharpness", "RandomShear", "ReversibleEmbedding",
    "STFTSpectrogram", "Solarization", "SpectralNormalization",
})  # fmt: skip
CLASSES_OF_KERAS_3 = LAYERS | MODELS | NEW_IN_KERAS_3 | {"Lambda"}

# Of tf_keras/src/activations.py, and activation layers by name.
ACTIVATIONS = ACTIVATIONS_SAME_IN_KERAS_3 | frozenset({
    "hard_sigmoid", "gelu", "swish", "mish", "LeakyReLU", "ReLU", "Softmax", "ELU", "ThresholdedReLU",
})  # fmt: skip

CONVOLUTIONS = frozenset({
    "Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "ConvLSTM2D", "Convolution1D", "Convolution2D", "Convolution3D",
    "Convolution2DTranspose", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D", "SeparableConvolution2D",
})  # fmt: skip

# Functions that a TFOpLambda may name: those that compute. Others read files, load libraries or call Python.
_FUNCTION_NAME = re.compile(r"[a-z_][a-z0-9_.]*")
_COMPUTING = (
    "math.", "nn.", "linalg.", "strings.", "bitwise.", "signal.", "image.", "dtypes.", "quantization.",
    "__operators__.", "io.decode_", "keras.activations.", "sets.",
)  # fmt: skip
_COMPUTING_TOP_LEVEL = frozenset({
    "argsort", "batch_to_space", "boolean_mask", "broadcast_to", "cast", "clip_by_norm", "clip_by_value", "concat",
    "eye", "einsum", "expand_dims", "fill", "gather", "gather_nd", "identity", "linspace", "meshgrid",
    "norm", "one_hot", "ones", "ones_like", "pad", "range", "rank", "realdiv", "repeat", "reshape", "reverse",
    "reverse_sequence", "roll", "scatter_nd", "searchsorted", "sequence_mask", "shape", "shape_n", "size", "slice",
    "sort", "space_to_batch", "split", "squeeze", "stack", "stop_gradient", "strided_slice", "tensor_scatter_nd_add",
    "tensor_scatter_nd_update", "tensordot", "tile", "transpose", "unique", "unstack", "where", "zeros", "zeros_like",
})  # fmt: skip
_REFUSED_OPERATIONS = frozenset({"ReadFile", "MatchingFiles", "InitializeTableFromTextFile", "Placeholder"})


def may_call(function: object) -> bool:
    """Whether a TensorFlow function that a configuration names does nothing but compute.

    >>> may_call("math.multiply"), may_call("compat.v1.transpose"), may_call("io.write_file"), may_call("load_library")
    (True, True, False, False)
    """
    if not isinstance(function, str) or not _FUNCTION_NAME.fullmatch(function):
        return False
    name = function.removeprefix("compat.v1.")
    return name in _COMPUTING_TOP_LEVEL or name.startswith(_COMPUTING)


def may_run(operation: str) -> bool:
    """Whether an operation of TensorFlow does nothing but compute."""
    from tfkit.processors.catalogue import INSTALLED
    from tfkit.processors.tables import op_table

    found = op_table(INSTALLED).op(operation)
    return found is not None and not found.stateful and operation not in _REFUSED_OPERATIONS
