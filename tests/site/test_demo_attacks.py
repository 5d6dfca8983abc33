"""Attacks in the page: the same steps as Python's, and a reader's hands on the controls."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from demo_page import run_in_page, serious_problems, start_demo, wait_for_words, words
from handwriting import write
from PIL import Image
from playwright.sync_api import Browser, Page
from test_phone import STICKING_OUT
from torch import Tensor

from torchcourse.capstones.attacks import fgsm, pgd
from torchcourse.capstones.attacks.export import VICTIMS
from torchcourse.capstones.digits.preprocess import prepare_batch
from torchcourse.capstones.pets import drawn, prepare
from torchcourse.data.digits import load_bundled

ATTACKS = "book/demos/attacks.html"

PREPARE = """
    const folder = new URL("../../_static/demos/", location.href);
    const load = (name) => import(new URL(name, folder).href);
    const { anywhere, attack, listVictims, loadVictim, move } = await load("attacks_perturb.mjs");
    const victims = (window.victims ??= await listVictims());
    const get = async (name) => (window[name] ??= await loadVictim(victims[name]));
    const unpacked = (text) =>
        new Float32Array(Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0)).buffer);
    const packed = (values) => {
        let text = "";
        for (const byte of new Uint8Array(values.buffer)) text += String.fromCharCode(byte);
        return btoa(text);
    };
"""
in_page = partial(run_in_page, PREPARE)


@pytest.fixture(scope="module")
def desk(browser: Browser, server: str) -> Iterator[Page]:
    """One page for all tests that only call its modules: loading the runtime takes a second."""
    page = browser.new_page()
    page.goto(f"{server}/{ATTACKS}")
    yield page
    page.close()


# ---- the same attacks ------------------------------------------------------------------------

COUNTS = {"digits": 100, "pets": 12}
STEPS = 5
# A sign can differ only where rounding can turn it: where the gradient is small beside its
# picture's largest, or changes at once because a ReLU or a maximum is a tie but for rounding.
SMALL = 0.02
SAME = 1e-4
PARTED = 0.1  # of a probability, where a handful of pixels were moved the other way
BETWEEN = 0.05  # the two likeliest classes are no further apart


def packed(values: Tensor) -> str:
    return base64.b64encode(values.contiguous().numpy().tobytes()).decode()


def unpacked(text: str, like: Tensor) -> Tensor:
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.float32).view_as(like)


@cache
def pictures(name: str) -> Tensor:
    count = COUNTS[name]
    if name == "pets":
        drawings = (drawn.draw(n % 2, 500 + n, 150) for n in range(count))
        return torch.cat([prepare(drawing) for drawing in drawings])
    return prepare_batch(load_bundled(train=False).images[:count])


@cache
def cases(name: str) -> list[dict]:
    """Each picture with other settings, a third of them targeted, a third from a random start."""
    model, images, per = VICTIMS[name].load(), pictures(name), VICTIMS[name].per
    with torch.no_grad():
        logits = model(images)  # (N, K)
    made = []
    for n, image in enumerate(images[:, None]):
        targeted = n % 3 == 1
        label = int(logits[n].argmin() if targeted else logits[n].argmax())
        eps = (1 + n % 7) * (4 if per == 100 else 1) / per
        case = {"image": image, "label": label, "eps": eps, "targeted": targeted, "steps": STEPS}
        case |= {"stepSize": 2.5 * eps / STEPS, "seed": n if n % 3 == 2 else None}
        # No step at all: where Python's PGD begins, drawn from the same seed.
        case["start"] = python_pgd(model, case, steps=1, step_size=0.0)
        made.append(case)
    return made


def python_pgd(model: torch.nn.Module, case: dict, **changes: float) -> Tensor:
    settings = {"steps": case["steps"], "step_size": case["stepSize"]} | changes
    settings |= {"targeted": case["targeted"], "random_start": case["seed"] is not None}
    torch.manual_seed(case["seed"] or 0)
    return pgd(model, case["image"], torch.tensor([case["label"]]), case["eps"], **settings)


def given(case: dict, **changes: object) -> dict:
    ready = case | changes
    return ready | {"image": packed(ready["image"]), "start": packed(ready["start"])}


def gradient(model: torch.nn.Module, image: Tensor, label: int) -> Tensor:
    leaf = image.clone().requires_grad_()
    (found,) = torch.autograd.grad(F.cross_entropy(model(leaf), torch.tensor([label])), leaf)
    return found


def differing(found: Tensor, expected: Tensor, model: torch.nn.Module, at: Tensor, label: int):
    """Pixels that are not the same; none of them where the gradient at `at` is not small."""
    off = (found - expected).abs() > SAME
    if off.any():
        size = gradient(model, at, label).abs()
        assert size[off].max() <= SMALL * size.max()
    return off.float().mean().item()


ATTACK = """
    const found = [];
    for (const { name, image, start, label, ...settings } of given) {
        let last;
        const options = { ...settings, start: unpacked(start) };
        for await (last of attack(await get(name), unpacked(image), label, options));
        found.push({ picture: packed(last.picture), probabilities: last.probabilities });
    }
    return found;
"""


@pytest.mark.parametrize("name", COUNTS)
def test_fgsm_is_pythons(desk: Page, name: str) -> None:
    model = VICTIMS[name].load()
    asked = [
        given(case, start=case["image"], steps=1, stepSize=case["eps"], name=name)
        for case in cases(name)
    ]
    answers = in_page(desk, ATTACK, asked)
    off, attacked = [], []
    for case, answer in zip(cases(name), answers, strict=True):
        image, label = case["image"], case["label"]
        attacked.append(fgsm(model, image, torch.tensor([label]), case["eps"], case["targeted"]))
        found = unpacked(answer["picture"], image)
        off.append(differing(found, attacked[-1], model, image, label))
    print(f"{name}: {np.mean(off):.2e} of the pixels differ, at most {max(off):.2e} of a picture")
    compare_answers([a["probabilities"] for a in answers], model, torch.cat(attacked))
    assert np.mean(off) < 1e-3


@pytest.mark.parametrize("name", COUNTS)
def test_each_step_of_pgd_is_pythons_from_the_same_place(desk: Page, name: str) -> None:
    """The page takes each step from where Python stood: no difference can grow on the way."""
    model = VICTIMS[name].load()
    chosen = cases(name)[::4]
    paths = [[case["start"], *python_path(model, case)] for case in chosen]
    asked = [
        given(case, start=at, name=name)
        for case, path in zip(chosen, paths, strict=True)
        for at in path[:-1]
    ]
    code = """
        const found = [];
        for (const { name, image, start, label, eps, stepSize, targeted } of given) {
            const at = unpacked(start);
            const { gradient } = await (await get(name)).ask(at, label);
            const length = targeted ? -stepSize : stepSize;
            found.push(packed(move(unpacked(image), at, gradient, length, eps)));
        }
        return found;
    """
    answers = iter(in_page(desk, code, asked))
    off = []
    for case, path in zip(chosen, paths, strict=True):
        for at, expected in pairwise(path):
            found = unpacked(next(answers), expected)
            assert (found - case["image"]).abs().max() <= case["eps"] + 1e-6
            off.append(differing(found, expected, model, at, case["label"]))
    print(f"{name}: {np.mean(off):.2e} of the pixels differ after {len(off)} steps")
    assert np.mean(off) < 1e-3


def python_path(model: torch.nn.Module, case: dict) -> list[Tensor]:
    """What PGD makes of the picture in one step, in two, …"""
    return [python_pgd(model, case, steps=steps) for steps in range(1, case["steps"] + 1)]


@pytest.mark.parametrize("name", COUNTS)
def test_whole_attacks_end_in_the_same_answers(desk: Page, name: str) -> None:
    """Left to itself the page may part from Python by a few pixels, and never in the answer."""
    model = VICTIMS[name].load()
    asked = [given(case, name=name) for case in cases(name)]
    answers = in_page(desk, ATTACK, asked)
    attacked = torch.cat([python_pgd(model, case) for case in cases(name)])
    found = torch.cat([unpacked(answer["picture"], attacked[:1]) for answer in answers])
    off = ((found - attacked).abs() > SAME).float().mean().item()
    reached = [
        (int(np.argmax(answer["probabilities"])) == case["label"]) == case["targeted"]
        for case, answer in zip(cases(name), answers, strict=True)
    ]
    print(f"{name}: {off:.2e} of the pixels differ; {sum(reached)} of {len(reached)} reached")
    compare_answers([a["probabilities"] for a in answers], model, attacked)
    assert off < 0.01
    assert np.mean(reached) > 1 / 3


def compare_answers(found: list[list[float]], model: torch.nn.Module, attacked: Tensor) -> None:
    """The same prediction for every picture that does not lie between two classes."""
    with torch.no_grad():
        expected = model(attacked).softmax(1)  # (N, K)
    found = torch.tensor(found)
    apart = (found - expected).abs().amax(1)  # (N,)
    first, second = expected.topk(2).values.T
    other = found.argmax(1) != expected.argmax(1)
    print(f"probabilities apart: mean {apart.mean():.1e}, largest {apart.max():.1e}")
    assert apart.max() < PARTED and (apart < 1e-3).float().mean() > 0.9
    assert other.sum() <= 1 and not (other & (first - second > BETWEEN)).any()


def test_a_wrong_sign_would_be_noticed(desk: Page) -> None:
    case = cases("digits")[0]
    model, image = VICTIMS["digits"].load(), case["image"]
    asked = [given(case, start=image, steps=1, stepSize=case["eps"], name="digits", targeted=True)]
    found = unpacked(in_page(desk, ATTACK, asked)[0]["picture"], image)
    expected = fgsm(model, image, torch.tensor([case["label"]]), case["eps"])
    with pytest.raises(AssertionError):
        differing(found, expected, model, image, case["label"])


def test_a_random_start_is_anywhere_in_the_box_and_never_outside(desk: Page) -> None:
    image = pictures("digits")[:1]
    text = in_page(desk, "return packed(anywhere(unpacked(given), 0.2));", packed(image))
    change = unpacked(text, image) - image
    assert change.abs().max() <= 0.2 + 1e-6
    inside = (image > 0.2) & (image < 0.8)
    assert change[inside].std() == pytest.approx(0.2 / 3**0.5, rel=0.3)
    assert unpacked(text, image).min() >= 0 and unpacked(text, image).max() <= 1


@pytest.mark.parametrize("name", COUNTS)
def test_a_second_is_enough_for_five_steps(desk: Page, name: str) -> None:
    """Processor time, which other programs on the machine do not lengthen."""
    session = desk.context.new_cdp_session(desk)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def seconds() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(m["value"] for m in metrics if m["name"] == "TaskDuration")

    code = """
        const image = unpacked(given);
        const options = { eps: 0.02, steps: 7, stepSize: 0.01, targeted: false };
        const victim = await get(NAME);
        for await (const _ of attack(victim, image, 0, options));
    """.replace("NAME", f'"{name}"')
    image = packed(pictures(name)[:1])
    in_page(desk, code, image)  # the first runs are slower
    start = seconds()
    in_page(desk, code, image)
    each = (seconds() - start) / 8
    print(f"{name}: {1000 * each:.0f} ms a step")
    assert each < 0.2


# ---- the page --------------------------------------------------------------------------------


def start(visit: Callable, name: str = "digits", **options: object) -> Page:
    page = start_demo(visit, "attacks", **options)
    wait_for_words(page, "Before:")
    if name != "digits":
        choose(page, name)
        page.wait_for_selector(f"[data-demo=attacks][data-kind={name}]")
        wait_for_words(page, "Before:")  # until then it says "Loading …"
    return page


def choose(page: Page, value: str) -> None:
    page.locator(f".demo-modes label:has([value={value}])").click()


def set_slider(page: Page, name: str, value: float) -> None:
    page.locator(f"[name={name}]").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }",
        value,
    )


def levels(page: Page, name: str) -> np.ndarray:
    """Red, green and blue of a canvas, (H, W, 3)."""
    code = """canvas => {
        const { width, height } = canvas;
        const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
        return { shape: [height, width, 4], data: [...data] };
    }"""
    found = page.locator(f"[data-{name}]").evaluate(code)
    return np.array(found["data"]).reshape(found["shape"])[..., :3]


def watch(page: Page) -> None:
    """From now on `window.seen` collects what the page says about the pace."""
    page.evaluate(
        """() => {
            window.seen = [];
            const pace = document.querySelector("[data-pace]");
            const note = () => window.seen.push(pace.textContent);
            new MutationObserver(note).observe(pace, { childList: true });
        }"""
    )


def test_an_attack_is_shown_and_told_and_follows_the_sliders(visit: Callable) -> None:
    page = start(visit)
    wait_for_words(page, "Fooled.")
    before, change, after = (levels(page, name) for name in ("before", "change", "after"))
    assert np.abs(after - before).max() == pytest.approx(0.15 * 255, abs=1)
    np.testing.assert_allclose((change - 127.5) / 255 * 0.3 * 255, after - before, atol=1.5)
    set_slider(page, "eps", 0)
    wait_for_words(page, "by more than 0.00: 3 with 9")
    assert np.array_equal(levels(page, "before"), levels(page, "after"))
    assert (levels(page, "change") == levels(page, "change")[0, 0]).all()
    set_slider(page, "eps", 30)
    page.locator("[name=aim]").select_option("4")
    wait_for_words(page, "4 with")
    wait_for_words(page, "That is what the attack aimed at.")
    assert page.locator("[data-rows] tr").nth(4).get_attribute("data-chosen") is not None
    choose(page, "fgsm")
    wait_for_words(page, "After 1 step,")
    assert page.locator("[name=steps]").is_disabled()


def test_the_defended_network_withstands_what_fools_the_other(visit: Callable) -> None:
    page = start(visit)
    wait_for_words(page, "Fooled.")
    set_slider(page, "steps", 20)
    wait_for_words(page, "After 20 steps")
    choose(page, "defended")
    wait_for_words(page, "Not fooled.")
    assert "After 20 steps, no pixel changed by more than 0.15: 3 with" in words(page)


def test_every_step_is_shown_and_a_change_begins_anew(visit: Callable) -> None:
    page = start(visit)
    wait_for_words(page, "After 10 steps")
    watch(page)
    set_slider(page, "steps", 40)
    page.wait_for_function("window.seen.includes('step 3 of 40')")
    set_slider(page, "steps", 12)
    wait_for_words(page, "After 12 steps")
    seen = page.evaluate("window.seen")
    assert [f"step {n} of 12" for n in range(1, 13)] == [text for text in seen if "of 12" in text]
    assert "step 40 of 40" not in seen


def test_with_reduced_motion_only_the_end_is_shown(visit: Callable) -> None:
    page = start(visit, reduced_motion="reduce")
    wait_for_words(page, "After 10 steps")
    watch(page)
    set_slider(page, "steps", 20)
    wait_for_words(page, "After 20 steps")
    assert [text for text in page.evaluate("window.seen") if "of 20" in text] == ["step 20 of 20"]


def test_a_drawing_is_attacked_and_an_empty_sheet_waits(visit: Callable) -> None:
    page = start(visit)
    page.get_by_role("button", name="Clear").click()
    wait_for_words(page, "Write a digit")
    assert page.locator("[data-is]").inner_text() == ""
    page.locator("[data-pad]").scroll_into_view_if_needed()
    box = page.locator("[data-pad]").bounding_box()
    for stroke in write("1", 0.4, 0.15, 0.7):
        points = [(box["x"] + x * box["width"], box["y"] + y * box["width"]) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point)
        page.mouse.up()
    wait_for_words(page, "Before: 1 with")
    file = page.locator("[data-file]")
    blank = {
        "name": "blank.png",
        "mimeType": "image/png",
        "buffer": encoded(np.full((60, 90), 240)),
    }
    file.set_input_files(blank)
    wait_for_words(page, "No ink was found")


def encoded(grey: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(grey.astype(np.uint8)).save(file, "png")
    return file.getvalue()


def test_a_readers_own_picture_is_attacked(visit: Callable) -> None:
    page = start(visit, "pets")
    own = np.random.default_rng(0).integers(0, 255, (30, 50))
    file = page.locator("[data-file]")
    file.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"})
    wait_for_words(page, "a.png is no picture that this browser can read")
    file.set_input_files({"name": "own.png", "mimeType": "image/png", "buffer": encoded(own)})
    wait_for_words(page, "no pixel changed by more than 4/255")
    expected = (prepare(encoded(own))[0] * 255).round().permute(1, 2, 0).numpy()
    assert np.array_equal(levels(page, "before"), expected)
    assert np.abs(levels(page, "after") - expected).max() <= 5  # the canvas rounds
    choose(page, "digits")  # the drawing is still there
    wait_for_words(page, "Before: 3")


def test_keyboard_alone_attacks(visit: Callable) -> None:
    page = visit(ATTACKS).page
    page.get_by_role("button", name="Start the demo").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-demo=attacks][data-ready=true]")
    wait_for_words(page, "After 10 steps")
    page.locator("[name=steps]").focus()
    page.keyboard.press("ArrowRight")
    wait_for_words(page, "After 11 steps")
    page.locator("[data-pad]").focus()
    page.keyboard.press("Space")  # the picture gives way to a sheet with the pen down
    for _ in range(12):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    wait_for_words(page, "Before: 1 with")


@pytest.mark.parametrize("name", COUNTS)
def test_a_phone_has_room(visit: Callable, name: str) -> None:
    page = start(visit, name, width=360, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert not page.evaluate(STICKING_OUT)
    for button in page.locator("[data-demo=attacks] :is(button, .demo-modes span):visible").all():
        box = button.bounding_box()
        assert min(box["width"], box["height"]) >= 38
    assert page.locator("[data-pad]").evaluate("c => getComputedStyle(c).touchAction") == "none"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_an_answer(visit: Callable, scheme: str) -> None:
    page = start(visit, scheme=scheme)
    assert not serious_problems(page, "[data-demo=attacks]")
