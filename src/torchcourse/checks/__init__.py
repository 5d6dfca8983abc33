"""Checkers of the labs: `torchcourse.checks.<chapter>.<exercise>(learner's object)`.

Add an exercise
---------------
1. In `checks/<chapter>/<lab>.py` write a function of one `Attempt`, named as the learner's
   function, and import it in `checks/<chapter>/__init__.py` (a chapter with one lab is one
   module, `checks/<chapter>.py`)::

       @exercise("What the learner now knows, said when the check passes.")
       def row_means(attempt):
           x = torch.tensor([[1.0, 3.0], [5.0, 9.0]])
           attempt.expect(
               attempt(x),                         # run the learner's function, safely
               torch.tensor([2.0, 7.0]),           # worked out by hand
               Slip(x.mean(0), "You averaged over the rows, not within each.", "Use `dim=1`."),
           )

   Go from small to general: a case by hand with its slips, then an oracle on random shapes that
   are not square and on B = 1, then `attempt.expect_gradient(...)`. Time limits, errors, printing,
   changed inputs, "still to do", type, dtype and exact shape are looked after for you.
   The expected value never calls the learner's code, and is not a solution one could copy: write
   it down by hand, build the question from the answer, or use PyTorch's own function.
2. In `tests/wrong_answers/`, at the same place, add a class of the same name with at least four
   `@wrong` and two `@right` answers. The tests find both by themselves.
3. In `solutions/<chapter>/*.ipynb` add the card, hints, solution and check cells, then run
   `python -m tools.labs --execute solutions/<chapter>/<lab>.ipynb`.
"""

from __future__ import annotations

import importlib
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    """Import a chapter's checkers when they are first asked for."""
    if name.startswith("_"):
        raise AttributeError(name)
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        raise AttributeError(f"torchcourse.checks has no chapter {name!r}") from error
