// @ts-check
import { onCanvas, opaque, sharp } from "../colour.js";
import { channelName, fieldOf, short } from "../plan.js";
import { COARSE, LENS } from "./closeup.js";
/** @import { State, Survey } from "../engine/types.d.ts" */
/** @import { Shown } from "./layer.js" */

const COUNT = 6;

/** The places in all pictures where the chosen channel is strongest, each a way to its picture. */
export class Exciting {
  /**
   * @param {HTMLElement} root
   * @param {(state: Partial<State>) => void} go
   */
  constructor(root, go) {
    this.title = /** @type {HTMLElement} */ (root.querySelector("h3"));
    this.list = /** @type {HTMLElement} */ (root.querySelector("div"));
    this.go = go;
    this.drawn = "";
    /** @type {Map<string, Survey>} by photo */
    this.surveys = new Map();
  }

  /** @param {Shown} shown */
  draw({ told, layer, state: { channel } }) {
    this.title.textContent = `What excites ${channelName(told, layer, channel)} most`;
    const found = [...this.surveys]
      .map(([photo, { seen, peaks: { [layer.name]: peak } }]) => ({ photo, seen, value: peak.value[channel], place: peak.place[channel] }))
      .filter(({ value }) => value > 0)
      .sort((a, b) => b.value - a.value)
      .slice(0, COUNT);
    const key = `${layer.name} ${channel} ${found.map(({ photo }) => photo)}`;
    if (key === this.drawn) return;
    this.drawn = key;
    const width = layer.output[2] ?? 1;
    this.list.replaceChildren(
      ...found.map(({ photo, seen, value, place }) => {
        /** @type {[number, number]} */
        const unit = [Math.floor(place / width), place % width];
        const button = picture(seen, fieldOf(layer, ...unit, told.preprocess.size), told.pictures.find(({ name }) => name === photo)?.title ?? photo, value);
        button.addEventListener("click", () => this.go({ photo, unit: layer.field ? unit : null }));
        return button;
      }),
    );
  }
}

/**
 * @param {Survey["seen"]} seen
 * @param {{ left: number, top: number, right: number, bottom: number }} field
 * @param {string} name
 * @param {number} value
 */
function picture(seen, { left, top, right, bottom }, name, value) {
  const button = Object.assign(document.createElement("button"), { type: "button" });
  const canvas = document.createElement("canvas");
  const pen = sharp(canvas, LENS, LENS);
  pen.imageSmoothingEnabled = right - left > COARSE;
  pen.drawImage(onCanvas(opaque(seen)), left, top, right - left, bottom - top, 0, 0, LENS, LENS);
  button.append(canvas, Object.assign(document.createElement("span"), { textContent: name }));
  button.setAttribute("aria-label", `${name}, value ${short(value)}: show it`);
  return button;
}
