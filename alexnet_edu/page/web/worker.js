// @ts-check
// The engine on a thread of its own: the page sends one request at a time and stays free for the reader's finger.
import { Network, softmax } from "./engine/network.js";
import { PictureError, UNCHANGED, changed, crop, normalise, open, shrink } from "./engine/picture.js";
import { readSafetensors } from "./engine/safetensors.js";
import { faces, peaks } from "./engine/summary.js";
import { mainStep, stagesOf } from "./plan.js";
/** @import { Answer, Change, Description, Rgb, Values } from "./engine/types.d.ts" */

const INPUTS = 6; // channels that a filter weighs most

/** @type {Description} */
let told;
/** @type {Network} */
let network;
/** @type {Map<string, Values>} */
let shown;
/** @type {Map<string, Values>} */
let aside;
/** @type {Rgb} */
let original;
/** @type {string[]} */
let drawn;

/** @type {Record<string, (request: any) => Promise<[any, Transferable[]]>>} */
const ACTIONS = {
  /** Unpacks the weights; says which kernel it is and how long it took. */
  async start({ description, weights, code }) {
    told = description;
    network = await Network.make(told.layers, readSafetensors(weights), code);
    drawn = stagesOf(told.layers).map((stage) => mainStep(stage).name);
    shown = network.room();
    aside = network.room();
    return [{ kernel: network.kernel.name, filters: network.filters }, []];
  },

  /** A new picture, from a file or a camera: its answer, unchanged. */
  async picture({ file, frame, layer }) {
    const { preprocess, limits } = told;
    const whole = frame ? shrink(frame, preprocess.resize, limits) : await open(file, preprocess, limits);
    frame?.close();
    original = crop(whole, preprocess.size);
    return answer(UNCHANGED, layer);
  },

  /** The same picture, changed. */
  async change({ change, layer }) {
    return answer(change, layer);
  },

  /** Another layer of what was last answered. */
  async layer({ layer }) {
    const values = copy(layer);
    return [values, [values.data.buffer]];
  },

  /** What a filter of a convolution is made of. */
  async inputs({ layer, channel }) {
    return [network.inputs(layer, channel, INPUTS), []];
  },

  /** Where every channel of every layer is strongest in a picture; what is shown stays. */
  async survey({ file }) {
    const seen = crop(await open(file, told.preprocess, told.limits), told.preprocess.size);
    network.run(normalise(seen, told.preprocess), aside);
    return [{ seen, peaks: peaks(aside) }, [seen.data.buffer]];
  },

  /** The probability of one label with the patch at one place; for maps of what matters. */
  async covered({ change, category }) {
    const last = network.run(normalise(changed(original, change), told.preprocess), aside).get(lastLayer());
    return [softmax(/** @type {Values} */ (last).data)[category], []];
  },
};

const lastLayer = () => told.layers[told.layers.length - 1].name;

/**
 * @param {string} layer
 * @returns {Values}
 */
function copy(layer) {
  const { shape, data } = /** @type {Values} */ (shown.get(layer));
  return { shape, data: data.slice() };
}

/**
 * @param {Change} change
 * @param {string} layer
 * @returns {[Answer, Transferable[]]}
 */
function answer(change, layer) {
  const start = performance.now();
  const bare = changed(original, { ...change, patch: null });
  const seen = changed(bare, { ...UNCHANGED, patch: change.patch });
  network.run(normalise(seen, told.preprocess), shown);
  const probabilities = softmax(/** @type {Values} */ (shown.get(lastLayer())).data);
  const values = copy(layer);
  const milliseconds = performance.now() - start;
  const result = { bare, seen, probabilities, layer, values, faces: faces(told.layers, shown, drawn), milliseconds };
  return [result, [values.data.buffer, seen.data.buffer]];
}

self.onmessage = async ({ data: { id, action, ...request } }) => {
  try {
    const [result, transfer] = await ACTIONS[action](request);
    self.postMessage({ id, result }, { transfer });
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    self.postMessage({ id, problem: error instanceof PictureError ? message : `This did not work (${message}).` });
  }
};
