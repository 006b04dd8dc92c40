// @ts-check
// From the file of a picture to what the network takes, byte for byte as alexnet_edu does it with Pillow.
/** @import { Change, Description, Preprocess, Rgb } from "./types.d.ts" */

const PRECISION = 22; // bits of a weight in Pillow's 8-bit resizing
const STRIP = 1 << 20; // pixels of a large picture that are looked at at a time
const GREY = [124, 116, 104]; // ImageNet's mean colour: what the network has no opinion about

/** Something about a picture that its owner should know; the message is one sentence for them. */
export class PictureError extends Error {}

/**
 * The picture in a file, upright, its shorter side `resize` pixels long: what `Preprocess.resized` gives.
 *
 * Transparent parts become white, and colours stay the numbers that are in the file: a colour profile changes nothing.
 *
 * @param {Blob} file
 * @param {Preprocess} preprocess
 * @param {Description["limits"]} limits
 * @returns {Promise<Rgb>}
 */
export async function open(file, { resize }, limits) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw new PictureError("This file is not a picture that your browser can read; try a JPEG or PNG file.");
  }
  try {
    return shrink(bitmap, resize, limits);
  } finally {
    bitmap.close();
  }
}

/**
 * @param {ImageBitmap} bitmap
 * @param {number} resize
 * @param {Description["limits"]} limits
 * @returns {Rgb}
 */
export function shrink(bitmap, resize, limits) {
  const { width, height } = bitmap;
  const short = Math.min(width, height);
  const [across, down] = [width, height].map((side) => Math.floor((resize * side) / short));
  if (Math.max(width, height) > limits.longest * short || across * down > limits.pixels) {
    throw new PictureError(`A picture of ${width} × ${height} pixels is too narrow; crop it first.`);
  }
  const rows = stripes(bitmap, across);
  return { width: across, height: down, data: vertically({ width: across, height, data: rows }, down) };
}

/**
 * A bitmap made narrower, a strip at a time: the pixels of a large photo are never in memory all at once.
 *
 * @param {ImageBitmap} bitmap
 * @param {number} across
 * @returns {Uint8Array} RGB, `across` pixels a row
 */
function stripes(bitmap, across) {
  const { width, height } = bitmap;
  const strip = Math.max(1, Math.min(height, Math.floor(STRIP / width)));
  const canvas = new OffscreenCanvas(width, strip).getContext("2d", { willReadFrequently: true });
  if (!canvas) throw new PictureError("The picture is too large for your browser; make it smaller first.");
  canvas.fillStyle = "white";
  const out = new Uint8Array(across * height * 3);
  for (let top = 0; top < height; top += strip) {
    const rows = Math.min(strip, height - top);
    canvas.fillRect(0, 0, width, rows);
    canvas.drawImage(bitmap, 0, top, width, rows, 0, 0, width, rows);
    const { data } = canvas.getImageData(0, 0, width, rows);
    out.set(horizontally({ width, height: rows, data, step: 4 }, across), top * across * 3);
  }
  return out;
}

/**
 * Where each output pixel looks and with which weights: a triangle as wide as the step from pixel to pixel, as in
 * Pillow's `BILINEAR`, which unlike a canvas averages over everything it leaves out.
 *
 * @param {number} from input pixels
 * @param {number} to output pixels
 * @param {[number, number]} [box] the part of the input that is used, all by default
 */
export function triangle(from, to, [first, last] = [0, from]) {
  const scale = (last - first) / to;
  const reach = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = first + (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(from, Math.trunc(centre + reach + 0.5));
    const heights = Array.from({ length: end - start }, (_, j) =>
      Math.max(0, 1 - Math.abs((start + j - centre + 0.5) / reach)),
    );
    const sum = heights.reduce((total, height) => total + height, 0);
    const weights = Int32Array.from(heights, (height) => Math.trunc(0.5 + (height / sum) * 2 ** PRECISION));
    return { start, weights };
  });
}

/** @param {number} sum */
const byte = (sum) => Math.min(255, Math.max(0, (sum + (1 << (PRECISION - 1))) >> PRECISION));

/**
 * @param {Rgb & { step?: number }} picture `step`: bytes from pixel to pixel, 3 by default
 * @param {number} width
 * @param {[number, number]} [box]
 * @returns {Uint8Array} RGB
 */
function horizontally({ width: from, height, data, step = 3 }, width, box) {
  const looks = triangle(from, width, box);
  const out = new Uint8Array(width * height * 3);
  let to = 0;
  for (let row = 0; row < height; row++) {
    for (const { start, weights } of looks) {
      let red = 0, green = 0, blue = 0;
      for (let i = 0, at = (row * from + start) * step; i < weights.length; i++, at += step) {
        const weight = weights[i];
        red += data[at] * weight;
        green += data[at + 1] * weight;
        blue += data[at + 2] * weight;
      }
      out[to++] = byte(red);
      out[to++] = byte(green);
      out[to++] = byte(blue);
    }
  }
  return out;
}

/**
 * @param {Rgb} picture
 * @param {number} height
 * @param {[number, number]} [box]
 * @returns {Uint8Array} RGB
 */
function vertically({ width, height: from, data }, height, box) {
  const line = width * 3;
  const out = new Uint8Array(line * height);
  const sums = new Int32Array(line);
  triangle(from, height, box).forEach(({ start, weights }, row) => {
    sums.fill(0);
    weights.forEach((weight, i) => {
      for (let x = 0, at = (start + i) * line; x < line; x++, at++) sums[x] += data[at] * weight;
    });
    for (let x = 0; x < line; x++) out[row * line + x] = byte(sums[x]);
  });
  return out;
}

/**
 * Pillow's `resize(..., BILINEAR, box)` to a square.
 *
 * @param {Rgb} picture
 * @param {number} side
 * @param {[number, number]} box the same for rows and columns
 * @returns {Rgb}
 */
function resized(picture, side, box) {
  const rows = horizontally(picture, side, box);
  return { width: side, height: side, data: vertically({ width: side, height: picture.height, data: rows }, side, box) };
}

/**
 * Python's rounding: a half goes to the even neighbour. `Math.round` would shift some crops by a pixel.
 *
 * @param {number} value
 */
export function round(value) {
  const down = Math.floor(value);
  const half = value - down === 0.5;
  return half ? down + (down % 2) : Math.round(value);
}

/**
 * The central square that the network sees.
 *
 * @param {Rgb} picture
 * @param {number} size
 * @returns {Rgb}
 */
export function crop({ width, height, data }, size) {
  const [left, top] = [round((width - size) / 2), round((height - size) / 2)];
  const out = new Uint8Array(size * size * 3);
  for (let row = 0; row < size; row++) {
    const from = ((top + row) * width + left) * 3;
    out.set(data.subarray(from, from + size * 3), row * size * 3);
  }
  return { width: size, height: size, data: out };
}

/**
 * `(3, S, S)`: scaled to 0..1 and normalised channel by channel, each step rounded to 32 bits as PyTorch rounds it.
 *
 * @param {Rgb} picture
 * @param {Preprocess} preprocess
 * @returns {Float32Array}
 */
export function normalise({ width, height, data }, { mean, std, channels }) {
  const places = width * height;
  const out = new Float32Array(3 * places);
  const { fround } = Math;
  for (let channel = 0; channel < 3; channel++) {
    const from = channels === "BGR" ? 2 - channel : channel;
    const [middle, spread] = [fround(mean[channel]), fround(std[channel])];
    const values = Float32Array.from({ length: 256 }, (_, level) => fround(fround(level / 255) - middle) / spread);
    for (let i = 0; i < places; i++) out[channel * places + i] = values[data[3 * i + from]];
  }
  return out;
}

/** @type {Change} */
export const UNCHANGED = { zoom: 1, turn: 0, brightness: 1, noise: 0, patch: null };

/**
 * The crop after what the reader does to it, of the same size.
 *
 * @param {Rgb} picture
 * @param {Change} change
 * @returns {Rgb}
 */
export function changed(picture, { zoom, turn, brightness, noise, patch }) {
  const side = picture.width;
  if (turn) picture = turned(picture, (turn * Math.PI) / 180);
  if (zoom !== 1) {
    const margin = (side * (1 - 1 / zoom)) / 2;
    picture = resized(picture, side, [margin, side - margin]);
  }
  const data = new Uint8ClampedArray(picture.data);
  if (brightness !== 1) for (let i = 0; i < data.length; i++) data[i] = picture.data[i] * brightness;
  if (noise) for (let i = 0, grain = grains(data.length); i < data.length; i++) data[i] += grain[i] * noise * 255;
  if (patch) cover(data, side, patch);
  return { width: side, height: side, data };
}

/**
 * Turned about its middle, grey where nothing is, between four pixels each.
 *
 * @param {Rgb} picture
 * @param {number} angle
 * @returns {Rgb}
 */
function turned({ width: side, data }, angle) {
  const out = new Uint8ClampedArray(data.length);
  const [sine, cosine, middle] = [Math.sin(angle), Math.cos(angle), (side - 1) / 2];
  for (let row = 0, to = 0; row < side; row++) {
    for (let column = 0; column < side; column++, to += 3) {
      const x = (column - middle) * cosine - (row - middle) * sine + middle;
      const y = (column - middle) * sine + (row - middle) * cosine + middle;
      const [left, top] = [Math.floor(x), Math.floor(y)];
      if (left < 0 || top < 0 || left + 1 >= side || top + 1 >= side) {
        out.set(GREY, to);
        continue;
      }
      const at = (top * side + left) * 3;
      for (let c = 0; c < 3; c++) {
        const above = data[at + c] * (left + 1 - x) + data[at + 3 + c] * (x - left);
        const below = data[at + side * 3 + c] * (left + 1 - x) + data[at + side * 3 + 3 + c] * (x - left);
        out[to + c] = above * (top + 1 - y) + below * (y - top);
      }
    }
  }
  return { width: side, height: side, data: out };
}

/** @type {Float32Array} */
let grain = new Float32Array();

/**
 * Always the same normal noise, so that the same setting gives the same answer.
 *
 * @param {number} count
 */
function grains(count) {
  if (grain.length !== count) {
    let state = 1;
    const uniform = () => (state = (state * 48271) % 2147483647) / 2147483647; // Park and Miller's generator
    grain = Float32Array.from({ length: count }, () =>
      Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
    );
  }
  return grain;
}

/**
 * @param {Uint8ClampedArray} data
 * @param {number} width
 * @param {NonNullable<Change["patch"]>} patch
 */
function cover(data, width, { side, x, y }) {
  const [left, top] = [x, y].map((centre) => Math.round(centre - side / 2));
  for (let row = Math.max(0, top); row < Math.min(width, top + side); row++) {
    for (let column = Math.max(0, left); column < Math.min(width, left + side); column++) {
      data.set(GREY, (row * width + column) * 3);
    }
  }
}
