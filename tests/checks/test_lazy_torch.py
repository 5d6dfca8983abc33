"""The parts of PyTorch that load late are there before a check's clock runs."""

import subprocess
import sys

PROGRAM = """
import sys
import torch
import torchcourse.checks.core
before = len(sys.modules)
leaf = torch.zeros(1, requires_grad=True)
torch.optim.Adam([leaf]).step()
torch.func.grad(torch.sum)(leaf)
print(len(sys.modules) - before)
"""


def test_optimizers_and_functional_gradients_load_nothing_more():
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 20  # some 900 modules otherwise, seconds on a busy machine
    assert done.stderr == ""  # nbgrader gives a cell that writes to stderr no points
