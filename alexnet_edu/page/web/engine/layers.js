// @ts-check
// What each kind of layer computes, value by value as in alexnet_edu.layers. Convolutions and fully connected layers
// are in network.js: they need the kernel.
/** @import { Layer, Values } from "./types.d.ts" */

/** @type {Record<string, (layer: Layer, x: Values, y: Values) => void>} */
export const SIMPLE = {
  ReLU: (_, x, y) => relu(x.data, y.data),
  LRN: lrn,
  SpatialNorm: spatialNorm,
  MaxPool: maxPool,
  AdaptiveAvgPool: averagePool,
  Flatten: (_, x, y) => y.data.set(x.data),
  Dropout: dropout,
};

/**
 * @param {Float32Array} x
 * @param {Float32Array} y
 */
function relu(x, y) {
  for (let i = 0; i < x.length; i++) y[i] = x[i] > 0 ? x[i] : 0;
}

/**
 * In testing only 2012's way does anything: times the share of values that training keeps.
 *
 * @param {Layer} layer
 * @param {Values} x
 * @param {Values} y
 */
function dropout({ p = 0, scale_at }, x, y) {
  const kept = scale_at === "test" ? 1 - p : 1;
  for (let i = 0; i < x.data.length; i++) y.data[i] = x.data[i] * kept;
}

/**
 * d ** -beta; three quarters by square roots, which are much faster than a power.
 *
 * @param {number} d
 * @param {number} beta
 */
function power(d, beta) {
  if (beta !== 0.75) return d ** -beta;
  const root = 1 / Math.sqrt(d);
  return root * Math.sqrt(root);
}

/**
 * Response normalisation across neighbouring maps; no window leaves its tower.
 *
 * @param {Layer} layer
 * @param {Values} input
 * @param {Values} output
 */
function lrn({ size = 0, alpha = 0, beta = 0, k = 0, groups = 1 }, input, output) {
  const x = input.data;
  const [channels, height, width] = input.shape;
  const places = height * width;
  const tower = channels / groups;
  const reach = Math.floor(size / 2);
  const sums = new Float64Array(places);
  for (let c = 0; c < channels; c++) {
    const first = c - (c % tower);
    sums.fill(0);
    for (let near = Math.max(first, c - reach); near <= Math.min(first + tower - 1, c + reach); near++) {
      for (let i = 0, at = near * places; i < places; i++, at++) sums[i] += x[at] * x[at];
    }
    for (let i = 0, at = c * places; i < places; i++, at++) {
      output.data[at] = x[at] * power(k + (alpha / size) * sums[i], beta);
    }
  }
}

/**
 * Response normalisation within each map; places outside count zero.
 *
 * @param {Layer} layer
 * @param {Values} input
 * @param {Values} output
 */
function spatialNorm({ size = 0, alpha = 0, beta = 0, k = 0 }, input, output) {
  const [channels, height, width] = input.shape;
  const reach = Math.floor(size / 2);
  for (let c = 0; c < channels; c++) {
    const x = input.data.subarray(c * height * width, (c + 1) * height * width);
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        let sum = 0;
        for (let r = Math.max(0, row - reach); r <= Math.min(height - 1, row + reach); r++) {
          for (let q = Math.max(0, column - reach); q <= Math.min(width - 1, column + reach); q++) {
            sum += x[r * width + q] ** 2;
          }
        }
        const at = row * width + column;
        output.data[c * height * width + at] = x[at] * power(k + (alpha / size ** 2) * sum, beta);
      }
    }
  }
}

/**
 * The largest value of each window. A window that reaches over the edge has fewer values.
 *
 * @param {Layer} layer
 * @param {Values} input
 * @param {Values} output
 */
function maxPool({ kernel_size = 1, stride = 1 }, input, output) {
  const [channels, height, width] = input.shape;
  const [, rows, columns] = output.shape;
  const x = input.data;
  let to = 0;
  for (let c = 0; c < channels; c++) {
    for (let row = 0; row < rows; row++) {
      const bottom = Math.min(height, row * stride + kernel_size);
      for (let column = 0; column < columns; column++) {
        const right = Math.min(width, column * stride + kernel_size);
        let largest = -Infinity;
        for (let r = row * stride; r < bottom; r++) {
          const line = (c * height + r) * width;
          for (let q = column * stride; q < right; q++) if (x[line + q] > largest) largest = x[line + q];
        }
        output.data[to++] = largest;
      }
    }
  }
}

/**
 * As many cells as asked for, whatever the input's size; neighbouring cells may share rows.
 *
 * @param {Layer} _
 * @param {Values} input
 * @param {Values} output
 */
function averagePool(_, input, output) {
  const [channels, height, width] = input.shape;
  const [, rows, columns] = output.shape;
  const span = (/** @type {number} */ i, /** @type {number} */ cells, /** @type {number} */ side) => [
    Math.floor((i * side) / cells),
    Math.ceil(((i + 1) * side) / cells),
  ];
  let to = 0;
  for (let c = 0; c < channels; c++) {
    for (let row = 0; row < rows; row++) {
      const [top, bottom] = span(row, rows, height);
      for (let column = 0; column < columns; column++) {
        const [left, right] = span(column, columns, width);
        let sum = 0;
        for (let r = top; r < bottom; r++) {
          for (let q = left; q < right; q++) sum += input.data[(c * height + r) * width + q];
        }
        output.data[to++] = sum / ((bottom - top) * (right - left));
      }
    }
  }
}
