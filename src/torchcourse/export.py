"""PyTorch → ONNX for the live demos, each file checked against PyTorch before it is kept."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from torchcourse.files import written_whole

# Modules with an `export(folder)` that writes the ONNX files of their demo.
DEMOS = (
    "torchcourse.surfaces",
    "torchcourse.capstones.attacks.export",
    "torchcourse.capstones.digits.export",
    "torchcourse.capstones.gan.export",
    "torchcourse.capstones.pets.export",
    "torchcourse.capstones.sentiment.export",
    "torchcourse.capstones.snake.export",
)


def _convolution_backward(
    gradient: Tensor,
    images: Tensor,
    weight: Tensor,
    _bias_sizes: object,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    _output_padding: object,
    groups: int,
    needed: list[bool],
) -> tuple[Tensor, None, None]:
    """The gradient of a convolution with respect to its input: the transposed convolution."""
    if transposed or needed != [True, False, False]:
        raise NotImplementedError("only gradients with respect to a convolution's input")
    reached = [
        (gradient.shape[2 + i] - 1) * stride[i] - 2 * padding[i] + dilation[i] * (size - 1) + 1
        for i, size in enumerate(weight.shape[2:])
    ]
    # Rows and columns at the end that a stride did not reach: they belong to the input, too.
    rest = [size - got for size, got in zip(images.shape[2:], reached, strict=True)]
    result = F.conv_transpose2d(gradient, weight, None, stride, padding, rest, groups, dilation)
    return result, None, None


def _max_pool2d_backward(gradient: Tensor, images: Tensor, *settings: object) -> Tensor:
    """Each window's gradient goes to where its maximum was: the last argument holds the places."""
    places = settings[-1]
    nothing = 0 * images.flatten(2)  # zeros_like would be written into the file, all of them
    return nothing.scatter_add(2, places.flatten(2), gradient.flatten(2)).view(images.shape)


# Operations of the backward pass that ONNX does not have, written with those it has.
GRADIENTS = {
    torch.ops.aten.convolution_backward.default: _convolution_backward,
    torch.ops.aten.max_pool2d_with_indices_backward.default: _max_pool2d_backward,
}


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
        tracer = make_fx(module, GRADIENTS, tracing_mode="symbolic", _allow_non_fake_inputs=True)
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
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # where in the code each came from: most of a small file
    with written_whole(path) as temporary:
        program.save(temporary)
        _assert_equal(module, example, temporary, input_names, tolerance)


def _assert_equal(
    module: nn.Module,
    example: tuple[Tensor, ...],
    file: Path,
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
