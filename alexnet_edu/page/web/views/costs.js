// @ts-check
import { address } from "../host.js";
import { millions, percent, whole } from "../plan.js";
import { showThereIsMore } from "./swipe.js";
/** @import { Description, Other } from "../engine/types.d.ts" */

/** What each layer costs, weights to keep and multiplications to make, in this network and in the others in use. */
export class Costs {
  /**
   * @param {HTMLElement} root
   * @param {Description} told
   * @param {(layer: string) => string} link to a layer of this network
   */
  constructor(root, told, link) {
    this.told = told;
    this.link = link;
    this.summary = /** @type {HTMLElement} */ (root.querySelector(".summary"));
    this.drawing = /** @type {HTMLElement} */ (root.querySelector(".drawing"));
    this.image = /** @type {HTMLImageElement} */ (root.querySelector("img"));
    showThereIsMore(this.drawing, /** @type {HTMLElement} */ (root.querySelector(".swipe")));
    this.body = /** @type {HTMLElement} */ (root.querySelector("tbody"));
    const menu = /** @type {HTMLSelectElement} */ (root.querySelector("select"));
    menu.append(new Option("nothing: the network of this page", ""), ...told.others.map(({ name, title }) => new Option(title, name)));
    menu.addEventListener("change", () => this.#show(told.others.find(({ name }) => name === menu.value)));
    this.#show(undefined);
  }

  /** @param {Other | undefined} other */
  async #show(other) {
    const layers = (other ?? this.told).layers.filter(({ parameters }) => parameters);
    const [weights, macs] = [sum(layers, "parameters"), sum(layers, "macs")];
    this.summary.textContent = sentence(layers, weights, macs) + (other?.notes ? ` ${other.notes}` : "") + (other ? ` Source: ${other.source}.` : "");
    this.body.replaceChildren(
      ...layers.map((layer) => {
        const row = document.createElement("tr");
        row.append(this.#head(layer.name, !other), cell(layer.parameters, weights, "weights"), cell(layer.macs, macs, "work"));
        return row;
      }),
    );
    this.drawing.hidden = !other;
    if (!other) return;
    this.image.alt = `${other.title}, drawn to scale`;
    this.image.src = await address(other.file, "image/svg+xml");
  }

  /**
   * @param {string} name
   * @param {boolean} own
   */
  #head(name, own) {
    const head = Object.assign(document.createElement("th"), { scope: "row" });
    head.append(own ? Object.assign(document.createElement("a"), { textContent: name, href: this.link(name) }) : name);
    return head;
  }
}

/**
 * @param {{ name: string, parameters: number, macs: number }[]} layers
 * @param {number} weights
 * @param {number} macs
 */
function sentence(layers, weights, macs) {
  const most = (/** @type {"parameters" | "macs"} */ what) => layers.reduce((a, b) => (b[what] > a[what] ? b : a));
  const [heavy, busy] = [most("parameters"), most("macs")];
  return (
    `For one photo it multiplies and adds ${millions(macs)} times (multiply-accumulates, MACs), with ${millions(weights)} weights. ` +
    `Most weights are in ${heavy.name} (${percent(heavy.parameters / weights)}), most work is in ${busy.name} (${percent(busy.macs / macs)}): ` +
    "filters are few numbers used at many places, fully connected layers many numbers used once."
  );
}

/**
 * @param {{ parameters: number, macs: number }[]} layers
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
