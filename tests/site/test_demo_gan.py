"""Handwriting by the GAN in the page: the same noise and pictures as Python's, and its controls."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
import torch
from demo_page import run_in_page, serious_problems, start_demo, wait_for_words, words
from playwright.sync_api import Browser, Page
from test_phone import STICKING_OUT

from torchcourse.capstones import digits, gan
from torchcourse.capstones.gan.export import PROPERTIES, measure
from torchcourse.capstones.gan.sampling import draw, slerp
from torchcourse.capstones.snake.engine import Random32

GAN = "book/demos/gan.html"

PREPARE = """
    const folder = new URL("../../_static/demos/", location.href);
    const load = (name) => import(new URL(name, folder).href);
    const { Hand, drawNoise, slerp } = await load("gan_hand.mjs");
    const { measure, rowsOf } = await load("gan_sheet.mjs");
    const { loadWriter } = await load("gan_writer.mjs");
    const writer = (window.writer ??= await loadWriter());
    const { latent, classes, directions } = writer.about;
    const packed = (rows) => {
        const bytes = new Uint8Array(Float32Array.from(rows.flatMap((row) => [...row])).buffer);
        let text = "";
        for (const byte of bytes) text += String.fromCharCode(byte);
        return btoa(text);
    };
    const mixtures = (count) => Array.from({ length: count }, (_, n) => {
        const shares = new Float32Array(classes);
        shares[n % classes] += 1 - (n % 5) / 4; // pure classes, and four ways to the next one
        shares[(n + 1) % classes] += (n % 5) / 4;
        return shares;
    });
"""


in_page = partial(run_in_page, PREPARE)


def unpacked(text: str, columns: int) -> torch.Tensor:
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.float32).view(
        -1, columns
    )


@pytest.fixture(scope="module")
def desk(browser: Browser, server: str) -> Iterator[Page]:
    """One page for all tests that only call its modules: loading the runtime takes a second."""
    page = browser.new_page()
    page.goto(f"{server}/{GAN}")
    yield page
    page.close()


# ---- the same noise, the same pictures --------------------------------------------------------


def noise_of(seed: int, count: int) -> np.ndarray:
    """Box and Muller on Mulberry32, as gan_hand.mjs describes it."""
    random = Random32(seed)
    noise = []
    for _ in range(count // 2):
        u, v = ((random.next() + 1) / 2**32 for _ in range(2))
        radius, angle = math.sqrt(-2 * math.log(u)), 2 * math.pi * v
        noise += [radius * math.cos(angle), radius * math.sin(angle)]
    return np.array(noise, np.float32)


def test_the_noise_is_that_of_its_seed_and_standard_normal(desk: Page) -> None:
    found = in_page(desk, "return given.map((seed) => [...drawNoise(seed, latent)]);", [1, 7_003])
    for seed, noise in zip([1, 7_003], found, strict=True):
        np.testing.assert_allclose(noise, noise_of(seed, len(noise)), rtol=1e-6, atol=1e-7)
    many = in_page(
        desk,
        """return packed(Array.from({ length: 60 }, (_, n) =>
            new Hand(n + 1, latent, directions).noises(8, 0.6, 1)).flat());""",
    )
    noise = unpacked(many, gan.load_generator().latent)  # mixtures of a hand's and own noise
    assert abs(noise.mean()) < 0.05
    assert abs(noise.std() - 1) < 0.05


def test_the_same_noise_and_shares_give_the_same_pictures(desk: Page) -> None:
    """120 pictures, drawn in the page: pixels, what is measured on them, and what is read."""
    found = in_page(
        desk,
        """const noises = Array.from({ length: 15 }, (_, n) =>
            new Hand(n + 1, latent, directions).noises(8, n / 14, 0.2 + n / 14)).flat();
        const shares = mixtures(noises.length);
        const pictures = await writer.write(noises, shares);
        return {
            noise: packed(noises), shares: packed(shares), pictures: packed(pictures),
            measured: pictures.map(measure), read: await writer.read(pictures),
        };""",
    )
    model = gan.load_generator()
    noise = unpacked(found["noise"], model.latent)  # (120, latent)
    shares = unpacked(found["shares"], model.num_classes)
    pictures = unpacked(found["pictures"], 28 * 28).view(-1, 28, 28)
    expected = draw(model, noise, shares)  # (120, 1, 28, 28)
    assert len(expected) >= 100
    assert (pictures - expected[:, 0]).abs().max() < 1e-4
    measured = torch.tensor([[row[name] for name in PROPERTIES] for row in found["measured"]])
    torch.testing.assert_close(measured, measure(pictures), rtol=1e-3, atol=1e-4)
    bytes_of_pictures = np.floor(255 * pictures.double().numpy() + 0.5).astype(np.uint8)
    differences = [
        (judged, digit)
        for judged, digit in zip(map(judge, bytes_of_pictures), found["read"], strict=True)
        if judged[0] != digit
    ]
    # Halfway between two classes the last digit of a float may choose; nowhere else.
    assert all(sure < 0.6 for (_, sure), _ in differences), differences


def judge(picture: np.ndarray) -> tuple[int | None, float]:
    """What Python's reader sees in (28, 28) uint8, and how sure it is; None without ink."""
    try:
        found = digits.classify(picture)
    except digits.NoInkError:
        return None, 1.0
    return found.digit, max(found.probabilities)


def test_a_hand_walks_along_the_arc_and_moves_along_its_directions(desk: Page) -> None:
    found = in_page(
        desk,
        """const hand = new Hand(3, latent, directions);
        hand.walk(0.3);
        const walked = [...hand.noise];
        hand.move("weight", 2.5);
        hand.walk(0.9); // beyond hand 4
        const coordinates = Object.keys(directions).map((name) => hand.coordinate(name));
        return { walked, number: hand.number, moved: [...hand.noise], coordinates,
                 shift: hand.moved.weight, directions };""",
    )
    latent = len(found["walked"])
    first, second = (torch.from_numpy(noise_of(1000 * n, latent))[None] for n in (3, 4))
    arc = slerp(first, second, torch.tensor([[0.3]]))[0]
    torch.testing.assert_close(torch.tensor(found["walked"]), arc, atol=1e-5, rtol=1e-5)
    assert found["number"] == 4
    for name, coordinate in zip(found["directions"], found["coordinates"], strict=True):
        expected = np.dot(found["moved"], found["directions"][name])
        assert coordinate == pytest.approx(expected, abs=1e-4)


def test_more_than_ten_pictures_a_second(desk: Page) -> None:
    pace = in_page(
        desk,
        """const noises = new Hand(1, latent, directions).noises(8, 1, 1);
        await writer.write(noises, mixtures(8)); // the first run of a network is slower
        const start = performance.now();
        for (let round = 0; round < 10; round++)
            await writer.read(await writer.write(noises, mixtures(8)));
        return 80_000 / (performance.now() - start);""",
    )
    print(f"{pace:.0f} pictures a second, written and read")
    assert pace > 10  # measured: hundreds; a busy machine may be slow


def test_rows_break_at_gaps_where_they_can(desk: Page) -> None:
    cases = {"555 0123": ["555", "0123"], "12 34": ["12 34"], "+1234567890x1": ["123456", "7890 1"]}
    found = in_page(desk, "return given.map((text) => rowsOf(text, 6));", list(cases))
    assert found == list(cases.values())
    assert in_page(desk, "return rowsOf('no digit', 6);") == []


# ---- the page ---------------------------------------------------------------------------------


def sheet(page: Page) -> str:
    """What is painted, to compare."""
    return page.locator("[data-sheet]").evaluate("canvas => canvas.toDataURL()")


def slide(page: Page, name: str, value: float) -> None:
    page.locator(f"[name={name}]").evaluate(
        """(slider, value) => {
            slider.value = value;
            for (const kind of ["input", "change"])
                slider.dispatchEvent(new Event(kind, { bubbles: true }));
        }""",
        value,
    )


def test_keyboard_alone_writes_a_number_in_a_new_hand(visit: Callable) -> None:
    page = visit(GAN).page
    page.get_by_role("button", name="Start the demo").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-demo=gan][data-ready=true]")
    before = sheet(page)
    page.keyboard.press("Enter")  # the button for a new hand has the focus
    wait_for_words(page, "Written in hand 2: 555 0123")
    assert sheet(page) != before
    page.get_by_label("write").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("call 7")
    page.keyboard.press("Enter")
    wait_for_words(page, "hand 2: 7.")
    assert "The reader of capstone 1 reads" in words(page)
    assert page.get_by_role("img", name="7 in handwriting.").is_visible()
    page.get_by_label("write").fill("nothing")
    page.keyboard.press("Tab")
    wait_for_words(page, "Type at least one digit")


def test_sliders_change_the_hand_and_reset_takes_it_back(visit: Callable) -> None:
    page = start_demo(visit, "gan")
    first = sheet(page)
    for name, value in [("slant", -3), ("weight", -2.5), ("variety", 0.9), ("daring", 0.1)]:
        before = sheet(page)
        slide(page, name, value)
        page.wait_for_function(
            "before => document.querySelector('[data-sheet]').toDataURL() !== before", arg=before
        )
    assert page.locator("[name=slant]").get_attribute("aria-valuetext") == "−3.0"
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function(
        "first => document.querySelector('[data-sheet]').toDataURL() === first", arg=first
    )


def test_digits_turn_into_others(visit: Callable) -> None:
    """A 1 that has become a 0 altogether has the ink of a 0."""
    page = start_demo(visit, "gan")
    page.get_by_label("write").fill("111")
    page.get_by_label("turn into").fill("0")
    slide(page, "morph", 1)
    page.wait_for_function(
        "document.querySelector('[name=morph]').ariaValueText === '100 %'"
        " && document.querySelector('[data-words]').innerText.includes('111')"
    )
    becomes = sheet(page)
    page.get_by_label("write").fill("000")
    slide(page, "morph", 0)
    wait_for_words(page, ": 000.")
    assert sheet(page) == becomes


def test_it_walks_until_it_is_stopped_and_does_not_chatter(visit: Callable) -> None:
    page = start_demo(visit, "gan")
    page.evaluate(
        """window.announced = 0;
        for (const region of document.querySelectorAll("[data-demo=gan] [aria-live]"))
            new MutationObserver(() => window.announced++).observe(region, { childList: true });"""
    )
    page.get_by_role("button", name="Walk").click()
    status = page.locator("[data-status]")
    page.wait_for_function(
        "document.querySelector('[data-status]').innerText === 'between hand 1 and hand 2'"
    )
    before = sheet(page)
    page.wait_for_function(
        "before => document.querySelector('[data-sheet]').toDataURL() !== before", arg=before
    )
    assert page.evaluate("window.announced") == 1
    page.get_by_role("button", name="Stop").click()
    wait_for_words(page, "Written between")
    stopped = status.inner_text(), sheet(page)
    page.wait_for_timeout(300)
    assert (status.inner_text(), sheet(page)) == stopped


def test_with_reduced_motion_each_press_is_one_step(visit: Callable) -> None:
    page = start_demo(visit, "gan", reduced_motion="reduce")
    before = sheet(page)
    page.get_by_role("button", name="One step").click()
    wait_for_words(page, "between hand 1 and hand 2")
    after = sheet(page)
    assert after != before
    page.wait_for_timeout(300)
    assert sheet(page) == after


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_it_fits_and_axe_finds_nothing_serious(visit: Callable, scheme: str) -> None:
    page = start_demo(
        visit, "gan", width=360, scheme=scheme, has_touch=True, reduced_motion="reduce"
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate(STICKING_OUT) == []
    for control in page.locator(".demo-gan :is(button, input):visible").all():
        assert control.bounding_box()["height"] >= 30
    page.get_by_role("button", name="New hand").tap()
    wait_for_words(page, "hand 2")
    assert not serious_problems(page, "[data-demo=gan]")
