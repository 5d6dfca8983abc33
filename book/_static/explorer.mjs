// Figures with sliders: a move of a slider shows the frame drawn for its value during the build.
// The browser's own range input brings keyboard and touch; this adds picture and words.

for (const figure of document.querySelectorAll("figure.explorer")) {
  const { words, frames } = JSON.parse(figure.querySelector("script").textContent);
  const picture = figure.querySelector("img");
  const sliders = [...figure.querySelectorAll("input[type=range]")];
  const description = picture.alt;
  const names = sliders.map((slider) => slider.labels[0].querySelector(".explorer-name").textContent);

  const said = document.createElement("p");
  said.className = "visually-hidden";
  said.setAttribute("aria-live", "polite");
  figure.append(said);

  // Frames come in the order of nested loops, the last slider turning fastest.
  const frameAt = (positions) =>
    frames[positions.reduce((index, position, i) => index * words[i].length + position, 0)];
  const positions = () => sliders.map((slider) => Number(slider.value));

  // A frame nobody waits for yet: one step to each side of where the sliders stand.
  const fetchNeighbours = () => {
    const here = positions();
    for (const i of here.keys()) {
      for (const step of [-1, 1]) {
        const there = here.with(i, here[i] + step);
        if (there[i] >= 0 && there[i] < words[i].length) new Image().src = frameAt(there);
      }
    }
  };

  const show = () => {
    const here = positions();
    sliders.forEach((slider, i) => {
      const word = words[i][here[i]];
      slider.setAttribute("aria-valuetext", word);
      slider.parentElement.querySelector("output").textContent = word;
    });
    const values = names.map((name, i) => `${name} ${words[i][here[i]]}`).join(", ");
    picture.src = frameAt(here);
    picture.alt = `${description} Shown for ${values}.`;
    said.textContent = values;
    fetchNeighbours();
  };

  for (const slider of sliders) {
    slider.addEventListener("input", show);
    // Nothing is loaded ahead for readers who only scroll past.
    slider.addEventListener("focus", fetchNeighbours, { once: true });
    slider.addEventListener("pointerenter", fetchNeighbours, { once: true });
  }
  // A reloaded page may come back with sliders where they were left.
  if (sliders.some((slider) => slider.value !== slider.defaultValue)) show();
}
