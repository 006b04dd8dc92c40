// @ts-check
import { Engine, newestOnly } from "./client.js";
import { onCanvas, opaque, scale } from "./colour.js";
import { UNCHANGED } from "./engine/picture.js";
import { address, isSingle, load } from "./host.js";
import { fromHash, toHash } from "./link.js";
import { by, mainStep, stagesOf } from "./plan.js";
import { Answers } from "./views/answers.js";
import { Chooser } from "./views/chooser.js";
import { Costs } from "./views/costs.js";
import { LayerView } from "./views/layer.js";
import { Matters } from "./views/matters.js";
import { Drawing } from "./views/network.js";
import { Peek } from "./views/peek.js";
import { Stage } from "./views/stage.js";
import { showThereIsMore } from "./views/swipe.js";
import { Tour } from "./views/tour.js";
/** @import { Answer, Change, Description, State, Values } from "./engine/types.d.ts" */
/** @import { Photo } from "./views/chooser.js" */

const ANY = -1; // instead of a channel: the one with the largest value

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** The page: what it shows, and what happens when something is touched. */
class Page {
  /**
   * @param {Description} told
   * @param {Engine} engine
   * @param {any} filters
   * @param {Chooser} chooser
   * @param {Partial<State>} state
   */
  constructor(told, engine, filters, chooser, state) {
    this.told = told;
    this.engine = engine;
    this.chooser = chooser;
    const colours = { unsigned: scale(told.colours.unsigned), signed: scale(told.colours.signed) };
    this.colours = colours.unsigned;
    /** @type {State} */
    this.state = { photo: told.pictures[0].name, layer: mainStep(stagesOf(told.layers)[0]).name, channel: ANY, unit: null, ...state };
    /** @type {Answer | null} waits for the screen */
    this.next = null;
    this.loaded = ""; // the layer that `values` are of
    /** @type {Photo | undefined} */
    this.photo = undefined;
    const link = (/** @type {string} */ layer) => toHash({ photo: this.state.photo, layer });
    this.stage = new Stage(element("answer"), told.preprocess.size, newestOnly((change) => this.#change(change)));
    this.answers = new Answers(element("answer"), told);
    this.drawing = new Drawing(element("network"), told, colours.unsigned, link);
    this.layerView = new LayerView(element("layer"), told, colours, filters, {
      go: (part) => this.go(part),
      inputs: (layer, channel) => engine.ask("inputs", { layer, channel }),
    });
    showThereIsMore(element("network"));
    new Peek(/** @type {HTMLButtonElement} */ (element("peek")), element("layer"));
    this.matters = new Matters(element("matters-said"), (map) => this.stage.showHeat(map));
    new Costs(element("costs"), told, link);
    element("matters").addEventListener("click", () => this.#matters());
    addEventListener("hashchange", ({ newURL }) => this.go(fromHash(new URL(newURL).hash, told), false));
    element("network").addEventListener("click", () => this.#toLayer());
  }

  /**
   * Shows another part of the state.
   *
   * @param {Partial<State>} part
   * @param {boolean} [write] whether the address follows
   */
  async go(part, write = true) {
    const layers = part.layer !== undefined && part.layer !== this.state.layer;
    if (part.channel === undefined && (layers || "channel" in part)) part = { ...part, channel: ANY };
    const photo = part.photo !== undefined && part.photo !== this.state.photo && this.chooser.get(part.photo);
    if (photo) return this.choose(photo, part);
    this.state = { ...this.state, ...part };
    const { layer } = this.state;
    if (layer !== this.loaded) {
      const values = /** @type {Values} */ (await this.engine.ask("layer", { layer }));
      if (this.state.layer !== layer) return; // overtaken
      this.values = values;
      this.loaded = layer;
    }
    this.#showLayer();
    if (write) this.#remember(layers);
  }

  /**
   * The address says what is shown.
   *
   * @param {boolean} step whether "back" should come back to what was before
   */
  #remember(step) {
    try {
      history[step ? "pushState" : "replaceState"](null, "", toHash(this.state));
    } catch {
      // inside some frames a page may not change its address; then there is no link
    }
  }

  /**
   * @param {Photo} photo
   * @param {Partial<State>} [part] what else changes with it
   */
  async choose(photo, part = { unit: null }) {
    try {
      const file = typeof photo.file === "string" ? new Blob([await load(photo.file)]) : photo.file;
      const answer = await this.engine.ask("picture", { file, layer: part.layer ?? this.state.layer });
      this.complain("");
      this.chooser.keep(photo);
      this.chooser.mark(photo.name);
      this.photo = photo;
      this.state = { ...this.state, ...part, photo: photo.name };
      this.#fresh(answer, true);
      this.#remember(false);
      element("seen").setAttribute("aria-label", `What the network sees: ${photo.caption}`);
    } catch (error) {
      this.complain(/** @type {Error} */ (error).message);
    }
  }

  /**
   * A picture of the camera.
   *
   * @param {ImageBitmap} frame
   */
  async frame(frame) {
    const answer = await this.engine.ask("picture", { frame, layer: this.state.layer }, [frame]);
    this.chooser.mark("");
    this.photo = undefined;
    this.#fresh(answer, false);
  }

  /**
   * @param {Answer} answer
   * @param {boolean} wave
   */
  #fresh(answer, wave) {
    this.before = answer.probabilities;
    this.stage.reset(false);
    this.#show(answer, wave);
  }

  /** @param {Change} change */
  async #change(change) {
    try {
      const answer = await this.engine.ask("change", { change, layer: this.state.layer });
      if (change === UNCHANGED) this.before = answer.probabilities;
      this.#soon(answer);
    } catch (error) {
      this.complain(/** @type {Error} */ (error).message);
    }
  }

  /**
   * Draws the newest answer with the screen's next picture, while the worker is busy with what comes after.
   *
   * @param {Answer} answer
   */
  #soon(answer) {
    if (!this.next) {
      requestAnimationFrame(() => {
        const newest = /** @type {Answer} */ (this.next);
        this.next = null;
        this.#show(newest, false);
      });
    }
    this.next = answer;
  }

  /**
   * @param {Answer} answer
   * @param {boolean} wave
   */
  #show(answer, wave) {
    this.answer = answer;
    this.stage.show(answer);
    const photo = this.photo;
    this.answers.show(answer.probabilities, /** @type {Float32Array} */ (this.before), photo?.category);
    this.drawing.show(answer, onCanvas(opaque(answer.seen)), wave);
    this.values = answer.values;
    this.loaded = answer.layer;
    if (this.loaded === this.state.layer) this.#showLayer();
    else this.go({}); // another layer was chosen meanwhile
    element("time").textContent = `${Math.round(answer.milliseconds)} ms on this device`;
    document.documentElement.dataset.answers = String(1 + Number(document.documentElement.dataset.answers ?? 0));
  }

  #showLayer() {
    if (!this.answer || !this.values || this.loaded !== this.state.layer) return;
    const [channels] = this.values.shape;
    if (!(this.state.channel >= 0 && this.state.channel < channels)) this.state.channel = loudest(this.values);
    this.drawing.choose(this.state.layer);
    this.layerView.show(this.state, this.answer, this.values);
  }

  /** Where the layer is below the screen, a touched link would seem to do nothing. */
  #toLayer() {
    const layer = element("layer");
    if (layer.getBoundingClientRect().top < 0.6 * innerHeight) return;
    layer.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  #matters() {
    const before = /** @type {Float32Array} */ (this.before);
    const category = before.indexOf(Math.max(...before));
    const start = this.answer;
    return this.matters.answer({
      before: before[category],
      size: this.told.preprocess.size,
      change: this.stage.change,
      ask: (change) => this.engine.ask("covered", { change, category }),
      current: () => this.answer === start,
      colours: this.colours,
    });
  }

  /** Looks through all pictures, while nothing else is asked, for what excites each channel. */
  async survey() {
    for (const { photo } of [...this.chooser.photos.values()]) {
      const file = typeof photo.file === "string" ? new Blob([await load(photo.file)]) : photo.file;
      this.layerView.exciting.surveys.set(photo.name, await this.engine.ask("survey", { file }));
      await new Promise((resolve) => setTimeout(resolve, 20));
      this.layerView.surveyed();
    }
    document.documentElement.dataset.surveyed = "";
  }

  /** @param {string} sentence */
  complain(sentence) {
    element("notice").textContent = sentence;
    element("notice").hidden = !sentence;
  }
}

/**
 * The channel with the largest value.
 *
 * @param {Values} values
 */
function loudest({ shape: [channels], data }) {
  const at = data.reduce((best, value, i) => (value > data[best] ? i : best), 0);
  return Math.floor(at / (data.length / channels));
}

/** @param {Page} page */
function tourOf(page) {
  const { stages } = page.layerView;
  const { size } = page.told.preprocess;
  const first = mainStep(stages[0]).name;
  const deep = [...stages].reverse().find(({ first: { kind } }) => kind === "Conv") ?? stages[0];
  const pixels = (/** @type {number | null} */ field) => by([field ?? size, field ?? size]);
  return new Tour(
    element("tour"),
    [
      {
        at: ".photo", title: "A photo goes in, a label comes out",
        text: `The network sees ${by([size, size])} pixels and nothing else. It gives every label that it knows a probability; the bars show the five largest.`,
      },
      {
        at: ".one", title: "A filter is a small pattern", state: { layer: first, channel: undefined, unit: null },
        text: "The first layer slides its filters over the photo. “The filter” is the chosen one, “what it sees” are the pixels in the frame: where the two look alike, the value is high. The slider above the photo chooses another filter; touch the photo to move the frame.",
      },
      {
        at: ".all", title: "A channel is what one filter found",
        text: "Each tile is one channel: a map of the photo, bright where its filter found its pattern. Touch a tile to lay it over the photo.",
      },
      {
        at: ".one", title: "The receptive field is what one place can see", state: { layer: mainStep(deep).name, channel: undefined, unit: null },
        text:
          `A place of the first layer sees ${pixels(stages[0].first.field)} pixels. Each layer looks at several places of the one before, ` +
          `so a place of ${deep.name} sees ${pixels(deep.first.field)} of the photo’s ${pixels(size)}. Touch the photo: the frame is all that the place depends on.`,
      },
      {
        at: ".photo", title: "Now disturb it", state: { photo: page.told.tips_over },
        text: "A grey square hides a part of this photo, and the network changes its mind. Drag it and watch the bars: where does the label come back? Then take a photo of your own.",
        act: () => page.stage.cover([size / 2, size / 2]),
      },
    ],
    (part) => page.go(part),
  );
}

async function start() {
  const working = Engine.make(); // its modules load beside these
  const told = /** @type {Description} */ (JSON.parse(new TextDecoder().decode(await load("network.json"))));
  const bar = /** @type {HTMLProgressElement} */ (element("progress"));
  /** @type {Page | undefined} */
  let page;
  const complain = (/** @type {string} */ sentence) => page?.complain(sentence);
  const chooser = new Chooser(element("photos"), told, {
    choose: (photo) => page?.choose(photo),
    frame: async (frame) => page?.frame(frame),
    complain,
  });
  const first = chooser.get(fromHash(location.hash, told).photo ?? told.pictures[0].name);
  if (typeof first?.file === "string") element("loading").style.backgroundImage = `url(${await address(first.file, "image/jpeg")})`;
  const [engine, weights, code] = await Promise.all([
    working,
    load("network.safetensors", (share) => (bar.value = share)),
    load("engine/kernel.wasm").catch(() => null), // without it, plain JavaScript
  ]);
  element("weight").textContent = `${(weights.byteLength / 1e6).toFixed(1)} MB`;
  const { kernel, filters } = await engine.ask("start", { description: told, weights, code }, [weights]);
  page = new Page(told, engine, filters, chooser, fromHash(location.hash, told));
  const photo = /** @type {Photo} */ (chooser.get(page.state.photo));
  await page.choose(photo, {});
  element("loading").hidden = true;
  element("kernel").textContent = kernel;
  showAbout(told);
  const tour = tourOf(page);
  for (const button of document.querySelectorAll(".tour")) button.addEventListener("click", () => tour.begin());
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
  await page.survey();
  keepOffline();
}

/**
 * Where the network and the pictures come from.
 *
 * @param {Description} told
 */
function showAbout({ about, trained_on, metrics, categories, pictures }) {
  const right = Number(metrics["acc@1"]);
  element("about").textContent =
    `${about}${trained_on && `, trained on ${trained_on}`}; ${categories.length} labels.` +
    (right ? ` Of 100 photos that it has never seen, it names ${Math.round(right)} rightly (${metrics.data}).` : "");
  const credits = pictures.map(({ title, author, licence, source }) => `${title}: ${author} (${source}), ${licence}`);
  element("credits").replaceChildren(...credits.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}

/** After the first visit the page works without a network. A server on this machine needs no copy. */
function keepOffline() {
  if (!isSingle() && location.hostname !== "127.0.0.1") navigator.serviceWorker?.register("offline.js").catch(() => {});
}

start().catch((error) => {
  element("loading").hidden = true;
  element("notice").hidden = false;
  element("notice").textContent = `The network could not be loaded (${error.message}); load the page again.`;
});
