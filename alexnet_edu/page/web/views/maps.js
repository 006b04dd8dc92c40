// @ts-check
import { dimmed, filterPicture, onCanvas, opaque, painted, range, sharp } from "../colour.js";
import { by, explain, label, millions, percent, short, stagesOf, stepName, whole } from "../plan.js";
/** @import { Answer, Description, Layer, State, Survey, Tensor, Values } from "../engine/types.d.ts" */

const EXCITING = 6; // pictures that a channel is strongest in
const LENS = 96; // CSS pixels
const COARSE = 24; // pixels: of fields up to this size one sees the pixels themselves
const SHARE = 0.995; // of the values that the colour scale of all channels covers
const GREY = "rgb(124 116 104)";

/** One layer: all its channels, one of them over the photo, and what excites it. */
export class LayerView {
  /**
   * @param {HTMLElement} root
   * @param {Description} told
   * @param {{ unsigned: Uint32Array, signed: Uint32Array }} colours
   * @param {Tensor} filters of the first layer
   * @param {{ go: (state: Partial<State>) => void }} actions
   */
  constructor(root, told, colours, filters, actions) {
    this.root = root;
    this.told = told;
    this.colours = colours;
    this.filters = filters;
    this.go = actions.go;
    this.stages = stagesOf(told.layers);
    /** @type {Map<string, Survey>} */
    this.surveys = new Map();
    /** @type {State} */
    this.state = { photo: "", layer: told.layers[0].name, channel: 0, unit: null };
    this.mosaic = false;
    this.exciting = "";
    /** @type {Answer | undefined} */
    this.drawnOf = undefined;
    /** @type {Map<number, OffscreenCanvas>} pictures of filters */
    this.drawn = new Map();
    const find = (/** @type {string} */ selector) => /** @type {any} */ (root.querySelector(selector));
    this.parts = {
      title: find("h2"), facts: find(".facts"), explanation: find(".explanation"), steps: find(".steps"),
      grid: find(".grid canvas"), marker: find(".grid .marker"), gridFigure: find(".grid"), legend: find(".legend"),
      slider: find(".channel input"), number: find(".channel .value"), close: find(".close canvas"), closeFigure: find(".close"),
      seen: find(".sees canvas"), filter: find(".filter canvas"), filterBox: find(".filter"), said: find(".said"),
      mosaic: find(".mosaic input"), mosaicBox: find(".mosaic"), exciting: find(".exciting div"), excitingTitle: find(".exciting h3"),
      sees: find(".sees"),
    };
    this.#listen();
    new ResizeObserver(() => this.draw()).observe(root);
  }

  #listen() {
    const { grid, slider, close, mosaic, gridFigure } = this.parts;
    const choose = (/** @type {PointerEvent} */ event) => {
      const channel = this.#channelAt(event);
      if (channel !== null) this.go({ channel, unit: null });
    };
    grid.addEventListener("click", choose);
    grid.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => event.buttons && event.pointerType === "mouse" && choose(event));
    gridFigure.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#gridKey(event));
    slider.addEventListener("input", () => this.go({ channel: Number(slider.value), unit: null }));
    const point = (/** @type {PointerEvent} */ event) => this.go({ unit: this.#unitAt(event) });
    close.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => (event.pointerType === "mouse" || event.buttons) && point(event));
    close.addEventListener("pointerdown", point);
    close.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#unitKey(event));
    mosaic.addEventListener("change", () => {
      this.mosaic = mosaic.checked;
      this.#drawClose();
    });
  }

  get layer() {
    return /** @type {Layer} */ (this.told.layers.find(({ name }) => name === this.state.layer));
  }

  /**
   * @param {State} state
   * @param {Answer} answer
   * @param {Values} values of the state's layer
   */
  show(state, answer, values) {
    const changed = state.layer !== this.state.layer || !this.values;
    this.state = state;
    this.answer = answer;
    this.values = values;
    if (answer !== this.drawnOf) {
      this.photo = onCanvas(opaque(answer.seen));
      this.dim = onCanvas(dimmed(answer.seen));
      this.drawnOf = answer;
    }
    if (changed) this.#describe();
    this.draw();
  }

  /** What does not change with the photo. */
  #describe() {
    const { layer, parts, told } = this;
    const stage = this.stages.find(({ steps }) => steps.includes(layer));
    const places = layer.output.length === 3;
    const macs = told.layers.reduce((sum, one) => sum + one.macs, 0);
    const weights = told.layers.reduce((sum, one) => sum + one.parameters, 0);
    const { first = layer, steps = [layer], name = layer.name } = stage ?? {};
    parts.title.textContent = name;
    const facts = [
      places ? `${whole(layer.output[0])} channels of ${by(layer.output.slice(1))} places` : `${whole(layer.output[0])} units`,
      layer.field ? `each place sees ${layer.field} × ${layer.field} pixels` : "each sees the whole photo",
      ...(first.parameters ? [`${whole(first.parameters)} weights, ${percent(first.parameters / weights)} of all`] : []),
      ...(first.macs ? [`${millions(first.macs)} multiplications, ${percent(first.macs / macs)} of all`] : []),
    ];
    parts.facts.replaceChildren(...facts.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
    parts.explanation.textContent = [first, ...(layer === first ? [] : [layer])].map((one) => explain(one, told.layers)).join(" ");
    parts.steps.hidden = steps.length < 2;
    parts.steps.replaceChildren(...steps.map((step) => this.#step(step, step === layer)));
    parts.slider.max = String(layer.output[0] - 1);
    parts.mosaicBox.hidden = this.#firstStage() !== name || !["Conv", "ReLU"].includes(layer.kind);
    parts.filterBox.hidden = this.#firstStage() !== name;
    parts.sees.hidden = !layer.field;
    parts.closeFigure.classList.toggle("whole", !layer.field);
  }

  #firstStage() {
    return this.stages[0].name;
  }

  /**
   * @param {Layer} step
   * @param {boolean} chosen
   */
  #step(step, chosen) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: stepName(step) });
    button.setAttribute("aria-pressed", String(chosen));
    button.addEventListener("click", () => this.go({ layer: step.name, unit: null }));
    return button;
  }

  draw() {
    if (!this.values) return;
    this.range = range(this.values.data, SHARE);
    this.#drawGrid();
    this.#drawClose();
    this.drawExciting();
  }

  /** Columns, side of a tile in values, and how many tiles. */
  #tiles() {
    const { shape } = /** @type {Values} */ (this.values);
    const [count, height = 1, width = 1] = shape;
    const columns = [8, 10, 12, 16, 20, 24, 32].find((columns) => columns * columns >= count * 1.1) ?? 32;
    return { count, height, width, columns, rows: Math.ceil(count / columns) };
  }

  #drawGrid() {
    const { grid, marker, slider, number, legend } = this.parts;
    const { count, height, width, columns, rows } = this.#tiles();
    const { data } = /** @type {Values} */ (this.values);
    const { signed } = /** @type {any} */ (this.range);
    const gap = width === 1 ? 0.12 : Math.max(1, width / 24);
    const room = grid.parentElement.clientWidth;
    const scale = room / (columns * (width + gap) - gap);
    const pen = sharp(grid, room, rows * (height + gap) * scale);
    grid.style.height = `${rows * (height + gap) * scale}px`;
    const image = onCanvas(painted(data, width, this.colours[signed ? "signed" : "unsigned"], /** @type {any} */ (this.range)));
    let silent = 0;
    for (let channel = 0; channel < count; channel++) {
      const x = (channel % columns) * (width + gap) * scale;
      const y = Math.floor(channel / columns) * (height + gap) * scale;
      pen.drawImage(image, 0, channel * height, width, height, x, y, width * scale, height * scale);
      if (height > 1 && !data.subarray(channel * height * width, (channel + 1) * height * width).some(Boolean)) {
        cross(pen, x, y, width * scale);
        silent++;
      }
    }
    const { channel } = this.state;
    const share = (/** @type {number} */ value) => `${value}px`;
    Object.assign(marker.style, {
      left: share((channel % columns) * (width + gap) * scale), top: share(Math.floor(channel / columns) * (height + gap) * scale),
      width: share(width * scale), height: share(height * scale),
    });
    const named = this.#channelName(channel);
    slider.value = String(channel);
    slider.setAttribute("aria-valuetext", named);
    number.textContent = named;
    this.#drawLegend(legend, signed, silent, count);
    grid.setAttribute("aria-label", `All ${whole(count)} ${height > 1 ? "channels" : "units"} of ${this.state.layer}; ${named} is chosen`);
  }

  /** @param {number} channel */
  #channelName(channel) {
    const { layer } = this;
    if (layer.output.length === 3) return `channel ${channel}`;
    const last = layer === this.told.layers[this.told.layers.length - 1];
    return last ? `unit ${channel}: ${label(this.told, channel)}` : `unit ${channel}`;
  }

  /**
   * @param {HTMLElement} legend
   * @param {boolean} signed
   * @param {number} silent
   * @param {number} count
   */
  #drawLegend(legend, signed, silent, count) {
    const { low, high, most } = /** @type {any} */ (this.range);
    const [from, ramp, to, rest] = /** @type {any} */ (legend.children);
    from.textContent = short(low);
    to.textContent = `${short(high)}${most > high ? " and more" : ""}`;
    const colours = this.colours[signed ? "signed" : "unsigned"];
    const pen = sharp(ramp, 90, 10);
    const values = Float32Array.from({ length: 90 }, (_, i) => i);
    pen.drawImage(onCanvas(painted(values, 90, colours, { low: 0, high: 89 })), 0, 0, 90, 10);
    rest.textContent = silent ? `${silent} of ${count} find nothing here (crossed out)` : "";
  }

  /** The unit that is looked at: the reader's, or the channel's strongest. */
  unit() {
    const { shape, data } = /** @type {Values} */ (this.values);
    const [, height = 1, width = 1] = shape;
    const { channel, unit } = this.state;
    if (unit && unit[0] < height && unit[1] < width) return { row: unit[0], column: unit[1] };
    const one = data.subarray(channel * height * width, (channel + 1) * height * width);
    const at = one.indexOf(one.reduce((most, value) => Math.max(most, value), -Infinity));
    return { row: Math.floor(at / width), column: at % width };
  }

  /**
   * What a unit sees, in pixels of the crop, cut at its edges.
   *
   * @param {number} row
   * @param {number} column
   */
  #field(row, column) {
    return fieldOf(this.layer, row, column, this.told.preprocess.size);
  }

  #drawClose() {
    const { close, closeFigure } = this.parts;
    const { shape, data } = /** @type {Values} */ (this.values);
    const { layer } = this;
    const side = this.told.preprocess.size;
    const room = closeFigure.clientWidth;
    const scale = room / side;
    const pen = sharp(close, room, room);
    const photo = layer.field ? this.dim : this.photo;
    pen.imageSmoothingEnabled = true;
    if (photo) pen.drawImage(photo, 0, 0, room, room);
    pen.imageSmoothingEnabled = false;
    if (shape.length !== 3 || layer.jump === null || layer.start === null || layer.field === null) return this.#tell();
    const [, height, width] = shape;
    const { channel } = this.state;
    const one = data.subarray(channel * height * width, (channel + 1) * height * width);
    if (this.mosaic && !this.parts.mosaicBox.hidden) this.#drawMosaic(pen, scale);
    else {
      const first = layer.start + layer.field / 2 - layer.jump / 2;
      pen.drawImage(onCanvas(this.#veil(one, width)), first * scale, first * scale, width * layer.jump * scale, height * layer.jump * scale);
    }
    const { row, column } = this.unit();
    const { left, top, right, bottom } = this.#field(row, column);
    for (const [colour, line] of [["rgb(0 0 0 / 0.75)", 4], ["white", 2]]) {
      pen.strokeStyle = /** @type {string} */ (colour);
      pen.lineWidth = /** @type {number} */ (line);
      pen.strokeRect(left * scale, top * scale, (right - left) * scale, (bottom - top) * scale);
    }
    this.#tell();
  }

  /**
   * A channel as a veil: clear where nothing is found, the clearer in colour the more is.
   *
   * @param {Float32Array} one
   * @param {number} width
   */
  #veil(one, width) {
    const own = range(one);
    const image = painted(one, width, this.colours[own.signed ? "signed" : "unsigned"], own);
    const most = Math.max(Math.abs(own.low), own.high);
    one.forEach((value, i) => (image.data[4 * i + 3] = 255 * Math.min(0.9, 1.6 * (Math.abs(value) / most))));
    return image;
  }

  /**
   * Every few places the filter that answers loudest.
   *
   * @param {CanvasRenderingContext2D} pen
   * @param {number} scale
   */
  #drawMosaic(pen, scale) {
    const { shape: [count, height, width], data } = /** @type {Values} */ (this.values);
    const { jump, start } = /** @type {{ jump: number, start: number }} */ (/** @type {any} */ (this.layer));
    const side = this.filters.shape[2];
    const step = Math.ceil(side / jump);
    pen.fillStyle = GREY;
    pen.fillRect(0, 0, pen.canvas.width, pen.canvas.height);
    const { high } = /** @type {any} */ (this.range);
    for (let row = 0; row < height; row += step) {
      for (let column = 0; column < width; column += step) {
        let best = 0;
        const at = (/** @type {number} */ channel) => data[(channel * height + row) * width + column];
        for (let channel = 1; channel < count; channel++) if (at(channel) > at(best)) best = channel;
        pen.globalAlpha = Math.max(0, Math.min(1, (2.5 * at(best)) / high));
        const [x, y] = [start + column * jump, start + row * jump];
        pen.drawImage(this.#filterCanvas(best), x * scale, y * scale, step * jump * scale, step * jump * scale);
      }
    }
    pen.globalAlpha = 1;
  }

  /** @param {number} channel */
  #filterCanvas(channel) {
    let found = this.drawn.get(channel);
    if (!found) {
      const side = this.filters.shape[2];
      const size = 3 * side * side;
      found = onCanvas(filterPicture(this.filters.data.subarray(channel * size, (channel + 1) * size), side));
      this.drawn.set(channel, found);
    }
    return found;
  }

  /** What the pointed-at unit says, what it sees, and the filter beside it. */
  #tell() {
    const { said, seen, filter, filterBox, close } = this.parts;
    const { shape, data } = /** @type {Values} */ (this.values);
    const { layer, state: { channel } } = this;
    const { row, column } = this.unit();
    const value = data[(channel * (shape[1] ?? 1) + row) * (shape[2] ?? 1) + column];
    if (shape.length === 3 && layer.field) {
      const { left, top, right, bottom } = this.#field(row, column);
      said.textContent = `Row ${row}, column ${column}: ${short(value)}. This place sees the framed ${layer.field} × ${layer.field} pixels and nothing else.`;
      const pen = sharp(seen, LENS, LENS);
      pen.imageSmoothingEnabled = layer.field > COARSE;
      if (this.photo) pen.drawImage(this.photo, left, top, right - left, bottom - top, 0, 0, LENS, LENS);
    } else said.textContent = this.#score(value);
    close.setAttribute("aria-label", `${this.#channelName(channel)} of ${layer.name} over the photo. ${said.textContent}`);
    if (filterBox.hidden) return;
    sharp(filter, LENS, LENS).drawImage(this.#filterCanvas(channel), 0, 0, LENS, LENS);
  }

  /** @param {number} value of a unit that sees the whole photo */
  #score(value) {
    const last = this.layer === this.told.layers[this.told.layers.length - 1];
    const share = this.answer?.probabilities[this.state.channel] ?? 0;
    return last ? `Its score is ${short(value)}, which softmax makes a probability of ${percent(share)}.` : `Its value is ${short(value)}.`;
  }

  /** The places in all pictures where the chosen channel is strongest. */
  drawExciting() {
    const { exciting, excitingTitle } = this.parts;
    const { layer, state: { channel } } = this;
    excitingTitle.textContent = `What excites ${this.#channelName(channel)} most`;
    const found = [...this.surveys]
      .map(([photo, { seen, peaks: { [layer.name]: { value, place } } }]) => ({ photo, seen, value: value[channel], place: place[channel] }))
      .filter(({ value }) => value > 0)
      .sort((a, b) => b.value - a.value)
      .slice(0, EXCITING);
    const key = `${layer.name} ${channel} ${found.map(({ photo }) => photo)}`;
    if (key === this.exciting) return;
    this.exciting = key;
    exciting.replaceChildren(...found.map((one) => this.#exciter(one)));
  }

  /** @param {{ photo: string, seen: Survey["seen"], value: number, place: number }} found */
  #exciter({ photo, seen, value, place }) {
    const width = this.layer.output[2] ?? 1;
    const [row, column] = [Math.floor(place / width), place % width];
    const { left, top, right, bottom } = this.#field(row, column);
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const canvas = document.createElement("canvas");
    const pen = sharp(canvas, LENS, LENS);
    pen.imageSmoothingEnabled = right - left > COARSE;
    pen.drawImage(onCanvas(opaque(seen)), left, top, right - left, bottom - top, 0, 0, LENS, LENS);
    const text = Object.assign(document.createElement("span"), { textContent: photo.replaceAll("_", " ") });
    button.append(canvas, text);
    button.setAttribute("aria-label", `${photo.replaceAll("_", " ")}, value ${short(value)}: show it`);
    button.addEventListener("click", () => this.go({ photo, unit: this.layer.field ? [row, column] : null }));
    return button;
  }

  /** @param {PointerEvent} event */
  #channelAt(event) {
    const { count, height, width, columns } = this.#tiles();
    const gap = width === 1 ? 0.12 : Math.max(1, width / 24);
    const box = this.parts.grid.getBoundingClientRect();
    const scale = box.width / (columns * (width + gap) - gap);
    const column = Math.floor((event.clientX - box.left) / scale / (width + gap));
    const channel = Math.floor((event.clientY - box.top) / scale / (height + gap)) * columns + column;
    return column >= 0 && column < columns && channel >= 0 && channel < count ? channel : null;
  }

  /** @param {PointerEvent} event @returns {[number, number]} */
  #unitAt(event) {
    const { shape } = /** @type {Values} */ (this.values);
    const box = this.parts.close.getBoundingClientRect();
    const { start, field, jump } = this.layer;
    if (start === null || field === null || jump === null) return [0, 0];
    const side = this.told.preprocess.size;
    const place = (/** @type {number} */ at, /** @type {number} */ limit) =>
      Math.max(0, Math.min(limit - 1, Math.round(((at * side) / box.width - start - field / 2) / jump)));
    return [place(event.clientY - box.top, shape[1]), place(event.clientX - box.left, shape[2])];
  }

  /** @param {KeyboardEvent} event */
  #unitKey(event) {
    const { shape } = /** @type {Values} */ (this.values);
    const { row, column } = this.unit();
    const step = ARROWS[event.key];
    if (!step || shape.length !== 3) return;
    event.preventDefault();
    const inside = (/** @type {number} */ value, /** @type {number} */ limit) => Math.max(0, Math.min(limit - 1, value));
    this.go({ unit: [inside(row + step[0], shape[1]), inside(column + step[1], shape[2])] });
  }

  /** @param {KeyboardEvent} event */
  #gridKey(event) {
    const { count, columns } = this.#tiles();
    const step = ARROWS[event.key];
    if (!step) return;
    event.preventDefault();
    const channel = this.state.channel + step[0] * columns + step[1];
    if (channel >= 0 && channel < count) this.go({ channel, unit: null });
  }
}

/** @type {Record<string, [number, number] | undefined>} rows and columns */
const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/**
 * What a unit sees, in pixels of the crop, cut at its edges.
 *
 * @param {Layer} layer
 * @param {number} row
 * @param {number} column
 * @param {number} size of the crop
 */
function fieldOf({ start, field, jump }, row, column, size) {
  if (start === null || field === null || jump === null) return { left: 0, top: 0, right: size, bottom: size };
  const [top, left] = [row, column].map((at) => start + at * jump);
  return {
    left: Math.max(0, left), top: Math.max(0, top), right: Math.min(size, left + field), bottom: Math.min(size, top + field),
  };
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {number} x
 * @param {number} y
 * @param {number} side
 */
function cross(pen, x, y, side) {
  pen.strokeStyle = "rgb(255 255 255 / 0.5)";
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(x + side, y + side);
  pen.moveTo(x + side, y);
  pen.lineTo(x, y + side);
  pen.stroke();
}
