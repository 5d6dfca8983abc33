// ONNX Runtime for every demo: served by this site, loaded when a demo is started.
const vendor = new URL("../vendor/onnxruntime/", import.meta.url);
let ready = null;

/** Loads ONNX Runtime once; rejects with a sentence a reader can act on. */
export function loadRuntime() {
  ready ??= import(new URL("ort.wasm.bundle.min.mjs", vendor).href).then(
    (ort) => {
      ort.env.wasm.wasmPaths = vendor.href; // must be absolute
      ort.env.wasm.numThreads = 1; // threads need headers that a static host does not send
      return ort;
    },
    () => {
      ready = null; // so that the next press tries again
      throw new Error("The runtime did not load. Check the connection and press the button again.");
    },
  );
  return ready;
}

/** A session for a model file that lies beside the demos. */
export async function loadModel(name) {
  const ort = await loadRuntime();
  const url = new URL(name, import.meta.url);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`The model ${name} is missing on this site (HTTP ${response.status}).`);
  return ort.InferenceSession.create(await response.arrayBuffer());
}

/**
 * The start of every demo: a button that loads it, then shows its stage and puts the keyboard on
 * it. What goes wrong is said in words, and the button may be pressed again.
 *
 * begin(root) makes the demo ready and returns the element that gets the focus.
 */
export function startDemo(name, begin) {
  const root = document.querySelector(`[data-demo=${name}]`);
  if (!root) return; // imported by a test, or by another page
  const start = root.querySelector("[data-start]");
  const words = root.querySelector("[data-words]");
  start.addEventListener("click", async () => {
    start.disabled = true;
    words.textContent = "Loading …";
    try {
      const focused = await begin(root);
      start.hidden = true;
      for (const part of root.querySelectorAll("[data-stage]")) part.hidden = false;
      root.dataset.ready = "true";
      focused.focus({ preventScroll: true });
      // All of it together, rather than as little as focusing would scroll.
      if (root.getBoundingClientRect().bottom > innerHeight) root.scrollIntoView();
    } catch (error) {
      words.textContent = error.message;
      start.disabled = false;
    }
  });
}
