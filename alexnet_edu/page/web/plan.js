// @ts-check
// The network as the page speaks of it, from its layers.
/** @import { Description, Layer } from "./engine/types.d.ts" */

/**
 * A layer with weights or one that changes the size of the maps, and the steps that follow before the next such.
 *
 * @typedef {{ name: string, first: Layer, steps: Layer[] }} Stage
 */

/**
 * @param {Layer[]} layers
 * @returns {Stage[]}
 */
export function stagesOf(layers) {
  /** @type {Stage[]} */
  const stages = [];
  for (const layer of layers) {
    const resizes = layer.output.length === 3 && layer.output.join() !== layer.input.join();
    if (layer.kind === "Conv" || layer.kind === "Linear" || resizes) {
      stages.push({ name: layer.name, first: layer, steps: [layer] });
    } else if (layer.kind !== "Flatten") {
      stages[stages.length - 1].steps.push(layer);
    }
  }
  return stages;
}

/**
 * What a stage shows when nothing else is asked for: what the next layer sees of a convolution, before normalisation.
 *
 * @param {Stage} stage
 */
export const mainStep = ({ first, steps }) => steps.find(({ kind }) => kind === "ReLU") ?? first;

const integers = new Intl.NumberFormat("en-GB");
/** @param {number} value */
export const whole = (value) => integers.format(value);

/** @param {number} share */
export const percent = (share) => {
  const value = 100 * share;
  return value > 0 && value < 0.1 ? "< 0.1 %" : `${value.toFixed(value < 10 ? 1 : 0)} %`;
};

/** @param {number} value */
export const short = (value) => Number(value.toPrecision(3)).toString().replace("-", "−");

/** @param {number[]} shape */
export const by = (shape) => shape.map(whole).join(" × ");

/**
 * What a layer is, spelled out: the names of layers are short.
 *
 * @param {Layer} layer
 */
export function kindOf({ name, kind }) {
  const words = KINDS[kind];
  return words ? `${name}: ${words}` : "";
}

/** @type {Record<string, string>} */
const KINDS = {
  Conv: "“conv” is short for convolution, filters that are slid over what comes before.",
  MaxPool: "“pool” is short for pooling, which keeps the largest value of each neighbourhood.",
  AdaptiveAvgPool: "“pool” is short for pooling, here an average.",
  Linear: "“fc” is short for fully connected: every unit reads every value of the layer before.",
};

/** @param {number} count */
export const millions = (count) => `${(count / 1e6).toFixed(1)} million`;

/**
 * A label as people say it.
 *
 * @param {Description} told
 * @param {number | string} category a number or a name
 */
export function label(told, category) {
  const name = typeof category === "number" ? told.categories[category] : category;
  return told.words[name] ?? name.replaceAll("_", " ");
}

/**
 * A channel or unit of a layer by its number, and by its label in the last layer.
 *
 * @param {Description} told
 * @param {Layer} layer
 * @param {number} channel
 */
export function channelName(told, layer, channel) {
  if (layer.output.length === 3) return `channel ${channel}`;
  return isLast(told, layer) ? `unit ${channel}: ${label(told, channel)}` : `unit ${channel}`;
}

/**
 * @param {Description} told
 * @param {Layer} layer
 */
export const isLast = ({ layers }, layer) => layer === layers[layers.length - 1];

/**
 * What a unit sees, in pixels of the crop, cut at its edges.
 *
 * @param {Layer} layer
 * @param {number} row
 * @param {number} column
 * @param {number} size of the crop
 */
export function fieldOf({ start, field, jump }, row, column, size) {
  if (start === null || field === null || jump === null) return { left: 0, top: 0, right: size, bottom: size };
  const [top, left] = [row, column].map((at) => start + at * jump);
  return {
    left: Math.max(0, left), top: Math.max(0, top), right: Math.min(size, left + field), bottom: Math.min(size, top + field),
  };
}

/**
 * What a layer does, in two or three sentences.
 *
 * @param {Layer} layer
 * @param {Layer[]} layers
 * @returns {string}
 */
export function explain(layer, layers) {
  return EXPLAIN[layer.kind]?.(layer, layers) ?? "";
}

/**
 * Why a place of a deeper layer sees more of the photo.
 *
 * @param {Layer} layer
 * @param {Layer[]} layers
 */
function wider(layer, layers) {
  const { field, jump } = layers[layers.indexOf(layer) - 1] ?? {};
  if (!field || !jump || !layer.field || !layer.kernel_size) return "";
  return (
    ` Each of these places already sees ${field} × ${field} pixels, and the next one lies ${jump} pixels further. ` +
    `So ${layer.kernel_size} of them in a row see ${layer.field}: the deeper the layer, the more of the photo a place sees.`
  );
}

/** @type {Record<string, (layer: Layer, layers: Layer[]) => string>} */
const EXPLAIN = {
  Conv(layer, layers) {
    const { kernel_size: side = 0, stride = 1, groups = 1 } = layer;
    const depth = layer.input[0] / groups;
    const filters = layer.output[0];
    if (layer === layers[0]) {
      return (
        `${filters} filters, each a pattern of ${side} × ${side} pixels, are slid over the photo in steps of ${stride}. ` +
        `Each filter draws one channel: bright where the photo looks like the filter, dark where it does not.`
      );
    }
    const half = groups > 1 ? " of their own half" : "";
    return (
      `${filters} filters look at ${side} × ${side} neighbouring places in all ${depth} channels${half} of the layer before. ` +
      `So each answers to a pattern of patterns, and draws one channel of where it found it.${wider(layer, layers)}`
    );
  },
  ReLU: ({ output }) =>
    `The ReLU (rectified linear unit) sets values below zero to zero: ${output.length === 3 ? "a filter" : "a unit"} may say that it found ` +
    "what it looks for, but not that it found the opposite. Without this step a network of many layers could be replaced by a single one, " +
    "since sums of sums are sums again.",
  LRN: ({ size }) =>
    `Each value is made smaller where its ${size} neighbouring channels are strong at the same place: loud channels quieten each other.`,
  SpatialNorm: ({ size }) => `Each value is made smaller where its ${size} × ${size} neighbourhood is strong.`,
  MaxPool: ({ kernel_size: side, stride, output }) =>
    `Of each ${side} × ${side} neighbourhood only the largest value stays, every ${stride} places. ` +
    `The channels keep what they found and forget exactly where; ${output[1]} × ${output[2]} places are left.`,
  AdaptiveAvgPool: ({ output }) => `Each channel is averaged to ${output[1]} × ${output[2]} places.`,
  Linear(layer, layers) {
    const inputs = layer.input[0];
    if (layer === layers[layers.length - 1]) {
      return (
        `One unit for each of the ${layer.output[0]} labels adds up all ${whole(inputs)} values, each times a weight. ` +
        "The unit with the highest score is the answer. A last step, softmax, turns the scores into probabilities: all positive, and 100 % together."
      );
    }
    return (
      `${layer.output[0]} units, and each of them looks at all ${whole(inputs)} values of the layer before. ` +
      "There are no places any more: a unit answers to the photo as a whole."
    );
  },
  Dropout: ({ p = 0 }) =>
    `While the network was trained, ${percent(p)} of these values, others each time, were set to zero, so that no unit could rely on another. Now all take part.`,
};

/**
 * How the steps of a stage are called on its switch.
 *
 * @param {Layer} layer
 */
export const stepName = (layer) =>
  ({ Conv: "before ReLU", Linear: "before ReLU", ReLU: "after ReLU", LRN: "normalised", SpatialNorm: "normalised within maps", Dropout: "dropout" })[
    layer.kind
  ] ?? layer.name;

/**
 * How sure the network is, as a sentence.
 *
 * @param {Description} told
 * @param {string} name
 * @param {number} share
 */
export function verdict({ certainties }, name, share) {
  const [, sure] = certainties.find(([least]) => share >= least) ?? certainties[certainties.length - 1];
  return { name, rest: `${sure}: ${percent(share)}` };
}

/**
 * Whether the answer is right, where the page knows.
 *
 * @param {Description} told
 * @param {string | null | undefined} category undefined: the reader's own photo
 * @param {string} answer
 */
export function judged(told, category, answer) {
  const count = whole(told.categories.length);
  if (category === undefined) return `It knows ${count} labels and has to choose one of them, whatever it sees.`;
  if (category === null) return `It has no label for this picture. It knows ${count} and has to choose one of them.`;
  if (category === answer) return "That is right. It was not trained on this picture.";
  return `That is wrong: it is ${label(told, category)}. The network makes such mistakes.`;
}
