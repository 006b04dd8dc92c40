// @ts-check
/** @import { Rgb } from "./engine/types.d.ts" */

/**
 * A colour scale as 32-bit pixels, from hexadecimal RGB.
 *
 * @param {string} hex
 * @returns {Uint32Array}
 */
export function scale(hex) {
  return Uint32Array.from({ length: hex.length / 6 }, (_, i) => {
    const [red, green, blue] = [0, 2, 4].map((at) => parseInt(hex.slice(6 * i + at, 6 * i + at + 2), 16));
    return 0xff000000 | (blue << 16) | (green << 8) | red;
  });
}

/**
 * The range that a picture of values shows: zero to nearly the largest, or as far below zero as above. The few values
 * beyond get the last colour, or else one loud place would leave all others in the dark.
 *
 * @param {Float32Array} data
 * @param {number} [share] of the values that lie within
 * @returns {{ low: number, high: number, signed: boolean, most: number }}
 */
export function range(data, share = 1) {
  let low = 0;
  let most = 0;
  for (const value of data) {
    if (value < low) low = value;
    if (value > most) most = value;
  }
  const reach = Math.max(-low, most) || 1;
  const high = share < 1 ? quantile(data, reach, share) : reach;
  return { low: low < 0 ? -high : 0, high, signed: low < 0, most: reach };
}

const STEPS = 512;

/**
 * The magnitude that a share of the values other than zero does not exceed.
 *
 * @param {Float32Array} data
 * @param {number} reach their largest magnitude
 * @param {number} share
 */
function quantile(data, reach, share) {
  const counts = new Uint32Array(STEPS + 1);
  let all = 0;
  for (const value of data) {
    if (!value) continue;
    counts[Math.floor((Math.abs(value) / reach) * STEPS)]++;
    all++;
  }
  let step = 0;
  for (let sum = counts[0]; sum < share * all; sum += counts[step]) step++;
  return ((step + 1) / STEPS) * reach;
}

/**
 * Values as a picture, one pixel each.
 *
 * @param {Float32Array} data
 * @param {number} width
 * @param {Uint32Array} colours
 * @param {{ low: number, high: number }} range
 * @returns {ImageData}
 */
export function painted(data, width, colours, { low, high }) {
  const image = new ImageData(width, data.length / width);
  const pixels = new Uint32Array(image.data.buffer);
  const last = colours.length - 1;
  const factor = last / (high - low);
  for (let i = 0; i < data.length; i++) {
    pixels[i] = colours[Math.max(0, Math.min(last, Math.round((data[i] - low) * factor)))];
  }
  return image;
}

/**
 * @param {Rgb} picture
 * @returns {ImageData}
 */
export function opaque({ width, height, data }) {
  const image = new ImageData(width, height);
  for (let i = 0, from = 0; i < image.data.length; i += 4, from += 3) {
    image.data[i] = data[from];
    image.data[i + 1] = data[from + 1];
    image.data[i + 2] = data[from + 2];
    image.data[i + 3] = 255;
  }
  return image;
}

/**
 * A picture in dark greys, on which colours stand out.
 *
 * @param {Rgb} picture
 * @returns {ImageData}
 */
export function dimmed({ width, height, data }) {
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0, from = 0; i < pixels.length; i++, from += 3) {
    const grey = 20 + 0.55 * (0.3 * data[from] + 0.59 * data[from + 1] + 0.11 * data[from + 2]);
    pixels[i] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  return image;
}

/**
 * A filter as the picture that it likes best: zero is grey, its largest weight full colour.
 *
 * @param {Float32Array} weights `(3, side, side)`
 * @param {number} side
 * @param {boolean} backwards whether blue comes first
 * @returns {ImageData}
 */
export function filterPicture(weights, side, backwards) {
  const largest = weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 1e-9);
  const image = new ImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + (backwards ? 2 - c : c)] = 127.5 + (127.5 * weights[c * side * side + i]) / largest;
    image.data[4 * i + 3] = 255;
  }
  return image;
}

/**
 * A canvas that holds a picture, for drawing it at other sizes.
 *
 * @param {ImageData} image
 */
export function onCanvas(image) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d")).putImageData(image, 0, 0);
  return canvas;
}

/**
 * Makes a canvas as sharp as the screen, with one unit a CSS pixel.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 * @returns {CanvasRenderingContext2D}
 */
export function sharp(canvas, width, height) {
  const density = window.devicePixelRatio || 1;
  const [across, down] = [Math.round(width * density), Math.round(height * density)];
  if (canvas.width !== across || canvas.height !== down) {
    canvas.width = across;
    canvas.height = down;
  }
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.setTransform(density, 0, 0, density, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.imageSmoothingEnabled = false;
  return pen;
}
