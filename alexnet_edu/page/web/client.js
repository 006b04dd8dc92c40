// @ts-check
import { address, isSingle } from "./host.js";

/** The worker, one request at a time. */
export class Engine {
  /** @param {Worker} worker */
  constructor(worker) {
    this.worker = worker;
    /** @type {Map<number, { resolve: (value: any) => void, reject: (reason: Error) => void }>} */
    this.waiting = new Map();
    this.sent = 0;
    /** @type {Promise<unknown>} */
    this.last = Promise.resolve();
    worker.onmessage = ({ data: { id, result, problem } }) => {
      const { resolve, reject } = /** @type {any} */ (this.waiting.get(id));
      this.waiting.delete(id);
      problem ? reject(new Error(problem)) : resolve(result);
    };
    worker.onerror = () => {
      for (const { reject } of this.waiting.values()) reject(new Error("The network has stopped; load the page again."));
      this.waiting.clear();
    };
  }

  static async make() {
    // Browsers take no modules from inside a file; there the worker's modules are one script.
    return new Engine(new Worker(await address("worker.js", "text/javascript"), { type: isSingle() ? "classic" : "module" }));
  }

  /**
   * Asks for something once all that was asked before is answered.
   *
   * @param {string} action one of worker.js
   * @param {object} request
   * @param {Transferable[]} [transfer]
   * @returns {Promise<any>}
   */
  ask(action, request, transfer = []) {
    const send = () =>
      new Promise((resolve, reject) => {
        const id = this.sent++;
        this.waiting.set(id, { resolve, reject });
        this.worker.postMessage({ id, action, ...request }, transfer);
      });
    const result = this.last.then(send, send);
    this.last = result.catch(() => {});
    return result;
  }
}

/**
 * Calls `work` with the newest value only: what arrives while it works replaces what waits.
 *
 * @template T
 * @param {(value: T) => Promise<void>} work
 * @returns {(value: T) => Promise<void>}
 */
export function newestOnly(work) {
  /** @type {{ value: T } | null} */
  let next = null;
  /** @type {Promise<void> | null} */
  let running = null;
  const run = async () => {
    while (next) {
      const { value } = next;
      next = null;
      await work(value);
    }
    running = null;
  };
  return (value) => {
    next = { value };
    return (running ??= run());
  };
}
