// What is wider than the page scrolls in its own box; without a place in the tab order no keyboard could scroll it.
const reachable = () => {
  for (const box of document.querySelectorAll("pre, .cell_output, .table-wrapper, .math-wrapper")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
};
addEventListener("load", reachable);
addEventListener("resize", reachable);
