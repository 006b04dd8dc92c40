// @ts-check
import { dimmed, onCanvas, opaque, sharp } from "../colour.js";
import { UNCHANGED } from "../engine/picture.js";
/** @import { Answer, Change } from "../engine/types.d.ts" */

const PATCH = 56; // pixels of the crop
const STEP = 6;
const [SMALLEST, LARGEST] = [16, 128];

/** The photo as the network sees it, and all that can be done to it. */
export class Stage {
  /**
   * @param {HTMLElement} root
   * @param {number} side of the crop
   * @param {(change: Change) => void} onChange
   */
  constructor(root, side, onChange) {
    this.side = side;
    this.onChange = onChange;
    /** @type {Change} */
    this.change = UNCHANGED;
    this.size = PATCH;
    this.figure = /** @type {HTMLElement} */ (root.querySelector(".photo"));
    this.canvas = /** @type {HTMLCanvasElement} */ (this.figure.querySelector("canvas"));
    this.heat = /** @type {HTMLCanvasElement} */ (this.figure.querySelector(".heat"));
    this.handle = /** @type {HTMLButtonElement} */ (root.querySelector(".patch"));
    this.undo = /** @type {HTMLButtonElement} */ (root.querySelector(".undo"));
    this.sliders = /** @type {HTMLInputElement[]} */ ([...root.querySelectorAll("input[type=range]")]);
    this.sliders.forEach((slider) => slider.addEventListener("input", () => this.#slide()));
    this.undo.addEventListener("click", () => this.reset(true));
    this.#dragging();
    this.handle.addEventListener("keydown", (event) => this.#key(event));
    this.#place();
  }

  /** @param {Answer} answer */
  show({ bare }) {
    this.dim = onCanvas(dimmed(bare));
    const pen = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.canvas.width = this.canvas.height = this.side;
    pen.putImageData(opaque(bare), 0, 0);
  }

  /**
   * A map over the photo, which goes dark and grey under it; null takes it away.
   *
   * @param {OffscreenCanvas | null} map
   */
  showHeat(map) {
    this.heat.hidden = !map;
    if (!map || !this.dim) return;
    const pen = sharp(this.heat, this.side, this.side);
    pen.imageSmoothingEnabled = true;
    pen.drawImage(this.dim, 0, 0, this.side, this.side);
    pen.drawImage(map, 0, 0, this.side, this.side);
  }

  /** @param {boolean} tell */
  reset(tell) {
    this.#set(UNCHANGED, tell);
    for (const slider of this.sliders) slider.value = slider.defaultValue;
    this.#label();
  }

  /** @param {[number, number]} place centre of the grey square, in pixels of the crop */
  cover([x, y]) {
    this.#patch(x, y);
  }

  /**
   * @param {Change} change
   * @param {boolean} [tell]
   */
  #set(change, tell = true) {
    this.change = change;
    this.undo.disabled = change === UNCHANGED;
    this.showHeat(null);
    this.#place();
    if (tell) this.onChange(change);
  }

  #slide() {
    const [turn, zoom, brightness, noise] = this.sliders.map((slider) => Number(slider.value));
    this.#label();
    this.#set({ ...this.change, turn, zoom: zoom / 100, brightness: brightness / 100, noise: noise / 100 });
  }

  #label() {
    for (const slider of this.sliders) {
      const output = /** @type {HTMLElement} */ (slider.parentElement?.querySelector(".value"));
      const text = `${slider.value}${slider.dataset.unit}`;
      output.textContent = text;
      slider.setAttribute("aria-valuetext", text);
    }
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  #patch(x, y) {
    const inside = (/** @type {number} */ value) => Math.max(0, Math.min(this.side, Math.round(value)));
    this.#set({ ...this.change, patch: { side: this.size, x: inside(x), y: inside(y) } });
  }

  /** Puts the handle where the square is; without one it waits at a corner. */
  #place() {
    const { patch } = this.change;
    const parked = { side: PATCH, x: this.side - PATCH / 2 - 8, y: this.side - PATCH / 2 - 8 };
    const { side, x, y } = patch ?? parked;
    const share = (/** @type {number} */ value) => `${(100 * value) / this.side}%`;
    Object.assign(this.handle.style, {
      left: share(x - side / 2), top: share(y - side / 2), width: share(side), height: share(side),
    });
    this.handle.classList.toggle("parked", !patch);
  }

  #dragging() {
    let grip = [0, 0];
    let held = false;
    const at = (/** @type {PointerEvent} */ event) => {
      const box = this.figure.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top].map((value) => (value * this.side) / box.width);
    };
    const move = (/** @type {PointerEvent} */ event) => {
      const [x, y] = at(event);
      this.#patch(x - grip[0], y - grip[1]);
    };
    const take = (/** @type {PointerEvent} */ event) => {
      const [x, y] = at(event);
      const box = this.handle.getBoundingClientRect();
      const frame = this.figure.getBoundingClientRect();
      const middle = [box.left + box.width / 2 - frame.left, box.top + box.height / 2 - frame.top];
      const [cx, cy] = middle.map((value) => (value * this.side) / frame.width);
      grip = event.currentTarget === this.handle ? [x - cx, y - cy] : [0, 0];
      held = true;
    };
    this.handle.addEventListener("pointerdown", (event) => {
      take(event);
      this.handle.setPointerCapture(event.pointerId);
    });
    this.handle.addEventListener("pointermove", (event) => held && move(event));
    for (const end of ["pointerup", "pointercancel"]) this.handle.addEventListener(end, () => (held = false));
    // A mouse may take hold anywhere; a finger on the photo scrolls the page, and a tap moves the square.
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button) return;
      take(event);
      move(event);
      this.handle.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("click", (event) => {
      grip = [0, 0];
      move(/** @type {PointerEvent} */ (event));
    });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { x, y } = this.change.patch ?? { x: this.side / 2, y: this.side / 2 };
    /** @type {Record<string, [number, number, number]>} */
    const keys = {
      ArrowLeft: [-STEP, 0, 0], ArrowRight: [STEP, 0, 0], ArrowUp: [0, -STEP, 0], ArrowDown: [0, STEP, 0],
      "+": [0, 0, 8], "-": [0, 0, -8], Enter: [0, 0, 0], " ": [0, 0, 0],
    };
    if (event.key === "Escape" && this.change.patch) this.#set(this.#without());
    else if (event.key in keys) {
      const [dx, dy, larger] = keys[event.key];
      this.size = Math.max(SMALLEST, Math.min(LARGEST, this.size + larger));
      this.#patch(x + dx, y + dy);
    } else return;
    event.preventDefault();
  }

  /** @returns {Change} */
  #without() {
    const rest = { ...this.change, patch: null };
    const same = rest.turn === 0 && rest.zoom === 1 && rest.brightness === 1 && rest.noise === 0;
    return same ? UNCHANGED : rest;
  }
}
