// A file or a download to a canvas of pixels that the reader takes.
import { makeCanvas } from "./digits_pad.mjs";
import { round } from "./digits_segment.mjs";

/** The picture in `blob` on a canvas; rejects with a sentence a reader can act on. */
export async function decode(blob, name, { readablePixels, maxPixels }) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  } catch {
    throw new Error(`${name} is no picture that this browser can read. Try a PNG or a JPEG file.`);
  }
  const { width, height } = bitmap;
  if (width * height > readablePixels)
    throw new Error(
      `${name} has ${width} × ${height} pixels; at most ${readablePixels.toLocaleString("en")} are read. Shrink it first.`,
    );
  const scale = Math.min(1, Math.sqrt(maxPixels / (width * height)));
  const size = [width, height].map((side) => Math.max(1, round(side * scale)));
  return shrink(bitmap, ...size);
}

/** By halves, so that every pixel counts: some browsers look at no more than four at once. */
function shrink(source, width, height) {
  let picture = source;
  while (picture.width > 2 * width || picture.height > 2 * height)
    picture = redraw(
      picture,
      Math.max(width, Math.ceil(picture.width / 2)),
      Math.max(height, Math.ceil(picture.height / 2)),
    );
  return redraw(picture, width, height);
}

function redraw(picture, width, height) {
  const canvas = makeCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, width, height);
  return canvas;
}
