"""Cats and dogs in the page: Python's pixels, probabilities and maps, and its controls."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
import torch
from demo_page import run_in_page, serious_problems, start_demo, wait_for_words, words
from PIL import Image
from playwright.sync_api import Browser, Page
from test_phone import STICKING_OUT

from torchcourse.capstones import pets
from torchcourse.capstones.pets import drawn
from torchcourse.capstones.pets.export import EXAMPLES, MAX_CANVAS, make_example

PETS = "book/demos/pets.html"

PREPARE = """
    const folder = new URL("../../_static/demos/", location.href);
    const { loadPets } = await import(new URL("pets.mjs", folder).href);
    const pets = (window.pets ??= await loadPets());
    const look = async (base64) => {
        const bytes = Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
        const { pixels, probabilities, map } = await pets.look(new Blob([bytes]), "test");
        const levels = Uint8Array.from(pixels, (value) => Math.round(255 * value));
        let text = "";
        for (const level of levels) text += String.fromCharCode(level);
        return { pixels: btoa(text), probabilities, map: [...map] };
    };
"""
in_page = partial(run_in_page, PREPARE)
LOOK = "const found = []; for (const file of given) found.push(await look(file)); return found;"


@pytest.fixture(scope="module")
def desk(browser: Browser, server: str) -> Iterator[Page]:
    """One page for all tests that only call its modules: loading the runtime takes a second."""
    page = browser.new_page()
    page.goto(f"{server}/{PETS}")
    yield page
    page.close()


# ---- the same answers ------------------------------------------------------------------------


def encoded(picture: Image.Image, kind: str = "png", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def looked_at(page: Page, files: list[bytes]) -> list[tuple[np.ndarray, torch.Tensor, list]]:
    """For each file: the pixels the network saw, the map, and the two probabilities."""
    found = in_page(page, LOOK, [base64.b64encode(file).decode() for file in files])
    side = int(len(found[0]["map"]) ** 0.5)
    return [
        (
            np.frombuffer(base64.b64decode(one["pixels"]), np.uint8).reshape(3, pets.SIZE, -1),
            torch.tensor(one["map"]).view(side, side),
            one["probabilities"],
        )
        for one in found
    ]


def prepared(file: bytes) -> np.ndarray:
    return (pets.prepare(file)[0] * 255).round().to(torch.uint8).numpy()  # (3, S, S)


def many_pictures(count: int = 104) -> Iterator[bytes]:
    """Drawn animals, stretched to every size: tiny and large, long and high, in every mode."""
    rng = np.random.default_rng(0)
    modes = ["RGB", "L", "P", "1", "RGB", "RGB"]
    for n in range(count):
        width, height = (int(2 ** rng.uniform(0, 9.5)) for _ in range(2))
        picture = drawn.draw(n % 2, 900 + n, 120).resize((width, height), Image.Resampling.BICUBIC)
        yield encoded(picture.convert(modes[n % len(modes)]))


def test_pixels_probabilities_and_maps_are_pythons(desk: Page) -> None:
    files = list(many_pictures())
    same, worst = 0, 0.0
    for file, (pixels, places, found) in zip(files, looked_at(desk, files), strict=True):
        off = np.abs(pixels - prepared(file).astype(int)).max()
        assert off <= 1  # versions of Pillow round in another order
        apart = abs(found[1] - pets.classify(file)["dog"])
        assert sum(found) == pytest.approx(1)
        if off:
            assert apart < 0.02
            continue
        same, worst = same + 1, max(worst, apart)
        expected = pets.activation_map(file)
        scale = expected.abs().max().item()
        torch.testing.assert_close(places, expected, rtol=0, atol=1e-4 * scale)
    print(f"{same} of {len(files)} to the last bit, their probabilities within {worst:.1e}")
    assert worst < 1e-4
    assert same > len(files) / 2


def test_photographs_are_turned_as_their_camera_says(desk: Page) -> None:
    """Two decoders of JPEG round differently; a picture that is not turned would differ widely."""
    picture = drawn.draw(1, 3, 300).resize((300, 200))
    files = []
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        files.append(encoded(picture, "jpeg", quality=95, exif=exif))
    upright = prepared(files[0]).astype(int)
    for file, (pixels, _, found) in zip(files, looked_at(desk, files), strict=True):
        expected = prepared(file).astype(int)
        assert np.abs(pixels - expected).mean() < 1
        assert found[0] == pytest.approx(pets.classify(file)["cat"], abs=0.02)
        assert file is files[0] or np.abs(pixels - upright).mean() > 5


def test_transparent_and_very_large_pictures_too(desk: Page) -> None:
    clear = drawn.draw(0, 5, 200).convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    side = 100 * round((1.2 * MAX_CANVAS) ** 0.5 / 100)  # more than a canvas takes everywhere
    large = drawn.draw(1, 8, 400).resize((side, side))
    files = [encoded(clear), encoded(large, compress_level=1)]
    for file, (pixels, _, found) in zip(files, looked_at(desk, files), strict=True):
        assert np.abs(pixels - prepared(file).astype(int)).max() <= 3
        assert found[0] == pytest.approx(pets.classify(file)["cat"], abs=0.02)


# ---- the page --------------------------------------------------------------------------------


def start(visit: Callable, **options: object) -> Page:
    page = start_demo(visit, "pets", **options)
    wait_for_words(page, "What speaks most")
    return page


def shares(page: Page) -> list[float]:
    return page.locator("[data-bars] td + td").evaluate_all(
        "cells => cells.map((cell) => parseFloat(cell.style.getPropertyValue('--share')))"
    )


def colours(page: Page) -> np.ndarray:
    """What the canvas shows, (H, W, 3)."""
    text = page.locator("[data-picture]").evaluate("canvas => canvas.toDataURL().split(',')[1]")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"), int)


def test_examples_get_the_answer_python_gives(visit: Callable) -> None:
    page = start(visit)
    for name, label in reversed(EXAMPLES.items()):
        expected = 100 * pets.classify(make_example(name))["dog"]
        page.locator(f"[data-example=pets_example_{name}]").click()
        page.wait_for_function(
            """expected => {
                const bar = document.querySelectorAll("[data-bars] td + td")[1];
                const share = parseFloat(bar.style.getPropertyValue("--share"));
                return Math.abs(share - expected) < 0.01;
            }""",
            arg=expected,
        )
        assert words(page).startswith(f"A {pets.CLASSES[label]} with ")
        assert sum(shares(page)) == pytest.approx(100, abs=0.01)


def test_the_map_lies_over_the_picture_as_dense_as_the_slider_says(visit: Callable) -> None:
    page = start(visit)
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    plain = colours(page)
    canvas = Image.fromarray(plain.astype(np.uint8)).resize((240, 240), Image.Resampling.BOX)
    first = np.asarray(make_example(next(iter(EXAMPLES))), int)
    assert np.abs(np.asarray(canvas, int) - first).mean() < 6
    page.keyboard.press("End")
    covered = colours(page)
    assert slider.get_attribute("aria-valuetext").startswith("100")
    # Where the map is strongest there is only its colour left, and that of the right class.
    places = pets.activation_map(make_example(next(iter(EXAMPLES))))
    at = divmod(int(places.abs().argmax()), places.shape[1])
    y, x = (round((place + 0.5) / places.shape[0] * len(covered)) for place in at)
    expected = (230, 97, 0) if places[at] > 0 else (0, 114, 178)
    assert np.abs(covered[y, x] - expected).max() < 40
    assert np.abs(covered - plain).mean() > 10


def test_keyboard_alone_and_files_by_choice_or_drop(visit: Callable) -> None:
    page = visit(PETS).page
    page.get_by_role("button", name="Start the demo").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-demo=pets][data-ready=true]")
    page.locator("[data-example=pets_example_dog_1]").focus()
    page.keyboard.press("Enter")
    wait_for_words(page, "A dog with")
    file = page.locator("[data-file]")
    file.set_input_files({"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture"})
    wait_for_words(page, "notes.png is no picture that this browser can read")
    own = encoded(drawn.draw(0, 77, 64).resize((90, 40)))
    file.set_input_files({"name": "own.png", "mimeType": "image/png", "buffer": own})
    wait_for_words(page, "What speaks most")
    assert shares(page)[0] == pytest.approx(100 * pets.classify(own)["cat"], abs=0.05)
    height, width, _ = colours(page).shape
    assert width / height == pytest.approx(90 / 40, rel=0.02)
    dropped = encoded(drawn.draw(1, 78, 100))
    page.evaluate(
        """bytes => {
            const dataTransfer = new DataTransfer();
            const file = new File([new Uint8Array(bytes)], "a.png", { type: "image/png" });
            dataTransfer.items.add(file);
            const event = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
            document.querySelector("[data-picture]").dispatchEvent(event);
        }""",
        list(dropped),
    )
    page.wait_for_function(
        "() => { const c = document.querySelector('[data-picture]'); return c.width === c.height; }"
    )
    assert shares(page)[0] == pytest.approx(100 * pets.classify(dropped)["cat"], abs=0.05)
    assert page.locator("[data-photo]").get_attribute("capture") == "environment"


def test_a_phone_has_a_camera_and_room(visit: Callable) -> None:
    page = start(visit, width=360, has_touch=True, is_mobile=True)
    assert page.get_by_role("button", name="Take a photograph").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert not page.evaluate(STICKING_OUT)
    for button in page.locator("[data-demo=pets] button:visible").all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 38


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_an_answer(visit: Callable, scheme: str) -> None:
    page = start(visit, scheme=scheme)
    assert not serious_problems(page, "[data-demo=pets]")
