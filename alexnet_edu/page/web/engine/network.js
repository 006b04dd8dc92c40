// @ts-check
import { makeKernel } from "./kernel.js";
import { SIMPLE } from "./layers.js";
/** @import { Input, Kernel, Layer, Shape, Tensor, Values } from "./types.d.ts" */

const LANES = 8; // places of a convolution that the kernel works on at once
const BLOCK = 4; // outputs likewise

/** @param {number} value @param {number} unit */
const upTo = (value, unit) => Math.ceil(value / unit) * unit;
/** @param {Shape} shape */
const count = (shape) => shape.reduce((product, side) => product * side, 1);

/** A layer with weights, as the kernel takes it. Numbers are places in the kernel's memory, in floats. */
class Product {
  /** @param {Layer} layer */
  constructor(layer) {
    this.layer = layer;
    this.groups = layer.groups ?? 1;
    this.side = layer.kernel_size ?? 1;
    this.outputs = layer.output[0] / this.groups; // of one group
    this.depth = layer.kind === "Conv" ? (layer.input[0] / this.groups) * this.side ** 2 : count(layer.input);
    this.blocks = Math.ceil(this.outputs / BLOCK);
    this.weights = this.bias = 0;
  }

  /** Floats that the packed weights take. */
  get size() {
    return this.groups * this.blocks * BLOCK * (this.depth + 1);
  }

  /** Floats of the input with a border of zeros, of the eight columns, and of the result. */
  get scratch() {
    if (this.layer.kind !== "Conv") return count(this.layer.input) + this.blocks * BLOCK + 2 * LANES;
    const [rows, columns] = this.padded;
    const places = upTo(count(this.layer.output.slice(1)), LANES);
    return upTo(this.layer.input[0] * rows * columns, LANES) + this.depth * LANES + this.blocks * BLOCK * places;
  }

  /** Rows and columns of the input with its border; rounded-up sizes look at zeros beyond the right and the bottom. */
  get padded() {
    const { input, output, stride = 1, padding = 0 } = this.layer;
    return [1, 2].map((axis) => Math.max(input[axis] + 2 * padding, (output[axis] - 1) * stride + this.side));
  }

  /**
   * Writes the weights where the kernel wants them: blocks of four outputs, input by input.
   *
   * @param {Float32Array} memory
   * @param {number} at
   * @param {Tensor} weight
   * @param {Tensor} bias
   */
  pack(memory, at, weight, bias) {
    if (weight.data.length !== this.groups * this.outputs * this.depth) {
      throw new Error(`The weights of ${this.layer.name} have another shape than the network's.`);
    }
    this.weights = at;
    this.bias = at + this.groups * this.blocks * BLOCK * this.depth;
    for (let group = 0; group < this.groups; group++) {
      for (let output = 0; output < this.outputs; output++) {
        const from = (group * this.outputs + output) * this.depth;
        const block = group * this.blocks + Math.floor(output / BLOCK);
        let to = at + block * BLOCK * this.depth + (output % BLOCK);
        for (let i = 0; i < this.depth; i++, to += BLOCK) memory[to] = weight.data[from + i];
        memory[this.bias + block * BLOCK + (output % BLOCK)] = bias.data[group * this.outputs + output];
      }
    }
  }

  /**
   * The weights of one output, as they were before `pack`.
   *
   * @param {Float32Array} memory
   * @param {number} output
   */
  unpack(memory, output) {
    const inGroup = output % this.outputs;
    const block = Math.floor(output / this.outputs) * this.blocks + Math.floor(inGroup / BLOCK);
    const start = this.weights + block * BLOCK * this.depth + (inGroup % BLOCK);
    return Float32Array.from({ length: this.depth }, (_, i) => memory[start + i * BLOCK]);
  }
}

/** A network that runs: `run` gives the values of every layer. */
export class Network {
  /**
   * @param {Layer[]} layers
   * @param {Map<string, Tensor>} tensors
   * @param {BufferSource | null} code kernel.wasm; null: plain JavaScript
   * @returns {Promise<Network>}
   */
  static async make(layers, tensors, code) {
    const products = new Map(
      layers.filter(({ kind }) => kind === "Conv" || kind === "Linear").map((layer) => [layer.name, new Product(layer)]),
    );
    const all = [...products.values()];
    const weights = all.reduce((sum, product) => sum + product.size, 0);
    const scratch = Math.max(...all.map((product) => product.scratch));
    const kernel = await makeKernel(4 * (weights + scratch), code);
    const first = tensor(tensors, `${all[0].layer.name}.weight`);
    let at = 0;
    for (const [name, product] of products) {
      product.pack(kernel.memory, at, tensor(tensors, `${name}.weight`), tensor(tensors, `${name}.bias`));
      at += product.size;
    }
    return new Network(layers, products, kernel, at, first);
  }

  /**
   * @param {Layer[]} layers
   * @param {Map<string, Product>} products
   * @param {Kernel} kernel
   * @param {number} scratch where the memory is free
   * @param {Tensor} filters of the first layer, `(channels, 3, side, side)`
   */
  constructor(layers, products, kernel, scratch, filters) {
    this.layers = layers;
    this.products = products;
    this.kernel = kernel;
    this.scratch = scratch;
    this.filters = filters;
  }

  /** Room for the values of every layer; `run` writes over it, so two pictures need two. */
  room() {
    return new Map(
      this.layers.map(({ name, output }) => [name, { shape: output, data: new Float32Array(count(output)) }]),
    );
  }

  /**
   * The channels of the layer before that a filter weighs most, by the sum of squares of their weights.
   *
   * @param {string} name of a convolution
   * @param {number} filter
   * @param {number} count
   * @returns {Input[]} the heaviest first
   */
  inputs(name, filter, count) {
    const product = /** @type {Product} */ (this.products.get(name));
    const { side, depth, outputs } = product;
    const weights = product.unpack(this.kernel.memory, filter);
    const first = (Math.floor(filter / outputs) * depth) / side ** 2;
    return Array.from({ length: depth / side ** 2 }, (_, i) => {
      const kernel = weights.slice(i * side ** 2, (i + 1) * side ** 2);
      return { channel: first + i, side, kernel, weight: kernel.reduce((sum, value) => sum + value * value, 0) };
    })
      .sort((a, b) => b.weight - a.weight)
      .slice(0, count);
  }

  /**
   * One picture through all layers.
   *
   * @param {Float32Array} input `(3, S, S)`, normalised
   * @param {Map<string, Values>} room from `room`
   * @returns {Map<string, Values>} `room`, filled
   */
  run(input, room) {
    let x = { shape: this.layers[0].input, data: input };
    for (const layer of this.layers) {
      const y = /** @type {Values} */ (room.get(layer.name));
      const product = this.products.get(layer.name);
      if (!product) SIMPLE[layer.kind](layer, x, y);
      else if (layer.kind === "Conv") this.#convolve(product, x, y);
      else this.#multiply(product, x, y);
      x = y;
    }
    return room;
  }

  /**
   * @param {Product} product
   * @param {Values} x
   * @param {Values} y
   */
  #multiply(product, x, y) {
    const { kernel, scratch } = this;
    const out = upTo(scratch + x.data.length, BLOCK);
    kernel.memory.set(x.data, scratch);
    kernel.vector(4 * product.weights, 4 * product.bias, 4 * scratch, 4 * out, product.depth, product.blocks);
    y.data.set(kernel.memory.subarray(out, out + y.data.length));
  }

  /**
   * Eight places at a time: their inputs are gathered side by side, and the kernel makes all outputs of them.
   *
   * @param {Product} product
   * @param {Values} x
   * @param {Values} y
   */
  #convolve(product, x, y) {
    const { groups, depth, blocks, outputs, layer: { stride = 1 } } = product;
    const [channels, , ] = x.shape;
    const [, rows, columns] = y.shape;
    const [, width] = product.padded;
    const { memory } = this.kernel;
    const places = rows * columns;
    const pitch = upTo(places, LANES);
    const panel = this.scratch + upTo(channels * product.padded[0] * width, LANES);
    const out = panel + depth * LANES;
    const start = Int32Array.from({ length: pitch }, (_, place) => {
      const inside = Math.min(place, places - 1);
      return (Math.floor(inside / columns) * width + (inside % columns)) * stride;
    });
    this.#border(product, x);
    for (let group = 0; group < groups; group++) {
      const offsets = this.#offsets(product, group, channels / groups);
      const weights = product.weights + group * blocks * BLOCK * depth;
      const bias = product.bias + group * blocks * BLOCK;
      for (let place = 0; place < places; place += LANES) {
        gather(memory, offsets, start.subarray(place, place + LANES), panel);
        this.kernel.places(4 * weights, 4 * bias, 4 * panel, 4 * (out + place), depth, blocks, 4 * pitch);
      }
      for (let row = 0; row < outputs; row++) {
        y.data.set(memory.subarray(out + row * pitch, out + row * pitch + places), (group * outputs + row) * places);
      }
    }
  }

  /**
   * The input in the kernel's memory, with zeros around it.
   *
   * @param {Product} product
   * @param {Values} x
   */
  #border(product, x) {
    const [channels, height, width] = x.shape;
    const [rows, columns] = product.padded;
    const pad = product.layer.padding ?? 0;
    const { memory } = this.kernel;
    memory.fill(0, this.scratch, this.scratch + channels * rows * columns);
    for (let line = 0; line < channels * height; line++) {
      const to = Math.floor(line / height) * rows + (line % height) + pad;
      memory.set(x.data.subarray(line * width, (line + 1) * width), this.scratch + to * columns + pad);
    }
  }

  /**
   * Where each input of a group's first place lies.
   *
   * @param {Product} product
   * @param {number} group
   * @param {number} channels of one group
   */
  #offsets({ padded: [rows, columns], side, depth }, group, channels) {
    return Int32Array.from({ length: depth }, (_, i) => {
      const channel = group * channels + Math.floor(i / side ** 2);
      const row = Math.floor((i % side ** 2) / side);
      return this.scratch + (channel * rows + row) * columns + (i % side);
    });
  }
}

/**
 * @param {Float32Array} memory
 * @param {Int32Array} offsets
 * @param {Int32Array} start
 * @param {number} to
 */
function gather(memory, offsets, start, to) {
  const [a, b, c, d, e, f, g, h] = start;
  for (let i = 0; i < offsets.length; i++, to += LANES) {
    const at = offsets[i];
    memory[to] = memory[at + a];
    memory[to + 1] = memory[at + b];
    memory[to + 2] = memory[at + c];
    memory[to + 3] = memory[at + d];
    memory[to + 4] = memory[at + e];
    memory[to + 5] = memory[at + f];
    memory[to + 6] = memory[at + g];
    memory[to + 7] = memory[at + h];
  }
}

/**
 * @param {Map<string, Tensor>} tensors
 * @param {string} name
 * @returns {Tensor}
 */
function tensor(tensors, name) {
  const found = tensors.get(name);
  if (!found) throw new Error(`The weights lack ${name}.`);
  return found;
}

/**
 * Class scores as probabilities.
 *
 * @param {Float32Array} scores
 * @returns {Float32Array}
 */
export function softmax(scores) {
  const largest = Math.max(...scores);
  const powers = Float64Array.from(scores, (score) => Math.exp(score - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return Float32Array.from(powers, (power) => power / sum);
}
