// @ts-check

/** Rows and columns to go for an arrow key. */
export const ARROWS = /** @type {Record<string, [number, number] | undefined>} */ ({
  ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
});

/**
 * @param {number} value
 * @param {number} limit
 */
export const inside = (value, limit) => Math.max(0, Math.min(limit - 1, value));
