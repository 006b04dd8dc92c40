// @ts-check

const SPARE = 8; // CSS pixels that nobody misses

/**
 * A box that scrolls sideways fades at the side where there is more, and a note says so.
 *
 * @param {HTMLElement} box
 * @param {HTMLElement} [note]
 */
export function showThereIsMore(box, note) {
  const look = () => {
    const hidden = box.scrollWidth - box.clientWidth;
    box.classList.toggle("more", hidden - box.scrollLeft > SPARE);
    box.classList.toggle("before", box.scrollLeft > SPARE);
    if (note) note.hidden = hidden <= SPARE;
  };
  box.addEventListener("scroll", look, { passive: true });
  const observer = new ResizeObserver(look);
  observer.observe(box);
  for (const part of box.children) observer.observe(part);
}
