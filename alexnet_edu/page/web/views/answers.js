// @ts-check
import { judged, label, percent, verdict } from "../plan.js";
/** @import { Description } from "../engine/types.d.ts" */

const SHOWN = 5;
const QUIET = 600; // milliseconds without a change before a screen reader is told

/** What the network says: a sentence, and bars for the likeliest labels. */
export class Answers {
  /**
   * @param {HTMLElement} root
   * @param {Description} told
   */
  constructor(root, told) {
    this.told = told;
    this.sentence = /** @type {HTMLElement} */ (root.querySelector(".verdict"));
    this.truth = /** @type {HTMLElement} */ (root.querySelector(".truth"));
    this.spoken = /** @type {HTMLElement} */ (root.querySelector("[aria-live]"));
    const list = /** @type {HTMLElement} */ (root.querySelector("ol"));
    this.rows = Array.from({ length: SHOWN + 1 }, () => new Row(list));
    this.timer = 0;
  }

  /**
   * @param {Float32Array} probabilities
   * @param {Float32Array} before those of the unchanged photo
   * @param {string | null | undefined} category what is right
   */
  show(probabilities, before, category) {
    const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
    const first = before.indexOf(Math.max(...before));
    const changed = probabilities !== before;
    const shown = order.slice(0, SHOWN);
    if (!shown.includes(first)) shown.push(first);
    this.rows.forEach((row, i) => row.show(this.#values(shown[i], probabilities, changed ? before : null, first)));
    const { name, rest } = verdict(this.told, label(this.told, order[0]), probabilities[order[0]]);
    this.sentence.replaceChildren(Object.assign(document.createElement("strong"), { textContent: name }), ` ${rest}`);
    this.truth.textContent = changed
      ? `Unchanged it was ${label(this.told, first)} with ${percent(before[first])}; that label has ${percent(probabilities[first])} now.`
      : judged(this.told, category, this.told.categories[order[0]]);
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      this.spoken.textContent = `The network says: ${name}, ${rest}. ${this.truth.textContent}`;
    }, QUIET);
  }

  /**
   * @param {number | undefined} at
   * @param {Float32Array} now
   * @param {Float32Array | null} before
   * @param {number} first
   * @returns {Values | null}
   */
  #values(at, now, before, first) {
    if (at === undefined) return null;
    return { text: label(this.told, at), now: now[at], before: before && before[at], original: before !== null && at === first };
  }
}

/** @typedef {{ text: string, now: number, before: number | null, original: boolean }} Values */

class Row {
  /** @param {HTMLElement} list */
  constructor(list) {
    const part = (/** @type {string} */ name) => Object.assign(document.createElement("span"), { className: name });
    this.item = document.createElement("li");
    this.item.hidden = true;
    this.name = part("name");
    this.number = part("number");
    this.bar = part("bar");
    this.mark = part("mark");
    const track = part("track");
    track.setAttribute("aria-hidden", "true");
    track.append(this.bar, this.mark);
    this.item.append(this.name, track, this.number);
    list.append(this.item);
  }

  /** @param {Values | null} values */
  show(values) {
    this.item.hidden = !values;
    if (!values) return;
    this.name.textContent = values.text;
    this.number.textContent = percent(values.now);
    this.bar.style.transform = `scaleX(${values.now})`;
    this.mark.hidden = values.before === null;
    this.mark.style.left = `${100 * (values.before ?? 0)}%`;
    this.item.classList.toggle("original", values.original);
  }
}
