"""A signal stops a command in whichever of its threads it arrives."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress

import pytest

from scidex.cli.stopping import stop_signal


def tell_soon(number: int) -> threading.Thread:
    """Let another thread be given a signal while this one waits, as the system may choose to."""

    def tell() -> None:
        time.sleep(0.1)  # the handler needs this thread asleep to be put off; it is no less right if it is not
        signal.pthread_kill(threading.get_ident(), number)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_another_thread_was_given_ends_the_wait(number):
    with stop_signal() as stop:
        rescue = threading.Timer(30, stop.set)
        rescue.start()
        telling = tell_soon(number)
        with suppress(KeyboardInterrupt):  # what a signal says that is heard only after the rescue
            stop.wait()
        assert rescue.is_alive(), "only the rescue ended it"
        rescue.cancel()
    telling.join()


def test_a_second_signal_interrupts():
    with stop_signal() as stop:
        signal.raise_signal(signal.SIGTERM)
        stop.wait()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_a_wait_with_an_end_comes_to_it():
    with stop_signal() as stop:
        assert not stop.wait(0)
        assert not stop.wait(0.6)  # longer than a look
        stop.set()
        assert stop.wait(60)


def test_handlers_are_as_before_when_the_block_ends():
    before = signal.getsignal(signal.SIGTERM)
    with stop_signal():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
