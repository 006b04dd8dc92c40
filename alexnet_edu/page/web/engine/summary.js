// @ts-check
// What the page shows of thousands of maps at once.
/** @import { Face, Layer, Peak, Values } from "./types.d.ts" */

/**
 * How many towers a network has: the largest number of groups of a convolution.
 *
 * @param {Layer[]} layers
 */
export const towersOf = (layers) => Math.max(...layers.map(({ kind, groups = 1 }) => (kind === "Conv" ? groups : 1)));

/**
 * What the drawing of the network shows of the given layers: the mean map of each tower and each channel's largest
 * value; of fully connected layers all values.
 *
 * @param {Layer[]} layers
 * @param {Map<string, Values>} room
 * @param {string[]} names
 * @returns {Record<string, Face>}
 */
export function faces(layers, room, names) {
  const towers = towersOf(layers);
  return Object.fromEntries(
    names.map((name) => {
      const { shape, data } = /** @type {Values} */ (room.get(name));
      if (shape.length === 1) return [name, { maps: [], channels: data.slice() }];
      return [name, { maps: means(data, shape, towers), channels: peak(shape, data).value }];
    }),
  );
}

/**
 * @param {Float32Array} data
 * @param {number[]} shape
 * @param {number} towers
 */
function means(data, [channels, height, width], towers) {
  const places = height * width;
  const each = channels / towers;
  return Array.from({ length: towers }, (_, tower) => {
    const sum = new Float32Array(places);
    for (let c = tower * each; c < (tower + 1) * each; c++) {
      for (let i = 0, at = c * places; i < places; i++) sum[i] += Math.abs(data[at++]);
    }
    return sum.map((total) => total / each);
  });
}

/**
 * The largest value of each channel and its place.
 *
 * @param {number[]} shape
 * @param {Float32Array} data
 * @returns {Peak}
 */
function peak(shape, data) {
  const places = shape.length === 3 ? shape[1] * shape[2] : 1;
  const value = new Float32Array(shape[0]).fill(-Infinity);
  const place = new Uint32Array(shape[0]);
  for (let c = 0, at = 0; c < shape[0]; c++) {
    for (let i = 0; i < places; i++, at++) {
      if (data[at] > value[c]) {
        value[c] = data[at];
        place[c] = i;
      }
    }
  }
  return { value, place };
}

/**
 * Where every channel of every layer is strongest.
 *
 * @param {Map<string, Values>} room
 * @returns {Record<string, Peak>}
 */
export const peaks = (room) =>
  Object.fromEntries([...room].map(([name, { shape, data }]) => [name, peak(shape, data)]));
