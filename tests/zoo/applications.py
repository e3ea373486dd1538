"""Keras's applications, with random weights and small images."""

from __future__ import annotations

import keras

from tests.zoo.kinds import Made, given, keras_model, kind, normal, uniform

# The sides of their images. NASNetLarge, EfficientNetB6, B7, V2M and V2L, ConvNeXtLarge and XLarge are left out: each
# takes a minute or a gigabyte, and differs from its smaller sisters in size alone.
_SMALL = {
    "MobileNetV2": 64, "ResNet50": 64, "EfficientNetB0": 64, "ConvNeXtTiny": 64, "DenseNet121": 64,
    "EfficientNetV2B0": 64, "MobileNetV3Small": 64, "InceptionV3": 96,
}  # fmt: skip
_BIG = {
    "MobileNet": 64, "MobileNetV3Large": 64, "VGG16": 64, "VGG19": 64, "Xception": 96, "InceptionResNetV2": 96,
    "NASNetMobile": 64, "ResNet50V2": 64, "ResNet101": 64, "ResNet101V2": 64, "ResNet152": 64, "ResNet152V2": 64,
    "DenseNet169": 64, "DenseNet201": 64, "EfficientNetB1": 64, "EfficientNetB2": 64, "EfficientNetB3": 64,
    "EfficientNetB4": 64, "EfficientNetB5": 64, "EfficientNetV2B1": 64, "EfficientNetV2B2": 64,
    "EfficientNetV2B3": 64, "EfficientNetV2S": 64, "ConvNeXtSmall": 64, "ConvNeXtBase": 64,
}  # fmt: skip


# With random weights the deepest ones make differences larger from layer to layer, until the last bit of an input
# decides what comes out: no two TensorFlows would agree, and nothing be proved. Their layers scale by that much less.
_CALMED = {
    "EfficientNetB5": 0.95, "EfficientNetV2B1": 0.9, "EfficientNetV2B2": 0.9, "EfficientNetV2B3": 0.9,
    "EfficientNetV2S": 0.85,
}  # fmt: skip


def _application(name: str, side: int) -> Made:
    own = {"include_preprocessing": False} if name.startswith("MobileNetV3") else {}
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(side, side, 3), classes=10, classifier_activation=None, **own
    )
    values = uniform(0, 255, side, side, 3) if name.startswith(("Efficient", "ConvNeXt")) else normal(side, side, 3)
    made = keras_model(model, given(batches=(1, 2), **{model.inputs[0].name: values}))
    for layer in model.layers:
        if name in _CALMED and isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(layer.gamma * _CALMED[name])
    return made


def _add(name: str, side: int, *, big: bool) -> None:
    def build() -> Made:
        return _application(name, side)

    build.__doc__ = f"keras.applications.{name}."
    kind(build, big=big, name=name)


for _names, _is_big in ((_SMALL, False), (_BIG, True)):
    for _name, _side in _names.items():
        _add(_name, _side, big=_is_big)
