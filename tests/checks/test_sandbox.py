"""Code that hangs, prints, exits or warns: a clear card in bounded time, nothing left behind."""

# ruff: noqa: E722, SIM105 - swallowing everything is what these answers are for
from __future__ import annotations

import signal
import sys
import threading
import time
import warnings

import pytest
import torch

from torchcourse.checks import ch01_tensors, core, sandbox
from torchcourse.checks.card import NOT_YET, PASSED

EXERCISE = ch01_tensors.masked_mean


def solved(x, mask):
    return torch.einsum("btd,bt->bd", x, mask.float()) / mask.sum(1)[:, None]


# Endless code ends with its test: a thread left behind by one would slow down all that follow.
OVER = threading.Event()


def loops(*args):
    while not OVER.is_set():
        pass


def sleeps(*args):
    time.sleep(2)


def swallows_everything(*args):
    while not OVER.is_set():
        try:
            time.sleep(2)
        except:
            pass


def swallows_twice(*args):
    while not OVER.is_set():
        try:
            try:
                time.sleep(2)
            except:
                pass
        except:
            pass


def waits_in_a_generator(*args):
    def forever():
        while not OVER.is_set():
            try:
                yield 1
            except:
                pass

    return sum(forever())


def prints_forever(*args):
    while not OVER.is_set():
        print("again")


ENDLESS = [
    loops,
    sleeps,
    swallows_everything,
    swallows_twice,
    waits_in_a_generator,
    prints_forever,
]


@pytest.fixture(autouse=True)
def nothing_goes_on():
    before = set(threading.enumerate())
    OVER.clear()
    yield
    OVER.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def brief(monkeypatch):
    """A shorter limit, so that this file stays quick; one test below keeps the real one."""
    monkeypatch.setattr(core, "SECONDS", 0.4)


@pytest.mark.parametrize("endless", ENDLESS)
def test_endless_code_is_stopped(endless, brief):
    started = time.monotonic()
    card = EXERCISE.review(endless)
    assert time.monotonic() - started < 2
    assert card.state == NOT_YET and "still running" in card.headline
    assert len(card.printed) <= 300
    assert EXERCISE.review(solved).state == PASSED  # and the next check is sound


@pytest.mark.parametrize("endless", ENDLESS)
def test_endless_code_is_left_behind_where_there_is_no_alarm(endless, brief):
    """Windows, and any thread but the main one."""
    cards = []
    thread = threading.Thread(target=lambda: cards.append(EXERCISE.review(endless)))
    thread.start()
    thread.join(4)
    assert cards and "still running" in cards[0].headline
    if endless is sleeps:  # nothing can wake it
        assert "restart the kernel" in cards[0].headline


def test_real_limit_stays_below_five_seconds():
    started = time.monotonic()
    assert not EXERCISE.review(swallows_everything).passed
    assert time.monotonic() - started < 5


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no alarm on this system")
def test_somebody_elses_alarm_goes_on(brief):
    rung = []
    handler = signal.signal(signal.SIGALRM, lambda *ignored: rung.append(True))
    others = signal.setitimer(signal.ITIMER_REAL, 0.8)
    try:
        EXERCISE.review(sleeps)
        deadline = time.monotonic() + 3
        while not rung and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *others)
    assert rung


def test_exit_is_refused():
    card = EXERCISE.review(lambda x, mask: sys.exit(0))
    assert card.state == NOT_YET and "exit" in card.headline


def test_error_shows_the_learners_own_line():
    def broken(x, mask):
        y = x + 1
        return y @ mask  # the line to be shown

    card = EXERCISE.review(broken)
    assert "return y @ mask  # the line to be shown" in card.headline
    assert card.error.startswith("RuntimeError: ")
    assert "core.py" not in repr(card)


def test_error_in_a_helper_shows_the_helpers_line():
    def helper(x):
        raise ValueError("from the helper")

    card = EXERCISE.review(lambda x, mask: helper(x))
    assert 'raise ValueError("from the helper")' in card.headline


def test_error_inside_pytorch_shows_the_line_that_called_it():
    class Model(torch.nn.Module):
        def forward(self, x, mask):
            return torch.nn.functional.linear(x, mask)  # this one

    assert "# this one" in EXERCISE.review(Model()).headline


def test_an_error_that_cannot_be_shown():
    class Rude(Exception):
        def __str__(self):
            raise RuntimeError

    def raises(x, mask):
        raise Rude

    assert "Rude" in EXERCISE.review(raises).error


def test_wrong_number_of_arguments():
    card = EXERCISE.review(lambda x: x)
    assert "positional argument" in card.error


def test_interrupt_key_still_works():
    def interrupted(x, mask):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        EXERCISE.review(interrupted)


def test_output_and_warnings_cost_nothing(capfd):
    def talkative(x, mask):
        print("looking at", x.shape)
        print("to stderr", file=sys.stderr)
        warnings.warn("a warning", stacklevel=1)
        return solved(x, mask)

    EXERCISE(talkative)
    out, err = capfd.readouterr()
    assert err == ""
    assert "passed" in out and "looking at torch.Size([2, 4, 2])" in out


def test_a_failed_check_raises_with_the_card_above(capsys):
    with pytest.raises(core.NotYet, match="padding included") as caught:
        EXERCISE(lambda x, mask: x.mean(1))
    assert "expected:" in capsys.readouterr().out
    assert caught.value._render_traceback_() == [str(caught.value)]


def test_settings_come_back():
    def meddles(x, mask):
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.manual_seed(5)
        warnings.simplefilter("error")
        sys.settrace(lambda *ignored: None)
        return solved(x, mask)

    state = torch.get_rng_state()
    EXERCISE.review(meddles)
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled() and sys.gettrace() is None
    assert torch.equal(torch.get_rng_state(), state)


def test_results_and_errors_come_through_a_thread():
    assert sandbox._call_in_thread(lambda: 3, 1) == 3
    with pytest.raises(ValueError, match="as raised"):
        sandbox._call_in_thread(lambda: (_ for _ in ()).throw(ValueError("as raised")), 1)
