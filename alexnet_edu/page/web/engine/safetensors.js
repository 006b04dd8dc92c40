// @ts-check
/** @import { Tensor } from "./types.d.ts" */

/**
 * Reads a safetensors file: eight bytes with the length of a JSON header, the header, the numbers.
 *
 * @param {ArrayBuffer} file
 * @returns {Map<string, Tensor>} 32-bit floats by name
 */
export function readSafetensors(file) {
  const length = file.byteLength > 8 ? Number(new DataView(file).getBigUint64(0, true)) : 0;
  if (!length || 8 + length > file.byteLength) throw new Error("The file of weights is damaged or cut short.");
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, length)));
  const tensors = new Map();
  delete header.__metadata__;
  for (const [name, { dtype, shape, data_offsets: [start, end] }] of Object.entries(header)) {
    tensors.set(name, { shape, data: toFloats(file.slice(8 + length + start, 8 + length + end), dtype) });
  }
  return tensors;
}

/**
 * @param {ArrayBuffer} bytes
 * @param {string} dtype
 * @returns {Float32Array}
 */
function toFloats(bytes, dtype) {
  if (dtype === "F32") return new Float32Array(bytes);
  if (dtype === "F16") return widened(new Uint16Array(bytes));
  throw new Error(`Weights of type ${dtype} cannot be read; store them as F16 or F32.`);
}

/**
 * @param {Uint16Array} halves
 * @returns {Float32Array}
 */
function widened(halves) {
  const floats = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) floats[i] = HALVES[halves[i]];
  return floats;
}

/** Every half-precision number: 65,536 look-ups cost less than computing each of millions of weights. */
const HALVES = Float32Array.from({ length: 65536 }, (_, bits) => {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
});
