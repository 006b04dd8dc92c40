// @ts-check
import { onCanvas, painted } from "../colour.js";
import { percent } from "../plan.js";
/** @import { Change } from "../engine/types.d.ts" */

const SIDE = 44; // pixels of the grey square
const PLACES = 13; // a side

/**
 * What a map of what matters needs: the label's probability before, with a change, and whether the photo is still the same.
 *
 * @typedef {{ before: number, size: number, change: Change, ask: (change: Change) => Promise<number>, current: () => boolean, colours: Uint32Array }} Question
 */

/** Covers one place of the photo after the other: how much of the label's probability does each cost? */
export class Matters {
  /**
   * @param {HTMLElement} said
   * @param {(map: OffscreenCanvas) => void} show
   */
  constructor(said, show) {
    this.said = said;
    this.show = show;
  }

  /** @param {Question} question */
  async answer({ before, size, change, ask, current, colours }) {
    const lost = new Float32Array(PLACES * PLACES);
    for (let at = 0; at < lost.length; at++) {
      const [x, y] = [at % PLACES, Math.floor(at / PLACES)].map((i) => Math.round(((i + 0.5) * size) / PLACES));
      const share = await ask({ ...change, patch: { side: SIDE, x, y } });
      if (!current()) return;
      lost[at] = Math.max(0, before - share);
      if (at % PLACES === PLACES - 1) this.show(heat(lost, colours));
    }
    const least = before - Math.max(...lost);
    this.said.textContent =
      `Bright is where a grey square costs the label most. The photo has ${percent(before)}; ` +
      `with the square at the brightest place ${percent(least)} are left.`;
  }
}

/**
 * @param {Float32Array} lost
 * @param {Uint32Array} colours
 */
function heat(lost, colours) {
  const high = Math.max(1e-6, ...lost);
  const image = painted(lost, PLACES, colours, { low: 0, high });
  lost.forEach((value, i) => (image.data[4 * i + 3] = (235 * value) / high));
  return onCanvas(image);
}
