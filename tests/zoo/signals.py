"""Sound and signals."""

from __future__ import annotations

import tensorflow as tf

from tests.zoo.kinds import Made, function, given, kind, normal, spec


@kind
def spectra() -> Made:
    """Fourier transforms, real and complex, of one and two dimensions, and their inverses."""

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        spectrum = tf.signal.rfft(x)
        return {
            "abs": tf.abs(spectrum),
            "back": tf.signal.irfft(spectrum * 2.0),
            "plane": tf.abs(tf.signal.rfft2d(tf.reshape(x, [-1, 4, 4]))),
            "complex": tf.math.real(tf.signal.ifft(tf.signal.fft(tf.complex(x, x * 0.5)))),
            "padded": tf.abs(tf.signal.rfft(x, [20])),
            "shifted": tf.signal.fftshift(x, [1]),
        }

    return function(serve, [spec("float32", 16)], given(x=normal(16)))


@kind
def spectrograms() -> Made:
    """stft, mel spectrograms, MFCCs, frames, a DCT."""

    def serve(x: tf.Tensor) -> dict[str, tf.Tensor]:
        power = tf.abs(tf.signal.stft(x, 16, 8, pad_end=True))
        mel = tf.tensordot(power, tf.signal.linear_to_mel_weight_matrix(6, 9, 4000.0, 80.0, 1900.0), 1)
        return {
            "power": power,
            "mfcc": tf.signal.mfccs_from_log_mel_spectrograms(tf.math.log(mel + 1e-3)),
            "frames": tf.signal.frame(x, 10, 5),
            "dct": tf.signal.dct(x, 2, norm="ortho"),
            "back": tf.signal.overlap_and_add(tf.signal.frame(x, 8, 4), 4),
        }

    return function(serve, [spec("float32", 64)], given(x=normal(64)))


@kind
def keras_spectrogram() -> Made:
    """Keras's layers for sound: STFTSpectrogram, MelSpectrogram."""
    import keras
    from keras import layers

    from tests.zoo.kinds import functional

    x = keras.Input((256,), name="x")
    mel = layers.MelSpectrogram(fft_length=64, sequence_stride=32, num_mel_bins=8, sampling_rate=4000, min_freq=100)(x)
    return functional(x, mel, given(x=normal(256)))
