// @ts-check
/** @import { State } from "./engine/types.d.ts" */

/**
 * The part of an address after #, which brings a state back.
 *
 * @param {Partial<State>} state without a channel the page chooses the one that finds most
 */
export function toHash({ photo = "", layer = "", channel, unit }) {
  const parts = new URLSearchParams({ photo, layer });
  if (channel !== undefined) parts.set("channel", String(channel));
  if (unit) parts.set("unit", unit.join("."));
  return `#${parts}`;
}

/**
 * What a link says; whatever is missing or impossible is left out.
 *
 * @param {string} hash
 * @param {import("./engine/types.d.ts").Description} told
 * @returns {Partial<State>}
 */
export function fromHash(hash, told) {
  const parts = new URLSearchParams(hash.slice(1));
  /** @type {Partial<State>} */
  const state = {};
  const photo = parts.get("photo");
  if (told.pictures.some(({ name }) => name === photo)) state.photo = /** @type {string} */ (photo);
  const layer = told.layers.find(({ name, kind }) => name === parts.get("layer") && kind !== "Flatten");
  if (!layer) return state;
  state.layer = layer.name;
  const channel = Number(parts.get("channel") ?? NaN);
  if (Number.isInteger(channel) && channel >= 0 && channel < layer.output[0]) state.channel = channel;
  const unit = (parts.get("unit") ?? "").split(".").map(Number);
  const [, height = 0, width = 0] = layer.output;
  if (unit.length === 2 && unit.every(Number.isInteger) && unit[0] >= 0 && unit[0] < height && unit[1] >= 0 && unit[1] < width) {
    state.unit = [unit[0], unit[1]];
  }
  return state;
}
