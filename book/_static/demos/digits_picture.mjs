// A reader's own picture: a file, a photograph or a download, to a canvas of pixels.
import { makeCanvas } from "./digits_pad.mjs";
import { round } from "./digits_segment.mjs";

/**
 * Pictures by choice, by camera and by drop: take(file) is called with each.
 * The page has a button and an input for each way it offers: data-load and data-file, data-camera
 * and data-photo.
 */
export function offerFiles(root, take, say) {
  for (const [button, field] of [["load", "file"], ["camera", "photo"]]) {
    const input = root.querySelector(`[data-${field}]`);
    if (!input) continue;
    root.querySelector(`[data-${button}]`).addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      if (input.files.length) take(input.files[0]);
      input.value = ""; // so that the same file can be chosen again
    });
  }
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) take(file);
    else say("That was no file. Drop a picture that is saved on this device.");
  });
}

/** A picture that comes with the demos. */
export async function fetchExample(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`The example is missing on this site (HTTP ${response.status}).`);
  return response.blob();
}

/** The picture in `blob` on a canvas; rejects with a sentence a reader can act on. */
export async function decode(blob, name, { readablePixels, maxPixels }) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, {
      colorSpaceConversion: "none",
      imageOrientation: "from-image", // a phone's photograph upright, as in Python
    });
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
