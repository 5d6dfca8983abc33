"""PyTorch → ONNX for the live demos, each file checked against PyTorch before it is kept."""

from __future__ import annotations

import importlib
import os
import tempfile
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

# Modules with an `export(folder)` that writes the ONNX files of their demo.
DEMOS = (
    "torchcourse.surfaces",
    "torchcourse.capstones.digits.export",
    "torchcourse.capstones.gan.export",
    "torchcourse.capstones.snake.export",
)


def to_onnx(
    module: nn.Module,
    example: tuple[Tensor, ...],
    path: Path,
    *,
    input_names: list[str],
    output_names: list[str],
    dynamic_shapes: tuple | None = None,
    tolerance: float = 1e-5,
) -> None:
    """Export a module, compare it with ONNX Runtime on the example, then put it in place.

    Gradients inside the module (``torch.func.grad``) are traced to plain operations first.

    Args:
        module: returns a tensor or a tuple of tensors; set to evaluation mode here.
        example: inputs to trace and to compare with.
        path: file to write; it appears complete and verified, or not at all.
        input_names: names of the graph's inputs, in order.
        output_names: names of its outputs, in order.
        dynamic_shapes: as in ``torch.onnx.export``; one entry for each input.
        tolerance: largest accepted absolute or relative difference.

    Raises:
        RuntimeError: if ONNX Runtime's answer differs from PyTorch's.
    """
    module.eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's notes on its own deprecations
        # Weights are real tensors among symbolic ones; the switch that allows it has no other name.
        tracer = make_fx(module, tracing_mode="symbolic", _allow_non_fake_inputs=True)
        graph = tracer(*example)
        program = torch.onnx.export(
            graph,
            example,
            dynamo=True,
            external_data=False,
            input_names=input_names,
            output_names=output_names,
            dynamic_shapes=dynamic_shapes,
            verbose=False,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(suffix=".onnx", dir=path.parent)
    os.close(handle)
    try:
        for node in program.model.graph.all_nodes():
            node.metadata_props.clear()  # where in the code each came from: most of a small file
        program.save(temporary)
        _assert_equal(module, example, temporary, input_names, tolerance)
        os.chmod(temporary, 0o644)  # mkstemp's file is private; the site must be readable
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _assert_equal(
    module: nn.Module,
    example: tuple[Tensor, ...],
    file: str,
    input_names: list[str],
    tolerance: float,
) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    feeds = {name: value.numpy() for name, value in zip(input_names, example, strict=True)}
    found = session.run(None, feeds)
    expected = module(*example)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for output, (ours, theirs) in enumerate(zip(expected, found, strict=True)):
        theirs = torch.from_numpy(theirs)
        if not torch.allclose(ours.detach(), theirs, rtol=tolerance, atol=tolerance):
            worst = (ours - theirs).abs().max().item()
            raise RuntimeError(
                f"{type(module).__name__}: output {output} in ONNX Runtime differs from PyTorch "
                f"by up to {worst:.2e}, more than {tolerance:.0e}; nothing was written"
            )


def write_demos(folder: Path) -> None:
    """Write the ONNX files of every live demo into `folder`."""
    for module in DEMOS:
        importlib.import_module(module).export(folder)
