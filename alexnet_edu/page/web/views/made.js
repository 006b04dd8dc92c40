// @ts-check
import { onCanvas, painted, range, sharp } from "../colour.js";
import { channelName, mainStep, stagesOf } from "../plan.js";
/** @import { Description, Input, State } from "../engine/types.d.ts" */
/** @import { Shown } from "./layer.js" */

const SIDE = 56; // CSS pixels of a kernel

/** What a deeper filter is made of: the channels before it that it weighs most, each with its little kernel. */
export class Made {
  /**
   * @param {HTMLElement} root
   * @param {Description} told
   * @param {(layer: string, channel: number) => Promise<Input[]>} ask
   * @param {(state: Partial<State>) => void} go
   */
  constructor(root, told, ask, go) {
    this.root = root;
    this.title = /** @type {HTMLElement} */ (root.querySelector("h3"));
    this.list = /** @type {HTMLElement} */ (root.querySelector("div"));
    this.stages = stagesOf(told.layers);
    this.ask = ask;
    this.go = go;
    this.drawn = "";
  }

  /** @param {Shown} shown */
  async draw({ told, layer, state: { channel }, colours }) {
    const at = this.stages.findIndex(({ steps }) => steps.includes(layer));
    const { first } = this.stages[at];
    this.root.hidden = at === 0 || first.kind !== "Conv";
    const key = `${first.name} ${channel}`;
    if (this.root.hidden || key === this.drawn) return;
    this.drawn = key;
    const before = this.stages[at - 1];
    const inputs = await this.ask(first.name, channel);
    if (this.drawn !== key) return;
    this.title.textContent = `What ${channelName(told, layer, channel)} listens to in ${before.name}`;
    const scale = range(Float32Array.from(inputs.flatMap(({ kernel }) => [...kernel])));
    this.list.replaceChildren(
      ...inputs.map(({ channel: input, kernel, side }) => {
        const button = Object.assign(document.createElement("button"), { type: "button" });
        const canvas = document.createElement("canvas");
        const image = painted(kernel, side, colours.signed, { low: -scale.most, high: scale.most });
        sharp(canvas, SIDE, SIDE).drawImage(onCanvas(image), 0, 0, SIDE, SIDE);
        button.append(canvas, Object.assign(document.createElement("span"), { textContent: String(input) }));
        button.setAttribute("aria-label", `Channel ${input} of ${before.name}: go to it`);
        button.addEventListener("click", () => this.go({ layer: mainStep(before).name, channel: input, unit: null }));
        return button;
      }),
    );
  }
}
