// @ts-check
import { onCanvas, painted, range, sharp } from "../colour.js";
import { towersOf } from "../engine/summary.js";
import { mainStep, stagesOf } from "../plan.js";
/** @import { Answer, Description, Face } from "../engine/types.d.ts" */
/** @import { Stage } from "../plan.js" */

const SLANT = [0.8, -0.34]; // where channels go, per channel drawn
const SEAM = 0.6; // by which a channel's slice goes under the next, or the paper would shine through
const BAR = 14; // width of a fully connected layer
const LABEL = 24; // room for the names
const NARROWEST = 640; // the drawing scrolls in narrower windows
const COLUMN = 44; // a finger finds what is this wide
const PADDING = 10; // left and right of the drawing
const TALLEST = 150; // of the photo in the drawing
const WAVE = 650; // milliseconds from the photo to the answer

/**
 * Where everything is for the room there is, in CSS pixels.
 *
 * @typedef {object} Places
 * @property {number} width of all
 * @property {number} pixel of a map
 * @property {number} channel from one to the next
 * @property {{ x: number, width: number }[]} columns of the stages
 * @property {number} side of the photo
 * @property {number} middle
 * @property {number[]} rows the middle of each tower
 */

/** The network drawn to scale: every layer a link, every face what the layer sees just now. */
export class Drawing {
  /**
   * @param {HTMLElement} root
   * @param {Description} told
   * @param {Uint32Array} colours
   * @param {(layer: string) => string} link
   */
  constructor(root, told, colours, link) {
    this.root = root;
    this.told = told;
    this.colours = colours;
    this.link = link;
    this.stages = stagesOf(told.layers);
    this.towers = towersOf(told.layers);
    /** @type {Answer | null} */
    this.answer = null;
    /** @type {OffscreenCanvas | null} */
    this.photo = null;
    this.lit = Infinity;
    this.canvas = /** @type {HTMLCanvasElement} */ (root.querySelector("canvas"));
    this.frame = /** @type {HTMLElement} */ (root.querySelector(".frame"));
    this.links = this.stages.map(({ name }) => {
      const anchor = document.createElement("a");
      anchor.append(Object.assign(document.createElement("span"), { textContent: name }));
      return anchor;
    });
    this.frame.append(...this.links);
    new ResizeObserver(() => this.draw()).observe(root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** @returns {Places} */
  #places() {
    const width = Math.max(NARROWEST, this.root.clientWidth - 2 * PADDING);
    const [, pixels] = this.told.layers[0].input;
    const extents = this.stages.map(({ first: { output } }) =>
      output.length === 1 ? { maps: 0, channels: 0 } : { maps: output[1], channels: output[0] / this.towers },
    );
    const flexible = pixels + extents.reduce((sum, { maps, channels }) => sum + maps + 0.6 * SLANT[0] * channels, 0);
    const bars = extents.filter(({ maps }) => !maps).length * COLUMN;
    const pixel = Math.min(TALLEST / pixels, (width - bars - 12 * this.stages.length - 20) / flexible);
    const channel = 0.6 * pixel;
    const side = pixels * pixel;
    const widths = extents.map(({ maps, channels }) => Math.max(COLUMN, maps * pixel + channels * channel * SLANT[0] + 8));
    const used = side + 20 + widths.reduce((sum, one) => sum + one, 0);
    const gap = Math.max(0, (width - used) / (this.stages.length + 0.5));
    let x = side + 16 + gap / 2;
    const columns = widths.map((own) => {
      const place = { x, width: own + gap };
      x += own + gap;
      return place;
    });
    const middle = side / 2 + 14;
    const rows = this.towers === 1 ? [middle] : [middle - side * 0.24, middle + side * 0.3];
    return { width: Math.max(width, Math.ceil(x - gap / 2 - 8)), pixel, channel, columns, side, middle, rows };
  }

  /** @param {string} layer */
  choose(layer) {
    this.stages.forEach((stage, i) => {
      const anchor = this.links[i];
      anchor.href = this.link(mainStep(stage).name);
      anchor.removeAttribute("aria-current");
      if (!stage.steps.some(({ name }) => name === layer)) return;
      anchor.setAttribute("aria-current", "true");
      const middle = anchor.offsetLeft + anchor.offsetWidth / 2;
      this.root.scrollTo({ left: middle - this.root.clientWidth / 2, behavior: "smooth" });
    });
  }

  /**
   * @param {Answer} answer
   * @param {OffscreenCanvas} photo
   * @param {boolean} wave whether the light runs through the layers
   */
  show(answer, photo, wave) {
    this.answer = answer;
    this.photo = photo;
    if (wave && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.#run();
    else if (this.lit === Infinity) this.draw();
  }

  #run() {
    const start = performance.now();
    const running = this.lit !== Infinity;
    const step = (/** @type {number} */ now) => {
      const share = (now - start) / WAVE;
      this.lit = share < 1 ? share * (this.stages.length + 1) : Infinity;
      this.draw();
      if (share < 1) requestAnimationFrame(step);
    };
    if (!running) requestAnimationFrame(step);
  }

  draw() {
    const places = this.#places();
    const { width, columns, side, middle, rows } = places;
    const style = getComputedStyle(this.root);
    const height = side + 30;
    this.frame.style.width = this.canvas.style.width = `${width}px`;
    this.frame.style.height = `${height + LABEL}px`;
    this.canvas.style.height = `${height}px`;
    document.documentElement.style.setProperty("--sticky", `${height + LABEL + 12}px`); // what it hides of the page below
    this.links.forEach((anchor, i) => {
      anchor.style.left = `${columns[i].x - 4}px`;
      anchor.style.width = `${columns[i].width}px`;
    });
    const pen = sharp(this.canvas, width, height);
    this.#wires(pen, places, style.getPropertyValue("--wire"));
    if (this.photo) {
      pen.imageSmoothingEnabled = true;
      pen.drawImage(this.photo, 4, middle - side / 2, side, side);
      pen.imageSmoothingEnabled = false;
    }
    this.stages.forEach((stage, i) => {
      const face = this.answer?.faces[mainStep(stage).name];
      if (!face) return;
      pen.globalAlpha = Math.max(0.2, Math.min(1, this.lit - i));
      if (!face.maps.length) this.#bar(pen, stage, face, columns[i].x, places);
      else rows.forEach((y, tower) => {
        pen.strokeStyle = style.getPropertyValue(`--tower-${tower + 1}`);
        this.#block(pen, stage, face, tower, columns[i].x, y, places);
      });
    });
    pen.globalAlpha = 1;
  }

  /**
   * Which layer reads what: a convolution with groups its own tower, everything else all of them.
   *
   * @param {CanvasRenderingContext2D} pen
   * @param {Places} places
   * @param {string} colour
   */
  #wires(pen, { columns, rows, middle, side, pixel, channel }, colour) {
    pen.strokeStyle = colour;
    pen.lineWidth = 1;
    pen.beginPath();
    let ends = [[4 + side, middle]];
    this.stages.forEach(({ first }, i) => {
      const flat = first.output.length === 1;
      const starts = flat ? [[columns[i].x, middle]] : rows.map((y) => [columns[i].x, y]);
      const apart = ends.length === starts.length && (first.kind !== "Conv" || (first.groups ?? 1) === starts.length);
      ends.forEach(([x0, y0], from) =>
        starts.forEach(([x1, y1], to) => {
          if (apart && from !== to) return;
          pen.moveTo(x0, y0);
          pen.bezierCurveTo((x0 + x1) / 2, y0, (x0 + x1) / 2, y1, x1, y1);
        }),
      );
      const [maps, channels] = [first.output[1] ?? 0, first.output[0] / this.towers];
      ends = starts.map(([x, y]) =>
        flat ? [x + BAR, y] : [x + maps * pixel + channels * channel * SLANT[0], y + channels * channel * SLANT[1]],
      );
    });
    pen.stroke();
  }

  /**
   * A tower's maps: the mean map in front, and behind it a slice for each channel, bright where it is strong.
   *
   * @param {CanvasRenderingContext2D} pen
   * @param {Stage} stage
   * @param {Face} face
   * @param {number} tower
   * @param {number} x
   * @param {number} y
   * @param {Places} places
   */
  #block(pen, stage, face, tower, x, y, { pixel, channel }) {
    const [channels, , maps] = stage.first.output;
    const each = channels / this.towers;
    const side = Math.max(3, maps * pixel);
    const top = y - side / 2;
    const [dx, dy] = [channel * SLANT[0], channel * SLANT[1]];
    const most = range(face.channels).high;
    for (let c = each - 1; c >= 0; c--) {
      pen.fillStyle = this.#colour(face.channels[tower * each + c] / most);
      slice(pen, x + c * dx, top + c * dy, side, dx + SEAM, dy);
      pen.fill();
    }
    const map = face.maps[tower];
    pen.drawImage(onCanvas(painted(map, maps, this.colours, range(map, 0.98))), x, top, side, side);
    pen.lineWidth = 1.25;
    pen.strokeRect(x, top, side, side);
    slice(pen, x, top, side, each * dx, each * dy);
    pen.stroke();
  }

  /** @param {number} level 0 to 1 */
  #colour(level) {
    const last = this.colours.length - 1;
    const pixel = this.colours[Math.round(Math.max(0, Math.min(1, level)) * last)];
    return `rgb(${pixel & 255} ${(pixel >> 8) & 255} ${(pixel >> 16) & 255})`;
  }

  /**
   * @param {CanvasRenderingContext2D} pen
   * @param {Stage} stage
   * @param {Face} face
   * @param {number} x
   * @param {Places} places
   */
  #bar(pen, stage, face, x, { middle, side }) {
    const flat = this.stages.map(({ first }) => first.output).filter((output) => output.length === 1);
    const height = (side * stage.first.output[0]) / Math.max(...flat.map(([units]) => units));
    const { high } = range(face.channels);
    const image = painted(face.channels, 1, this.colours, { low: 0, high });
    pen.drawImage(onCanvas(image), x, middle - height / 2, BAR, height);
    pen.strokeStyle = "rgb(128 128 128 / 0.6)";
    pen.lineWidth = 1;
    pen.strokeRect(x, middle - height / 2, BAR, height);
  }
}

/**
 * The path of what one sees of a slice from the front: its upper and its right side.
 *
 * @param {CanvasRenderingContext2D} pen
 * @param {number} x
 * @param {number} y
 * @param {number} side
 * @param {number} dx
 * @param {number} dy
 */
function slice(pen, x, y, side, dx, dy) {
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(x + dx, y + dy);
  pen.lineTo(x + dx + side, y + dy);
  pen.lineTo(x + dx + side, y + dy + side);
  pen.lineTo(x + side, y + side);
  pen.lineTo(x + side, y);
  pen.closePath();
}
