// @ts-check
import { filterPicture, onCanvas, painted, range, sharp } from "../colour.js";
import { channelName, fieldOf, isLast, percent, short, stagesOf } from "../plan.js";
import { ARROWS, inside } from "./keys.js";
/** @import { Description, Tensor, Values } from "../engine/types.d.ts" */
/** @import { Shown } from "./layer.js" */

export const LENS = 96; // CSS pixels
export const COARSE = 24; // pixels: of fields up to this size one sees the pixels themselves
const GREY = "rgb(124 116 104)";

/** One channel over the photo, what the pointed-at unit sees, and, in the first layer, its filter beside that. */
export class CloseUp {
  /**
   * @param {HTMLElement} root
   * @param {Description} told
   * @param {Tensor} filters of the first layer
   * @param {(unit: [number, number]) => void} point
   */
  constructor(root, told, filters, point) {
    const find = (/** @type {string} */ selector) => /** @type {any} */ (root.querySelector(selector));
    this.told = told;
    this.filters = filters;
    this.point = point;
    this.firstStage = stagesOf(told.layers)[0];
    /** @type {{ box: HTMLElement, canvas: HTMLCanvasElement, seen: HTMLCanvasElement, seenBox: HTMLElement, filter: HTMLCanvasElement, filterBox: HTMLElement, said: HTMLElement, mosaic: HTMLInputElement, mosaicBox: HTMLElement }} */
    this.parts = {
      box: find(".close"), canvas: find(".close canvas"), seen: find(".sees canvas"), seenBox: find(".sees"),
      filter: find(".filter canvas"), filterBox: find(".filter"), said: find(".said"), mosaic: find(".mosaic input"), mosaicBox: find(".mosaic"),
    };
    /** @type {Map<number, OffscreenCanvas>} pictures of filters */
    this.drawn = new Map();
    const { canvas, mosaic } = this.parts;
    const take = (/** @type {PointerEvent} */ event) => this.shown?.layer.field && point(this.#unitAt(this.shown, event));
    canvas.addEventListener("pointermove", (event) => (event.pointerType === "mouse" || event.buttons) && take(event));
    canvas.addEventListener("pointerdown", take);
    canvas.addEventListener("keydown", (event) => this.#key(event));
    mosaic.addEventListener("change", () => this.shown && this.draw(this.shown));
  }

  /** @param {Shown} shown */
  draw(shown) {
    this.shown = shown;
    const { layer, photo, dim, unit } = shown;
    const { box, canvas, mosaic, mosaicBox, filterBox, seenBox } = this.parts;
    const first = this.firstStage.steps.includes(layer);
    mosaicBox.hidden = !first || !["Conv", "ReLU"].includes(layer.kind);
    filterBox.hidden = !first;
    seenBox.hidden = !layer.field;
    box.classList.toggle("whole", !layer.field);
    const room = box.clientWidth;
    const scale = room / this.told.preprocess.size;
    const pen = sharp(canvas, room, room);
    pen.imageSmoothingEnabled = true;
    pen.drawImage(layer.field ? dim : photo, 0, 0, room, room);
    pen.imageSmoothingEnabled = false;
    if (layer.field) {
      mosaic.checked && !mosaicBox.hidden ? this.#drawMosaic(pen, scale, shown) : this.#drawVeil(pen, scale, shown);
      this.#frame(pen, scale, fieldOf(layer, ...unit, this.told.preprocess.size));
    }
    this.#tell(shown);
  }

  /**
   * The channel as a veil: clear where nothing is found, the stronger in colour the more is.
   *
   * @param {CanvasRenderingContext2D} pen
   * @param {number} scale
   * @param {Shown} shown
   */
  #drawVeil(pen, scale, { layer, colours, channelValues, values: { shape: [, height, width] } }) {
    const own = range(channelValues);
    const image = painted(channelValues, width, colours[own.signed ? "signed" : "unsigned"], own);
    channelValues.forEach((value, i) => (image.data[4 * i + 3] = 255 * Math.min(0.9, (1.6 * Math.abs(value)) / own.most)));
    const { start, field, jump } = /** @type {{ start: number, field: number, jump: number }} */ (layer);
    const first = (start + field / 2 - jump / 2) * scale;
    pen.drawImage(onCanvas(image), first, first, width * jump * scale, height * jump * scale);
  }

  /**
   * Every few places the filter that answers loudest.
   *
   * @param {CanvasRenderingContext2D} pen
   * @param {number} scale
   * @param {Shown} shown
   */
  #drawMosaic(pen, scale, { layer, range: { high }, values: { shape: [count, height, width], data } }) {
    const { jump, start } = /** @type {{ jump: number, start: number }} */ (layer);
    const step = Math.ceil(this.filters.shape[2] / jump);
    const side = step * jump * scale;
    pen.fillStyle = GREY;
    pen.fillRect(0, 0, pen.canvas.width, pen.canvas.height);
    for (let row = 0; row < height; row += step) {
      for (let column = 0; column < width; column += step) {
        let best = 0;
        const at = (/** @type {number} */ channel) => data[(channel * height + row) * width + column];
        for (let channel = 1; channel < count; channel++) if (at(channel) > at(best)) best = channel;
        pen.globalAlpha = Math.max(0, Math.min(1, (2.5 * at(best)) / high));
        pen.drawImage(this.#filter(best), (start + column * jump) * scale, (start + row * jump) * scale, side, side);
      }
    }
    pen.globalAlpha = 1;
  }

  /**
   * @param {CanvasRenderingContext2D} pen
   * @param {number} scale
   * @param {{ left: number, top: number, right: number, bottom: number }} field
   */
  #frame(pen, scale, { left, top, right, bottom }) {
    for (const [colour, line] of /** @type {[string, number][]} */ ([["rgb(0 0 0 / 0.75)", 4], ["white", 2]])) {
      pen.strokeStyle = colour;
      pen.lineWidth = line;
      pen.strokeRect(left * scale, top * scale, (right - left) * scale, (bottom - top) * scale);
    }
  }

  /** @param {number} channel */
  #filter(channel) {
    let found = this.drawn.get(channel);
    if (!found) {
      const side = this.filters.shape[2];
      const size = 3 * side * side;
      found = onCanvas(filterPicture(this.filters.data.subarray(channel * size, (channel + 1) * size), side, this.told.preprocess.channels === "BGR"));
      this.drawn.set(channel, found);
    }
    return found;
  }

  /** @param {Shown} shown */
  #tell(shown) {
    const { layer, state: { channel }, unit, photo } = shown;
    const { said, seen, filter, filterBox, canvas } = this.parts;
    if (layer.field) {
      const { left, top, right, bottom } = fieldOf(layer, ...unit, this.told.preprocess.size);
      const pen = sharp(seen, LENS, LENS);
      pen.imageSmoothingEnabled = layer.field > COARSE;
      pen.drawImage(photo, left, top, right - left, bottom - top, 0, 0, LENS, LENS);
    }
    said.textContent = this.#sentence(shown);
    canvas.setAttribute("aria-label", `${channelName(this.told, layer, channel)} of ${layer.name} over the photo. ${said.textContent}`);
    if (!filterBox.hidden) sharp(filter, LENS, LENS).drawImage(this.#filter(channel), 0, 0, LENS, LENS);
  }

  /** @param {Shown} shown */
  #sentence({ layer, state: { channel }, unit: [row, column], channelValues, values: { shape }, answer }) {
    const value = short(channelValues[row * (shape[2] ?? 1) + column]);
    if (layer.field) {
      return (
        `At row ${row}, column ${column} of its map this channel has the value ${value}. ` +
        `It depends on the framed ${layer.field} × ${layer.field} pixels and on nothing else.`
      );
    }
    const whole = "It depends on the whole photo, so there is no place to point at.";
    if (!isLast(this.told, layer)) return `This unit has the value ${value}. ${whole}`;
    return `This unit’s score is ${value}; softmax makes it a probability of ${percent(answer.probabilities[channel])}. ${whole}`;
  }

  /**
   * @param {Shown} shown
   * @param {PointerEvent} event
   * @returns {[number, number]}
   */
  #unitAt({ layer, values: { shape } }, event) {
    const box = this.parts.canvas.getBoundingClientRect();
    const { start, field, jump } = /** @type {{ start: number, field: number, jump: number }} */ (layer);
    const place = (/** @type {number} */ at, /** @type {number} */ limit) =>
      inside(Math.round(((at * this.told.preprocess.size) / box.width - start - field / 2) / jump), limit);
    return [place(event.clientY - box.top, shape[1]), place(event.clientX - box.left, shape[2])];
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = ARROWS[event.key];
    if (!step || !this.shown?.layer.field) return;
    event.preventDefault();
    const { unit: [row, column], values: { shape } } = this.shown;
    this.point([inside(row + step[0], shape[1]), inside(column + step[1], shape[2])]);
  }
}

/**
 * The strongest unit of a channel.
 *
 * @param {Float32Array} channelValues
 * @param {number} width
 * @returns {[number, number]}
 */
export function strongest(channelValues, width) {
  const at = channelValues.reduce((best, value, i) => (value > channelValues[best] ? i : best), 0);
  return [Math.floor(at / width), at % width];
}

/**
 * @param {Values} values
 * @param {number} channel
 */
export function valuesOf({ shape: [, height = 1, width = 1], data }, channel) {
  return data.subarray(channel * height * width, (channel + 1) * height * width);
}
