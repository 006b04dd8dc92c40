// @ts-check
/** @import { State } from "../engine/types.d.ts" */

/**
 * A step: what is pointed at, what is said, and what the page shows meanwhile.
 *
 * @typedef {{ at: string, title: string, text: string, state?: Partial<State>, act?: () => void }} Step
 */

/** Five steps through the page, for a first visit. The page stays usable all the while. */
export class Tour {
  /**
   * @param {HTMLElement} card
   * @param {Step[]} steps
   * @param {(state: Partial<State>) => Promise<void>} go
   */
  constructor(card, steps, go) {
    this.card = card;
    this.steps = steps;
    this.go = go;
    this.at = -1;
    /** @type {Element | null} */
    this.opener = null;
    const button = (/** @type {string} */ name) => /** @type {HTMLButtonElement} */ (card.querySelector(name));
    this.back = button(".back");
    this.next = button(".next");
    this.back.addEventListener("click", () => this.show(this.at - 1));
    this.next.addEventListener("click", () => this.show(this.at + 1));
    button(".end").addEventListener("click", () => this.end());
    card.addEventListener("keydown", (event) => event.key === "Escape" && this.end());
  }

  begin() {
    this.opener = document.activeElement;
    this.show(0);
  }

  /** @param {number} at */
  async show(at) {
    if (at >= this.steps.length) return this.end();
    this.at = at;
    const { at: target, title, text, state, act } = this.steps[at];
    this.card.hidden = false;
    document.documentElement.classList.add("touring");
    const [count, heading, body] = /** @type {any} */ (this.card.querySelectorAll(".count, h2, p.text"));
    count.textContent = `${at + 1} of ${this.steps.length}`;
    heading.textContent = title;
    body.textContent = text;
    this.back.disabled = at === 0;
    this.next.textContent = at + 1 === this.steps.length ? "Done" : "Next";
    document.querySelectorAll(".pointed").forEach((element) => element.classList.remove("pointed"));
    const element = /** @type {HTMLElement} */ (document.querySelector(target));
    element.classList.add("pointed");
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    element.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
    heading.focus({ preventScroll: true });
    if (state) await this.go(state);
    if (this.at === at) act?.();
  }

  end() {
    this.at = -1;
    this.card.hidden = true;
    document.documentElement.classList.remove("touring");
    document.querySelectorAll(".pointed").forEach((element) => element.classList.remove("pointed"));
    /** @type {HTMLElement | null} */ (this.opener)?.focus();
  }
}
