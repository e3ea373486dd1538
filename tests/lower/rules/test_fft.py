"""``tfkit.lower.rules.fft``: Fourier transforms of real numbers in doubles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.lower.rules.proof import Prove
from tests.runtimes import CPU_PROCESSORS

pytestmark = pytest.mark.network
RANDOM = np.random.default_rng(6)
BEFORE_2_3 = [name for name in CPU_PROCESSORS if "cpu_1" in name]


def transform(tf: Any, numbers: Any) -> Any:
    signal = tf.signal
    sizes = [[4], [7], [6, 3], [2, 3, 5]]
    ways = [signal.rfft, signal.rfft, signal.rfft2d, signal.rfft3d]
    return [
        *(way(numbers, size) for way, size in zip(ways, sizes, strict=True)),
        *(way(numbers) for way in ways[1:]),
        signal.rfft(numbers[0, 0, 0]),
    ]


def invert(tf: Any, spectrum: Any) -> Any:
    signal = tf.signal
    sizes = [[4], [7], [6, 3], [2, 3, 5]]
    ways = [signal.irfft, signal.irfft, signal.irfft2d, signal.irfft3d]
    return [
        *(way(spectrum, size) for way, size in zip(ways, sizes, strict=True)),
        *(way(spectrum) for way in ways[1:]),
        signal.irfft(spectrum[0, 0, 0]),
    ]


def spectrogram(tf: Any, sound: Any) -> Any:
    frames = tf.signal.stft(sound, 8, 4)
    return [tf.abs(frames), tf.signal.inverse_stft(frames, 8, 4)]


def numbers(*shape: int) -> Any:
    return RANDOM.normal(size=shape)


def test_there(prove: Prove) -> None:
    calls = [(numbers(2, 3, size, 6),) for size in (4, 5)]
    prove(transform, *calls, processors=BEFORE_2_3, tolerance=1e-13)


def test_back(prove: Prove) -> None:
    """Also from spectra that are of no real numbers."""
    calls = [(numbers(2, 3, size, 5) + 1j * numbers(2, 3, size, 5),) for size in (4, 5)]
    prove(invert, *calls, processors=BEFORE_2_3, tolerance=1e-13)


def test_sounds(prove: Prove) -> None:
    prove(spectrogram, *((numbers(size, 20),) for size in (0, 1, 3)), tolerance=1e-13)
