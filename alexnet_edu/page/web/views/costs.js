// @ts-check
import { millions, percent, whole } from "../plan.js";
/** @import { Description } from "../engine/types.d.ts" */

/**
 * What each layer costs: weights to keep and multiplications to make, as two bars a layer.
 *
 * @param {HTMLElement} root
 * @param {Description} told
 * @param {(layer: string) => string} link
 */
export function showCosts(root, { layers }, link) {
  const own = layers.filter(({ parameters }) => parameters);
  const [weights, macs] = [sum(own, "parameters"), sum(own, "macs")];
  const most = (/** @type {"parameters" | "macs"} */ what) => own.reduce((a, b) => (b[what] > a[what] ? b : a));
  const [heavy, busy] = [most("parameters"), most("macs")];
  /** @type {HTMLElement} */ (root.querySelector("p")).textContent =
    `For one photo the network multiplies and adds ${millions(macs)} times, with ${millions(weights)} weights. ` +
    `Most weights are in ${heavy.name} (${percent(heavy.parameters / weights)}), most work is in ${busy.name} (${percent(busy.macs / macs)}): ` +
    "filters are few numbers used at many places, fully connected layers many numbers used once.";
  const body = /** @type {HTMLElement} */ (root.querySelector("tbody"));
  for (const layer of own) {
    const row = document.createElement("tr");
    const head = Object.assign(document.createElement("th"), { scope: "row" });
    const anchor = Object.assign(document.createElement("a"), { textContent: layer.name });
    anchor.href = link(layer.name);
    head.append(anchor);
    row.append(head, cell(layer.parameters, weights, "weights"), cell(layer.macs, macs, "work"));
    body.append(row);
  }
}

/**
 * @param {import("../engine/types.d.ts").Layer[]} layers
 * @param {"parameters" | "macs"} what
 */
const sum = (layers, what) => layers.reduce((total, layer) => total + layer[what], 0);

/**
 * @param {number} value
 * @param {number} all
 * @param {string} kind
 */
function cell(value, all, kind) {
  const data = document.createElement("td");
  const bar = Object.assign(document.createElement("span"), { className: `cost ${kind}` });
  bar.style.width = `${(100 * value) / all}%`;
  data.append(bar, Object.assign(document.createElement("span"), { textContent: `${whole(value)} · ${percent(value / all)}` }));
  return data;
}
