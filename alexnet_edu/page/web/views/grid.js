// @ts-check
import { onCanvas, painted, sharp } from "../colour.js";
import { channelName, short, whole } from "../plan.js";
import { ARROWS } from "./keys.js";
/** @import { Shown } from "./layer.js" */

const COLUMNS = [8, 10, 12, 16, 20, 24, 32];
const LONG = 2; // a picture without gaps may be so many times as wide as high
const RAMP = [90, 10]; // CSS pixels of the legend's colours

/** All channels of a layer as one picture, on one scale; one of them is chosen. */
export class Grid {
  /**
   * @param {HTMLElement} root
   * @param {(channel: number) => void} choose
   */
  constructor(root, choose) {
    this.box = /** @type {HTMLElement} */ (root.querySelector(".grid"));
    this.canvas = /** @type {HTMLCanvasElement} */ (this.box.querySelector("canvas"));
    this.marker = /** @type {HTMLElement} */ (this.box.querySelector(".marker"));
    this.legend = /** @type {HTMLElement} */ (root.querySelector(".legend"));
    this.choose = choose;
    const take = (/** @type {PointerEvent} */ event) => {
      const channel = this.#channelAt(event);
      if (channel !== null) choose(channel);
    };
    this.canvas.addEventListener("click", (event) => take(/** @type {PointerEvent} */ (event)));
    this.canvas.addEventListener("pointermove", (event) => event.buttons && event.pointerType === "mouse" && take(event));
    this.box.addEventListener("keydown", (event) => this.#key(event));
  }

  /** @param {Shown} shown */
  draw(shown) {
    this.shown = shown;
    const { told, layer, state, values: { data }, range, colours } = shown;
    const { count, height, width, step, columns, rows, gap } = this.#tiles(shown);
    const room = this.box.clientWidth;
    const pen = sharp(this.canvas, room, (rows * (height + gap) - gap) * step);
    this.canvas.style.height = `${(rows * (height + gap) - gap) * step}px`;
    const image = onCanvas(painted(data, width, colours[range.signed ? "signed" : "unsigned"], range));
    let silent = 0;
    for (let channel = 0; channel < count; channel++) {
      const [x, y] = [channel % columns, Math.floor(channel / columns)].map((at, i) => at * ([width, height][i] + gap) * step);
      pen.drawImage(image, 0, channel * height, width, height, x, y, width * step, height * step);
      if (height > 1 && !data.subarray(channel * height * width, (channel + 1) * height * width).some(Boolean)) {
        cross(pen, x, y, width * step);
        silent++;
      }
    }
    this.#mark(state.channel, columns, (width + gap) * step, (height + gap) * step, width * step, height * step);
    this.#drawLegend(shown, silent, count);
    const things = height > 1 ? "channels" : "units";
    const chosen = channelName(told, layer, state.channel);
    this.canvas.setAttribute("aria-label", `All ${whole(count)} ${things} of ${layer.name}; ${chosen} is chosen`);
  }

  /**
   * How many tiles there are and where: sizes in values, `step` in CSS pixels a value.
   *
   * @param {Shown} shown
   */
  #tiles({ values: { shape: [count, height = 1, width = 1] } }) {
    const full = COLUMNS.find((columns) => count % columns === 0 && columns ** 2 >= count && columns ** 2 <= LONG * count);
    const columns = full ?? COLUMNS.find((columns) => columns ** 2 >= count * 1.1) ?? 32;
    const gap = width === 1 ? 0.12 : Math.max(1, width / 24);
    const step = this.box.clientWidth / (columns * (width + gap) - gap);
    return { count, height, width, columns, rows: Math.ceil(count / columns), gap, step };
  }

  /**
   * @param {number} channel
   * @param {number} columns
   * @param {number} right
   * @param {number} down
   * @param {number} width
   * @param {number} height
   */
  #mark(channel, columns, right, down, width, height) {
    const [left, top] = [(channel % columns) * right, Math.floor(channel / columns) * down];
    for (const [key, value] of Object.entries({ left, top, width, height })) this.marker.style.setProperty(key, `${value}px`);
  }

  /**
   * @param {Shown} shown
   * @param {number} silent
   * @param {number} count
   */
  #drawLegend({ range: { low, high, most, signed }, colours }, silent, count) {
    const [from, ramp, to, rest] = /** @type {any} */ (this.legend.children);
    from.textContent = short(low);
    to.textContent = `${short(high)}${most > high ? " and more" : ""}`;
    const [width, height] = RAMP;
    const values = Float32Array.from({ length: width }, (_, i) => i);
    const image = painted(values, width, colours[signed ? "signed" : "unsigned"], { low: 0, high: width - 1 });
    sharp(ramp, width, height).drawImage(onCanvas(image), 0, 0, width, height);
    rest.textContent = silent ? `${silent} of ${count} find nothing here (crossed out)` : "";
  }

  /** @param {PointerEvent} event */
  #channelAt({ clientX, clientY }) {
    if (!this.shown) return null;
    const { count, height, width, columns, gap, step } = this.#tiles(this.shown);
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor((clientX - box.left) / step / (width + gap));
    const channel = Math.floor((clientY - box.top) / step / (height + gap)) * columns + column;
    return column >= 0 && column < columns && channel >= 0 && channel < count ? channel : null;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = ARROWS[event.key];
    if (!step || !this.shown) return;
    event.preventDefault();
    const { count, columns } = this.#tiles(this.shown);
    const channel = this.shown.state.channel + step[0] * columns + step[1];
    if (channel >= 0 && channel < count) this.choose(channel);
  }
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
