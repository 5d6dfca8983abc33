"""Figures with sliders answer the keyboard and say what they show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from PIL import Image


@pytest.fixture(scope="module")
def explorers(site: Path, pages: list[str]) -> list[str]:
    """The pages that hold an explorer."""
    found = [
        page
        for page in pages
        if '<figure class="explorer"' in (site / page).read_text(encoding="utf-8")
    ]
    assert found, "no page holds an explorer"
    return found


def test_frames_are_files_of_their_own(site: Path, explorers: list[str]) -> None:
    for page in explorers:
        text = (site / page).read_text(encoding="utf-8")
        assert "data:image/webp" not in text
        soup = BeautifulSoup(text, "html.parser")
        for image in soup.select("figure.explorer > img"):
            with Image.open((site / page).parent / image["src"]) as picture:
                assert picture.format == "WEBP"
                ratio = int(image["width"]) / int(image["height"])
                assert ratio == pytest.approx(picture.width / picture.height, rel=0.02)


def test_a_slider_moved_by_keyboard_changes_picture_and_words(
    visit: Callable, explorers: list[str]
) -> None:
    for address in explorers:
        page = visit(address).page
        for figure in page.locator("figure.explorer").all():
            picture = figure.locator("img")
            for slider in figure.locator("input").all():
                before = picture.get_attribute("src"), picture.get_attribute("alt")
                output = slider.locator("xpath=following-sibling::output")
                word = output.inner_text()
                slider.focus()
                # Away from whichever end it stands at.
                at_end = slider.input_value() == slider.get_attribute("max")
                page.keyboard.press("ArrowLeft" if at_end else "ArrowRight")
                assert output.inner_text() != word
                assert slider.get_attribute("aria-valuetext") == output.inner_text()
                assert picture.get_attribute("src") != before[0]
                assert picture.get_attribute("alt") != before[1]
                assert output.inner_text() in figure.locator("[aria-live]").inner_text()
                page.wait_for_function(
                    "image => image.complete && image.naturalWidth > 0",
                    arg=picture.element_handle(),
                )


def test_nothing_is_loaded_ahead_for_readers_who_scroll_past(
    visit: Callable, explorers: list[str]
) -> None:
    opened = visit(explorers[0])
    count = opened.page.locator("figure.explorer").count()
    frames = {response.url for response in opened.responses if "explorer-" in response.url}
    assert len(frames) <= count


def test_without_scripts_the_first_frame_is_there(visit: Callable, explorers: list[str]) -> None:
    page = visit(explorers[0], java_script_enabled=False).page
    assert page.locator("figure.explorer img").first.is_visible()
    assert not page.locator("figure.explorer input").first.is_visible()
