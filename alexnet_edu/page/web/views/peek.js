// @ts-check
import { sharp } from "../colour.js";

const SIDE = 120; // CSS pixels
const DELAY = 60; // milliseconds after a touch, when the photo has been drawn

/** Where the photo with the chosen channel is out of sight, a small copy of it stays beside the channels. */
export class Peek {
  /**
   * @param {HTMLButtonElement} button
   * @param {HTMLElement} layer
   */
  constructor(button, layer) {
    this.button = button;
    this.copy = /** @type {HTMLCanvasElement} */ (button.querySelector("canvas"));
    this.photo = /** @type {HTMLCanvasElement} */ (layer.querySelector(".close canvas"));
    const grid = /** @type {HTMLElement} */ (layer.querySelector(".grid"));
    this.seen = { photo: true, grid: false };
    new IntersectionObserver(([{ isIntersecting }]) => this.#now({ photo: isIntersecting })).observe(this.photo);
    new IntersectionObserver(([{ isIntersecting }]) => this.#now({ grid: isIntersecting })).observe(grid);
    grid.addEventListener("click", () => setTimeout(() => this.#draw(), DELAY));
    grid.addEventListener("keydown", () => setTimeout(() => this.#draw(), DELAY));
    button.addEventListener("click", () => this.photo.scrollIntoView({ block: "center" }));
  }

  /** @param {Partial<Peek["seen"]>} part */
  #now(part) {
    this.seen = { ...this.seen, ...part };
    this.button.hidden = this.seen.photo || !this.seen.grid;
    this.#draw();
  }

  #draw() {
    if (!this.button.hidden && this.photo.width) sharp(this.copy, SIDE, SIDE).drawImage(this.photo, 0, 0, SIDE, SIDE);
  }
}
