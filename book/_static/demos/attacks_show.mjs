// Pictures of C·H·W values in 0 … 1, and the change between two of them, on canvases.

/** Grey or coloured, as it is. */
export function paintPicture(canvas, values, shape) {
  paint(canvas, shape, (n) => values[n]);
}

/** The change, magnified so that -ε is black, none is grey and +ε is white. */
export function paintChange(canvas, from, to, shape, eps) {
  paint(canvas, shape, (n) => (eps ? 0.5 + (to[n] - from[n]) / (2 * eps) : 0.5));
}

function paint(canvas, [channels, height, width], valueAt) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  const plane = height * width;
  for (let at = 0; at < plane; at++) {
    for (let colour = 0; colour < 3; colour++)
      pixels.data[4 * at + colour] = 255 * valueAt((colour % channels) * plane + at);
    pixels.data[4 * at + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
}
