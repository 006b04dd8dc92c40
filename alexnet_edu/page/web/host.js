// @ts-check
// Where the page's files are: beside it on a server, or inside it when it is a single file.

/** @param {string} path */
const inside = (path) => document.querySelector(`script[data-file="${CSS.escape(path)}"]`);

/** Whether the page is one file that carries everything. */
export const isSingle = () => inside("network.json") !== null;

/**
 * A file's bytes.
 *
 * @param {string} path
 * @param {(share: number) => void} [onProgress] told how much has arrived, 0 to 1
 * @returns {Promise<ArrayBuffer>}
 */
export async function load(path, onProgress = () => {}) {
  const element = inside(path);
  if (element) return unpacked(element);
  const response = await fetch(path);
  if (!response.ok || !response.body) throw new Error(`${path} did not arrive (${response.status})`);
  const total = Number(response.headers.get("Content-Length"));
  if (!total) return response.arrayBuffer();
  const bytes = new Uint8Array(total);
  const reader = response.body.getReader();
  let at = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (at + part.value.length > total) return (await fetch(path)).arrayBuffer(); // sent compressed: the length is another
    bytes.set(part.value, at);
    onProgress((at += part.value.length) / total);
  }
  return bytes.buffer.slice(0, at);
}

/**
 * An address under which the browser finds a file.
 *
 * @param {string} path
 * @param {string} type
 * @returns {Promise<string>}
 */
export async function address(path, type) {
  return inside(path) ? URL.createObjectURL(new Blob([await load(path)], { type })) : path;
}

/**
 * What a single file holds as text: base64, of compressed bytes where that saves something.
 *
 * @param {Element} element
 * @returns {Promise<ArrayBuffer>}
 */
async function unpacked(element) {
  const bytes = fromBase64(element.textContent ?? "");
  if (!element.hasAttribute("data-gzip")) return bytes.buffer;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/**
 * @param {string} text
 * @returns {Uint8Array<ArrayBuffer>}
 */
function fromBase64(text) {
  const fast = /** @type {any} */ (Uint8Array).fromBase64; // since 2025
  if (fast) return fast.call(Uint8Array, text);
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}
