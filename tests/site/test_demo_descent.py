"""The live demos: they start on a click, work by keyboard and touch, and agree with PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from demo_page import start_demo

from torchcourse.surfaces import SURFACES

DESCENT = "book/demos/descent.html"


def sgd(surface: str, start: list[float], lr: float, momentum: float, steps: int) -> list:
    """The path of torch.optim.SGD."""
    point = torch.tensor([start], requires_grad=True)
    optimizer = torch.optim.SGD([point], lr=lr, momentum=momentum)
    path = []
    for _ in range(steps):
        optimizer.zero_grad()
        SURFACES[surface](point).sum().backward()
        optimizer.step()
        path.append(point.detach()[0].tolist())
    return path


IN_PAGE = """async ([surface, start, lr, momentum, steps]) => {
    const folder = new URL("../../_static/demos/", location.href);
    const { loadModel, loadRuntime } = await import(new URL("runtime.mjs", folder).href);
    const { step } = await import(new URL("descent.mjs", folder).href);
    const [ort, session] = [await loadRuntime(), await loadModel(`descent_${surface}.onnx`)];
    let [point, velocity, path] = [start, [0, 0], []];
    for (let count = 0; count < steps; count++) {
        ({ point, velocity } = await step(ort, session, point, velocity, lr, momentum));
        path.push(point);
    }
    return path;
}"""


@pytest.mark.parametrize("surface", SURFACES)
def test_the_page_takes_the_same_steps_as_torch_optim(visit: Callable, surface: str) -> None:
    page = visit(DESCENT).page
    for lr, momentum in ((0.05, 0.0), (0.1, 0.9)):
        start = [-1.3, 0.7]
        found = page.evaluate(IN_PAGE, [surface, start, lr, momentum, 25])
        expected = sgd(surface, start, lr, momentum, 25)
        torch.testing.assert_close(
            torch.tensor(found), torch.tensor(expected), rtol=1e-4, atol=1e-5
        )


def test_keyboard_alone_plays_it_and_words_tell_the_result(visit: Callable) -> None:
    page = visit(DESCENT).page
    page.get_by_role("button", name="Start the demo").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-demo=descent][data-ready=true]")
    words = page.locator("[data-words]")
    before = words.inner_text()
    page.keyboard.press("ArrowRight")  # the canvas has the focus
    assert words.inner_text() != before
    page.keyboard.press("Enter")
    page.wait_for_function(
        "document.querySelector('[data-words]').innerText.startsWith('After 40 steps')"
    )


def test_a_learning_rate_too_large_is_called_diverged(visit: Callable) -> None:
    page = start_demo(visit, "descent")
    page.locator("[name=lr]").evaluate(
        "slider => { slider.value = slider.max; slider.dispatchEvent(new Event('input')); }"
    )
    page.get_by_role("button", name="Run 40 steps").click()
    page.wait_for_function("document.querySelector('[data-words]').innerText.includes('Diverged')")


def test_a_tap_on_a_phone_sets_the_ball(visit: Callable) -> None:
    page = start_demo(visit, "descent", width=390, has_touch=True)
    canvas = page.locator("canvas")
    before = page.locator("[data-words]").inner_text()
    canvas.tap(position={"x": 40, "y": 30})
    assert page.locator("[data-words]").inner_text() != before
