// @ts-check
/** @import { Kernel } from "./types.d.ts" */

const PAGE = 65536; // bytes in a page of WebAssembly's memory

/**
 * The products in WebAssembly, or in plain JavaScript where the browser lacks it (about a fifth of the speed).
 *
 * @param {number} bytes how much memory the network needs
 * @param {BufferSource | null} code what is in kernel.wasm; null: JavaScript
 * @returns {Promise<Kernel>}
 */
export async function makeKernel(bytes, code) {
  if (code) {
    try {
      return await compiled(bytes, code);
    } catch {
      // no WebAssembly, none with SIMD, or switched off: the same sums, slower
    }
  }
  return interpreted(new Float32Array(Math.ceil(bytes / 4)));
}

/**
 * @param {number} bytes
 * @param {BufferSource} code
 * @returns {Promise<Kernel>}
 */
async function compiled(bytes, code) {
  const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE) });
  const { instance } = await WebAssembly.instantiate(code, { engine: { memory } });
  const { places, vector } = /** @type {any} */ (instance.exports);
  return { name: "WebAssembly", memory: new Float32Array(memory.buffer), places, vector };
}

/**
 * kernel.wat in JavaScript.
 *
 * @param {Float32Array} memory
 * @returns {Kernel}
 */
function interpreted(memory) {
  return {
    name: "JavaScript",
    memory,
    places(weights, bias, columns, out, depth, blocks, stride) {
      const rows = stride / 4;
      for (let block = 0; block < blocks; block++) {
        const w = weights / 4 + block * depth * 4;
        const to = out / 4 + block * 4 * rows;
        for (let half = 0; half < 8; half += 4) {
          product(memory, w, bias / 4 + block * 4, columns / 4 + half, to + half, depth, rows);
        }
      }
    },
    vector(weights, bias, input, out, depth, blocks) {
      for (let block = 0; block < blocks; block++) {
        let [a, b, c, d] = memory.subarray(bias / 4 + block * 4, bias / 4 + block * 4 + 4);
        let w = weights / 4 + block * depth * 4;
        for (let i = 0; i < depth; i++, w += 4) {
          const value = memory[input / 4 + i];
          a += memory[w] * value;
          b += memory[w + 1] * value;
          c += memory[w + 2] * value;
          d += memory[w + 3] * value;
        }
        memory.set([a, b, c, d], out / 4 + block * 4);
      }
    },
  };
}

/**
 * Four outputs at four places: sixteen sums that stay in registers.
 *
 * @param {Float32Array} m
 * @param {number} w
 * @param {number} bias
 * @param {number} x
 * @param {number} out
 * @param {number} depth
 * @param {number} rows
 */
function product(m, w, bias, x, out, depth, rows) {
  let a0 = m[bias], b0 = m[bias + 1], c0 = m[bias + 2], d0 = m[bias + 3];
  let a1 = a0, a2 = a0, a3 = a0, b1 = b0, b2 = b0, b3 = b0;
  let c1 = c0, c2 = c0, c3 = c0, d1 = d0, d2 = d0, d3 = d0;
  for (let i = 0; i < depth; i++, w += 4, x += 8) {
    const p = m[x], q = m[x + 1], r = m[x + 2], s = m[x + 3];
    const a = m[w], b = m[w + 1], c = m[w + 2], d = m[w + 3];
    a0 += a * p; a1 += a * q; a2 += a * r; a3 += a * s;
    b0 += b * p; b1 += b * q; b2 += b * r; b3 += b * s;
    c0 += c * p; c1 += c * q; c2 += c * r; c3 += c * s;
    d0 += d * p; d1 += d * q; d2 += d * r; d3 += d * s;
  }
  m[out] = a0; m[out + 1] = a1; m[out + 2] = a2; m[out + 3] = a3;
  m[out += rows] = b0; m[out + 1] = b1; m[out + 2] = b2; m[out + 3] = b3;
  m[out += rows] = c0; m[out + 1] = c1; m[out + 2] = c2; m[out + 3] = c3;
  m[out += rows] = d0; m[out + 1] = d1; m[out + 2] = d2; m[out + 3] = d3;
}
