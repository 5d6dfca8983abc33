"""The figures of the course: one style, image grids, and explorers (figures with sliders)."""

from __future__ import annotations

import base64
import html
import io
import itertools
import json
from collections.abc import Callable, Sequence
from importlib.resources import as_file, files

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML, display
from matplotlib.figure import Figure

from torchcourse.runtime import is_static_build

# Okabe & Ito, "Color Universal Design" (2008): distinguishable with every common colour vision.
COLORS = {
    "orange": "#E69F00",
    "skyblue": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
    "grey": "#7d7b78",
}

MAX_FRAMES = 60  # more would make a page slow to build and heavy to load


def use_style() -> None:
    """Set matplotlib to the course's style and let notebooks show sharp figures."""
    with as_file(files("torchcourse") / "torchcourse.mplstyle") as path:
        plt.style.use(path)
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:  # a plain terminal without the inline backend
        return
    # A tight box would make the frames of an explorer jump.
    set_matplotlib_formats("retina", bbox_inches=None)


def show_images(
    images: torch.Tensor | Sequence,
    titles: Sequence[str] | None = None,
    columns: int = 8,
    size: float = 1.0,
) -> Figure:
    """Show images side by side.

    Args:
        images: ``(N, C, H, W)`` or ``(N, H, W)``, or a sequence of ``(C, H, W)`` or ``(H, W)``;
            C is 1 or 3. Integers are taken as 0 to 255, floats as 0 to 1; booleans as masks.
        titles: one short text for each image.
        columns: images in a row.
        size: width of one image in inches.

    Returns:
        the figure (shown by the notebook at the end of the cell).

    Raises:
        ValueError: for an image that is not 2-D, or has neither 1 nor 3 channels, or when the
            number of titles differs from the number of images.
    """
    images = [torch.as_tensor(np.asarray(image)) for image in images]
    arrays = [_to_hwc(image) for image in images]
    if not images:
        raise ValueError("show_images got no images; pass at least one (C, H, W) tensor")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"{len(images)} images need as many titles, got {len(titles)}")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    height = size * max(array.shape[0] / array.shape[1] for array in arrays)
    if titles is not None:
        height += 0.3  # inches: a line of small text
    figure, axes = plt.subplots(
        rows, columns, figsize=(size * columns, height * rows), squeeze=False
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, array in zip(axes.flat, arrays, strict=False):  # there may be spare cells
        axis.imshow(array, vmin=0, vmax=255 if array.dtype == np.uint8 else 1)
    for axis, title in zip(axes.flat, titles or [], strict=False):
        axis.set_title(title, loc="center")
    return figure


def _to_hwc(image: torch.Tensor) -> np.ndarray:
    """``(C, H, W)`` or ``(H, W)`` as matplotlib wants it: ``(H, W)`` or ``(H, W, 3)``."""
    if image.ndim == 3 and image.shape[0] in (1, 3):
        image = image.permute(1, 2, 0).squeeze(-1)  # (C, H, W) -> (H, W, C) or (H, W)
    elif image.ndim != 2:
        raise ValueError(
            f"an image must be (H, W), (1, H, W) or (3, H, W), got {tuple(image.shape)}"
        )
    if image.dtype == torch.bool or image.is_floating_point():
        return image.float().numpy().clip(0, 1)
    return image.clamp(0, 255).to(torch.uint8).numpy()


def explore(draw: Callable[..., Figure], *, alt: str, **sliders: Sequence) -> None:
    """Show a figure with sliders, live in a notebook and from ready frames in the built page.

    Args:
        draw: called with one value per slider; makes and returns a new figure.
        alt: one sentence that says what the figure shows, for those who cannot see it.
        **sliders: for each argument of `draw` the values its slider offers, in order; the
            middle one is shown first.

    Raises:
        ValueError: if a slider is empty or there are more than 60 combinations.
        TypeError: if `draw` returns no figure.

    Example:
        >>> explore(draw_paths, alt="Loss against steps.", lr=[0.01, 0.1, 1.0])
    """
    values = {name: list(options) for name, options in sliders.items()}
    empty = [name for name, options in values.items() if not options]
    count = int(np.prod([len(options) for options in values.values()]))
    if not values or empty:
        raise ValueError(f"every slider needs at least one value; without any: {empty or 'all'}")
    if count > MAX_FRAMES:
        raise ValueError(
            f"{count} combinations are more than {MAX_FRAMES}; give the sliders fewer values"
        )
    if is_static_build():
        display(HTML(_static_explorer(draw, alt, values)))
    else:
        _live_explorer(draw, alt, values)


def _frame(draw: Callable[..., Figure], values: dict) -> tuple[bytes, tuple[int, int]]:
    """One picture as WebP bytes, and its (width, height) in CSS pixels."""
    from PIL import Image

    figure = draw(**values)
    if not isinstance(figure, Figure):
        raise TypeError(f"draw must return the figure it drew, got {type(figure).__name__}")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=figure.dpi * 1.5)  # sharp on a phone's screen too
    plt.close(figure)
    picture = Image.open(buffer)
    webp = io.BytesIO()
    picture.save(webp, format="WEBP", quality=80, method=4)
    return webp.getvalue(), (round(picture.width / 1.5), round(picture.height / 1.5))


def _static_explorer(draw: Callable[..., Figure], alt: str, values: dict) -> str:
    """Sliders over rendered frames; `book/_ext/explorer.py` moves the frames into files."""
    frames = []
    for combination in itertools.product(*values.values()):
        data, size = _frame(draw, dict(zip(values, combination, strict=True)))
        frames.append("data:image/webp;base64," + base64.b64encode(data).decode())
    start = [len(options) // 2 for options in values.values()]
    first = int(np.ravel_multi_index(start, [len(options) for options in values.values()]))
    controls = "".join(
        f'<label><span class="explorer-name">{html.escape(name.replace("_", " "))}</span>'
        f'<input type="range" min="0" max="{len(options) - 1}" value="{index}" step="1" '
        f'aria-valuetext="{html.escape(_word(options[index]))}">'
        f"<output>{html.escape(_word(options[index]))}</output></label>"
        for (name, options), index in zip(values.items(), start, strict=True)
    )
    data = {
        "words": [[_word(option) for option in options] for options in values.values()],
        "frames": frames,
    }
    return (
        '<figure class="explorer">'
        f'<img src="{frames[first]}" alt="{html.escape(alt)}" '
        f'width="{size[0]}" height="{size[1]}">'
        f'<div class="explorer-controls pst-js-only">{controls}</div>'
        f'<script type="application/json">{json.dumps(data)}</script></figure>'
    )


def _live_explorer(draw: Callable[..., Figure], alt: str, values: dict) -> None:
    """The same with ipywidgets: each move of a slider runs `draw` again."""
    import ipywidgets

    picture = ipywidgets.HTML()
    controls = {
        name: ipywidgets.SelectionSlider(
            options=[(_word(option), option) for option in options],
            value=options[len(options) // 2],
            description=name.replace("_", " "),
            continuous_update=False,
        )
        for name, options in values.items()
    }

    def show(_=None) -> None:
        data, size = _frame(draw, {name: control.value for name, control in controls.items()})
        picture.value = (
            f'<img alt="{html.escape(alt)}" width="{size[0]}" height="{size[1]}" '
            f'src="data:image/webp;base64,{base64.b64encode(data).decode()}">'
        )

    for control in controls.values():
        control.observe(show, names="value")
    show()
    display(ipywidgets.VBox([*controls.values(), picture]))


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
