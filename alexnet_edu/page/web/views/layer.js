// @ts-check
import { dimmed, onCanvas, opaque, range } from "../colour.js";
import { by, channelName, explain, kindOf, millions, percent, stagesOf, stepName, whole } from "../plan.js";
import { CloseUp, strongest, valuesOf } from "./closeup.js";
import { Exciting } from "./exciting.js";
import { Grid } from "./grid.js";
import { Made } from "./made.js";
/** @import { Answer, Description, Input, Layer, State, Tensor, Values } from "../engine/types.d.ts" */

const SHARE = 0.995; // of the values that the colour scale of all channels covers

/**
 * Everything that the parts of a layer's view draw from.
 *
 * @typedef {object} Shown
 * @property {Description} told
 * @property {{ unsigned: Uint32Array, signed: Uint32Array }} colours
 * @property {Layer} layer
 * @property {State} state
 * @property {Answer} answer
 * @property {Values} values of the layer
 * @property {ReturnType<typeof range>} range of the values
 * @property {Float32Array} channelValues of the chosen channel
 * @property {[number, number]} unit row and column: the reader's, or the strongest one
 * @property {OffscreenCanvas} photo what went into the network
 * @property {OffscreenCanvas} dim the same in dark greys
 */

/** One layer: what it is, all its channels, one of them over the photo, what excites it and what it is made of. */
export class LayerView {
  /**
   * @param {HTMLElement} root
   * @param {Description} told
   * @param {Shown["colours"]} colours
   * @param {Tensor} filters of the first layer
   * @param {{ go: (state: Partial<State>) => void, inputs: (layer: string, channel: number) => Promise<Input[]> }} actions
   */
  constructor(root, told, colours, filters, { go, inputs }) {
    const find = (/** @type {string} */ selector) => /** @type {any} */ (root.querySelector(selector));
    this.told = told;
    this.colours = colours;
    this.go = go;
    this.stages = stagesOf(told.layers);
    this.head = { title: find("h2"), kind: find(".kind"), all: find(".all h3"), facts: find(".facts"), explanation: find(".explanation"), steps: find(".steps") };
    this.slider = find(".channel input");
    this.number = find(".channel .value");
    this.atlas = find(".atlas");
    this.grid = new Grid(find(".all"), (channel) => go({ channel, unit: null }));
    this.closeUp = new CloseUp(find(".one"), told, filters, (unit) => go({ unit }));
    this.exciting = new Exciting(find(".exciting"), go);
    this.made = new Made(find(".made"), told, inputs, go);
    /** @type {Shown | undefined} */
    this.shown = undefined;
    this.slider.addEventListener("input", () => go({ channel: Number(this.slider.value), unit: null }));
    new ResizeObserver(() => this.shown && this.#draw(this.shown)).observe(root);
  }

  /**
   * @param {State} state
   * @param {Answer} answer
   * @param {Values} values of the state's layer
   */
  show(state, answer, values) {
    const { told, colours, shown: before } = this;
    const layer = /** @type {Layer} */ (told.layers.find(({ name }) => name === state.layer));
    const channelValues = valuesOf(values, state.channel);
    const [, height = 1, width = 1] = values.shape;
    const fits = state.unit && state.unit[0] < height && state.unit[1] < width;
    const unit = fits ? /** @type {[number, number]} */ (state.unit) : strongest(channelValues, width);
    const same = before?.answer === answer;
    const photo = same ? before.photo : onCanvas(opaque(answer.seen));
    const dim = same ? before.dim : onCanvas(dimmed(answer.seen));
    const scale = before?.values === values ? before.range : range(values.data, SHARE);
    this.shown = { told, colours, layer, state, answer, values, range: scale, channelValues, unit, photo, dim };
    if (before?.layer !== layer) this.#describe(layer);
    this.#draw(this.shown);
  }

  /** @param {Shown} shown */
  #draw(shown) {
    const named = channelName(this.told, shown.layer, shown.state.channel);
    this.slider.value = String(shown.state.channel);
    this.slider.setAttribute("aria-valuetext", named);
    this.number.textContent = named;
    this.#link(shown);
    this.grid.draw(shown);
    this.closeUp.draw(shown);
    this.exciting.draw(shown);
    this.made.draw(shown);
  }

  /** Where the site has pages about single units, a link to the chosen one's. @param {Shown} shown */
  #link({ told: { atlas }, layer, state: { channel } }) {
    const first = this.stages.find(({ steps }) => steps.includes(layer))?.first;
    this.atlas.hidden = !atlas || !first?.parameters;
    if (!this.atlas.hidden) this.atlas.firstElementChild.href = `${atlas}${first?.name}/${channel}.html`;
  }

  /** There is more to find what excites a channel in. */
  surveyed() {
    if (this.shown) this.exciting.draw(this.shown);
  }

  /**
   * What does not change with the photo.
   *
   * @param {Layer} layer
   */
  #describe(layer) {
    const { title, kind, all, facts, explanation, steps } = this.head;
    const stage = this.stages.find(({ steps }) => steps.includes(layer)) ?? this.stages[0];
    title.textContent = stage.name;
    kind.textContent = kindOf(stage.first);
    all.textContent = layer.output.length === 3 ? "All channels" : "All units";
    explanation.textContent = [stage.first, ...(layer === stage.first ? [] : [layer])]
      .map((one) => explain(one, this.told.layers))
      .join(" ");
    facts.replaceChildren(...this.#facts(layer, stage.first).map((text) => Object.assign(document.createElement("li"), { textContent: text })));
    steps.hidden = stage.steps.length < 2;
    steps.replaceChildren(...stage.steps.map((step) => this.#step(step, step === layer)));
    this.slider.max = String(layer.output[0] - 1);
  }

  /**
   * @param {Layer} layer
   * @param {Layer} first of its stage
   */
  #facts({ output, field }, { parameters, macs }) {
    const all = (/** @type {"parameters" | "macs"} */ what) => this.told.layers.reduce((sum, layer) => sum + layer[what], 0);
    return [
      output.length === 3 ? `${whole(output[0])} channels of ${by(output.slice(1))} places` : `${whole(output[0])} units`,
      field ? `each place sees ${field} × ${field} pixels` : "each sees the whole photo",
      ...(parameters ? [`${whole(parameters)} weights, ${percent(parameters / all("parameters"))} of all`] : []),
      ...(macs ? [`${millions(macs)} multiplications for one photo, ${percent(macs / all("macs"))} of all`] : []),
    ];
  }

  /**
   * @param {Layer} step
   * @param {boolean} chosen
   */
  #step(step, chosen) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: stepName(step) });
    button.setAttribute("aria-pressed", String(chosen));
    button.addEventListener("click", () => this.go({ layer: step.name, channel: this.shown?.state.channel, unit: null }));
    return button;
  }
}
