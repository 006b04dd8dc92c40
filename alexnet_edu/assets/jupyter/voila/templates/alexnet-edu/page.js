// What the page adds to Voila's: a notice line, names for sliders, a check before an upload, and a word when the session ends.
(() => {
  function say(sentence) {
    const line = document.createElement("p");
    line.textContent = sentence;
    document.getElementById("notice").replaceChildren(line);
  }

  // Slider handles have a role but no name of their own: they get the text of the label beside them.
  function nameHandles() {
    for (const slider of document.querySelectorAll(".widget-slider")) {
      const label = slider.querySelector(".widget-label")?.textContent;
      if (!label) continue;
      for (const handle of slider.querySelectorAll(".noUi-handle:not([aria-label])")) handle.setAttribute("aria-label", label);
      slider.querySelector(".widget-readout:not([aria-label])")?.setAttribute("aria-label", `${label}, as a number`);
    }
  }
  new MutationObserver(nameHandles).observe(document, { childList: true, subtree: true });

  // The server hangs up on a message beyond its limit, so a file beyond it must not be sent. The upload widget's file
  // input is never part of the document: its click is where it can be met.
  const click = HTMLInputElement.prototype.click;
  HTMLInputElement.prototype.click = function () {
    if (this.type === "file" && !this.dataset.checked) {
      this.dataset.checked = "yes";
      this.addEventListener("change", check, true);
    }
    return click.call(this);
  };
  function check(event) {
    const limit = Number(document.querySelector("[data-max-upload-bytes]")?.dataset.maxUploadBytes ?? Infinity);
    const large = [...event.target.files].find((file) => file.size > limit);
    document.getElementById("notice").replaceChildren();
    if (!large) return;
    event.stopImmediatePropagation();
    say(`${large.name} is larger than ${limit / 1e6} MB; choose a smaller photo.`);
  }

  // A page left alone for long loses its session. A look at the server tells, at most twice a minute.
  async function look() {
    const config = JSON.parse(document.getElementById("jupyter-config-data")?.textContent ?? "{}");
    if (document.hidden || !config.kernelId) return;
    const answer = await fetch(`${config.baseUrl}api/kernels/${config.kernelId}`).catch(() => null);
    if (!answer?.ok) say("This page rested for long and its session has ended. Load the page again to go on.");
  }
  setInterval(look, 30000);
  document.addEventListener("visibilitychange", look);
})();
