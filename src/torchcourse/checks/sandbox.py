"""Run code nobody has read yet: bounded in time, silent, and leaving no trace in global state.

Not a security boundary: a learner's code may still read files. Graders use a container for that.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TypeVar

import numpy as np
import torch
from IPython import get_ipython

Result = TypeVar("Result")
LEFT_BEHIND = "It may go on in the background and slow things down: restart the kernel."
KEPT_CHARACTERS = 2_000  # of what the learner prints; an endless printer must not fill the memory


class OutOfTime(BaseException):
    """Raised inside code that ran too long. Not an Exception, so `except Exception` lets it by."""

    on_swallowed: Callable[[], None] | None = None

    def _render_traceback_(self, *ignored: object) -> list[str]:
        """What IPython shows: where the loop stood says less than that it had no end."""
        return [f"{type(self).__name__}: {self}"]

    def __del__(self) -> None:
        if self.on_swallowed is not None:
            self.on_swallowed()


class _Transcript(io.TextIOBase):
    """Keeps the first characters written and forgets the rest."""

    def __init__(self) -> None:
        self.text = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if len(self.text) < KEPT_CHARACTERS:
            self.text += text[: KEPT_CHARACTERS - len(self.text)]
        return len(text)


@contextlib.contextmanager
def quarantine(seed: int = 0) -> Iterator[_Transcript]:
    """Swallow output and warnings, fix the seeds, and put all global state back afterwards.

    Yields the transcript of what was printed. Nothing may reach stderr: nbgrader gives a cell
    with stderr output no points, so a mere warning would cost the learner the exercise.
    """
    transcript = _Transcript()
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    dtype, tracer = torch.get_default_dtype(), sys.gettrace()
    # Asking a GPU for its state would start CUDA, which takes seconds; unused, it has none to keep.
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with (
        contextlib.redirect_stdout(transcript),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
        torch.random.fork_rng(devices),
        torch.enable_grad(),
    ):
        warnings.simplefilter("ignore")
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        torch.set_default_dtype(torch.float32)
        try:
            yield transcript
        finally:
            sys.settrace(tracer)
            torch.set_default_dtype(dtype)
            random.setstate(python_state)
            np.random.set_state(numpy_state)  # noqa: NPY002


def call(function: Callable[[], Result], seconds: float) -> Result:
    """Return `function()`, or raise OutOfTime after `seconds` (> 0) of wall time.

    Whatever else the function raises comes through. On the main thread of Linux and macOS an
    alarm interrupts it where it stands; elsewhere (Windows, other threads) it runs in a thread of
    its own, which is given up when the time is over.
    """
    on_main_thread = threading.current_thread() is threading.main_thread()
    if on_main_thread and hasattr(signal, "setitimer"):
        return _call_with_alarm(function, seconds)
    return _call_in_thread(function, seconds)


class _Alarm:
    """Interrupts code with SIGALRM, and outlasts a bare `except:` that swallows the interruption.

    `while True: try: … except: pass` catches anything raised inside the `try`. So the first alarm
    also turns on line tracing: from then on every new line raises again, and lines outside the
    `try` are among them. Python drops the tracer each time it raises; the destructor of a
    swallowed OutOfTime puts it back.

    Out of reach: one call into C that lasts long (it is interrupted at its end), and on Python
    3.10 a `try` in a loop that calls nothing at all, where Python never looks for signals.

    `is_learners` tells the frames to interrupt; code of ours, and of IPython, is left in peace.
    """

    def __init__(self, is_learners: Callable[[FrameType], bool]) -> None:
        self._is_learners, self._running = is_learners, False

    def start(self, seconds: float) -> None:
        self._tracer, self._handler = sys.gettrace(), signal.signal(signal.SIGALRM, self._ring)
        self._running, self._started = True, time.monotonic()
        # Somebody else's timer (a test runner's time limit) goes on afterwards with what is left.
        self._others = signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)

    def mute(self) -> None:
        """From here on, ring no more. `stop` must follow."""
        self._running = False

    def stop(self) -> None:
        self._running = False
        sys.settrace(self._tracer)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler)
        delay, interval = self._others
        if delay > 0:
            left = delay - (time.monotonic() - self._started)
            signal.setitimer(signal.ITIMER_REAL, max(left, 0.1), interval)

    def _ring(self, signum: int, frame: FrameType | None) -> None:
        if self._trace_again(frame):
            raise self._overdue()

    def _trace(self, frame: FrameType, event: str, argument: object):
        if not self._running or not self._is_learners(frame):
            return None
        if event in ("line", "call"):
            raise self._overdue()
        return self._trace

    def _overdue(self) -> OutOfTime:
        error = OutOfTime("This took too long and was stopped.")
        error.on_swallowed = lambda: self._trace_again(sys._getframe(1))
        return error

    def _trace_again(self, frame: FrameType | None) -> bool:
        """Trace the learner's frames from here on down; False if there is none."""
        found = False
        while self._running and frame is not None:
            if self._is_learners(frame):
                frame.f_trace, found = self._trace, True
            frame = frame.f_back
        if found:
            sys.settrace(self._trace)
        return found


def _call_with_alarm(function: Callable[[], Result], seconds: float) -> Result:
    here = sys._getframe()

    def is_learners(frame: FrameType) -> bool:
        if frame.f_code.co_filename == __file__:
            return False
        while frame is not None and frame is not here:
            frame = frame.f_back
        return frame is here  # called from here, at whatever depth

    alarm = _Alarm(is_learners)
    alarm.start(seconds)
    try:
        try:
            return function()
        finally:
            alarm.mute()
    finally:
        alarm.stop()


def limit_cells(seconds: float) -> None:
    """In a notebook, interrupt every cell from now on after so many seconds.

    For grading (see `nbgrader_config.py`): an interrupt as from a stop button would be swallowed
    by the same bare `except:`, and the notebook's other cells would never be reached.
    Does nothing where the system has no alarm (Windows).
    """
    shell = get_ipython()
    if shell is None or not hasattr(signal, "setitimer"):
        return
    # Cells, and functions defined in cells, have the notebook's variables as their globals.
    alarm = _Alarm(lambda frame: frame.f_globals is shell.user_ns)
    shell.events.register("pre_run_cell", lambda *ignored: alarm.start(seconds))
    shell.events.register("post_run_cell", lambda *ignored: alarm.stop())


def _call_in_thread(function: Callable[[], Result], seconds: float) -> Result:
    """Wait for a thread; when it is late, ask it to stop for up to half a second, then leave it."""
    outcome: dict[str, object] = {}

    def work() -> None:
        try:
            outcome["result"] = function()
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    for _ in range(10):
        if not thread.is_alive():
            break
        # The only portable way to interrupt a thread; it acts at the thread's next bytecode.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(OutOfTime)
        )
        thread.join(0.05)
    if "result" in outcome:
        return outcome["result"]  # type: ignore[return-value]
    error = outcome.get("error", OutOfTime(LEFT_BEHIND))
    raise error  # type: ignore[misc]
