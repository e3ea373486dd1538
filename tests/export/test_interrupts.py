"""Interrupts: put off, let through, and never lost."""

# ruff: noqa: PT012, SIM117  # the blocks are what is tested

import signal

import pytest

from tfkit.export.interrupts import Interrupts


def interrupt():
    signal.raise_signal(signal.SIGINT)


def test_an_interrupt_is_put_off_to_the_end_of_the_block():
    steps = []
    with pytest.raises(KeyboardInterrupt), Interrupts():
        interrupt()
        steps.append("done")
    assert steps == ["done"]


def test_an_interrupt_comes_through_where_it_is_allowed():
    steps = []
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        with interrupts.allowed():
            interrupt()
            steps.append("not reached")
    assert steps == []


def test_an_interrupt_from_before_is_raised_where_it_is_allowed():
    steps = []
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        interrupt()
        with interrupts.allowed():
            steps.append("not reached")
    assert steps == []


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGQUIT"])
def test_every_signal_that_the_program_handles_is_put_off(name):
    number = getattr(signal, name)
    calls = []
    previous = signal.signal(number, lambda *_: calls.append(number))
    try:
        with Interrupts():
            signal.raise_signal(number)
            assert calls == []
        assert calls == [number]
    finally:
        signal.signal(number, previous)


@pytest.mark.parametrize("loss", [None, RuntimeError])
def test_an_interrupt_that_got_lost_is_raised_again(loss):
    """TensorFlow's import can swallow it, or turn it into another error."""
    with pytest.raises(KeyboardInterrupt):
        lose(loss)


def lose(loss):
    with Interrupts() as interrupts, interrupts.allowed():
        try:
            interrupt()
        except KeyboardInterrupt:
            if loss is not None:
                raise loss from None


def test_a_handler_of_the_program_is_called_once():
    calls = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: calls.append(number))
    try:
        with Interrupts() as interrupts, interrupts.allowed():
            interrupt()
            assert calls == [signal.SIGINT]
        assert calls == [signal.SIGINT]
        assert signal.getsignal(signal.SIGINT).__name__ == "<lambda>"
    finally:
        signal.signal(signal.SIGINT, previous)


def test_an_interrupt_that_is_lost_in_a_destructor_is_not_printed(capsys):
    class Resource:
        def __del__(self):
            interrupt()

    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        with interrupts.allowed():
            resource = Resource()
            del resource
    assert capsys.readouterr().err == ""
