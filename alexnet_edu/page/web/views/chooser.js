// @ts-check
import { PictureError } from "../engine/picture.js";
import { address } from "../host.js";
/** @import { Description, Picture } from "../engine/types.d.ts" */

const FRAME = 12; // of the camera, a second, where the machine is fast enough

/**
 * A photo to choose: a bundled one, or the reader's, which has a file instead of a path.
 *
 * @typedef {{ name: string, title: string, caption: string, file: string | Blob, category?: string | null, credit: string }} Photo
 */

/** The pictures to touch, and the ways to bring an own one: camera, file, drop, paste. */
export class Chooser {
  /**
   * @param {HTMLElement} root
   * @param {Description} told
   * @param {{ choose: (photo: Photo) => void, frame: (frame: ImageBitmap) => Promise<void>, complain: (sentence: string) => void }} actions
   */
  constructor(root, told, actions) {
    this.root = root;
    this.told = told;
    this.actions = actions;
    this.strip = /** @type {HTMLElement} */ (root.querySelector(".strip"));
    /** @type {Map<string, { photo: Photo, button: HTMLButtonElement }>} */
    this.photos = new Map();
    /** @type {(() => void) | undefined} ends the moving picture of the camera */
    this.stop = undefined;
    for (const picture of told.pictures) this.#add(bundled(picture));
    for (const input of root.querySelectorAll("input")) {
      input.addEventListener("change", () => {
        this.#take(input.files);
        input.value = "";
      });
    }
    this.#dropping();
    this.#live(/** @type {HTMLButtonElement} */ (root.querySelector(".live")));
  }

  /** @param {Photo} photo */
  async #add(photo) {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const image = Object.assign(document.createElement("img"), { alt: photo.caption, decoding: "async" });
    image.loading = "lazy";
    button.title = photo.title;
    button.append(image);
    button.addEventListener("click", () => this.actions.choose(photo));
    this.photos.set(photo.name, { photo, button });
    typeof photo.file === "string" ? this.strip.append(button) : this.strip.prepend(button);
    image.src = typeof photo.file === "string" ? await address(photo.file, "image/jpeg") : URL.createObjectURL(photo.file);
  }

  /** @param {string} name */
  get(name) {
    return this.photos.get(name)?.photo;
  }

  /** @param {string} name */
  mark(name) {
    for (const [own, { button }] of this.photos) button.setAttribute("aria-pressed", String(own === name));
    const chosen = this.photos.get(name)?.button;
    if (!chosen) return;
    const left = chosen.offsetLeft - this.strip.offsetLeft;
    if (left < this.strip.scrollLeft || left + chosen.offsetWidth > this.strip.scrollLeft + this.strip.clientWidth) {
      this.strip.scrollTo({ left: left - this.strip.clientWidth / 3 });
    }
  }

  /** Own photos by name, once they have been shown. @param {Photo} photo */
  keep(photo) {
    if (!this.photos.has(photo.name)) this.#add(photo);
  }

  /** @param {FileList | null | undefined} files */
  async #take(files) {
    const file = files?.[0];
    if (!file) return;
    try {
      await check(file, this.told.limits);
      this.stop?.();
      const name = this.photos.has(file.name) ? `${file.name} ${this.photos.size}` : file.name || "your photo";
      this.actions.choose({ name, title: name, caption: `Your photo ${file.name}`, file, credit: "" });
    } catch (error) {
      this.actions.complain(/** @type {Error} */ (error).message);
    }
  }

  #dropping() {
    const page = document.documentElement;
    addEventListener("dragover", (event) => {
      event.preventDefault();
      page.classList.add("dropping");
    });
    addEventListener("dragleave", (event) => !event.relatedTarget && page.classList.remove("dropping"));
    addEventListener("drop", (event) => {
      event.preventDefault();
      page.classList.remove("dropping");
      event.dataTransfer?.files.length
        ? this.#take(event.dataTransfer.files)
        : this.actions.complain("What you dropped is no file; save the picture first, then drop its file.");
    });
    addEventListener("paste", (event) => {
      if (event.clipboardData?.files.length) this.#take(event.clipboardData.files);
    });
  }

  /**
   * The camera as a moving photo. Frames go through the network and are forgotten.
   *
   * @param {HTMLButtonElement} button
   */
  #live(button) {
    if (!navigator.mediaDevices?.getUserMedia) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      if (this.stop) return void this.stop();
      try {
        const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
        await this.#watch(stream, button);
      } catch {
        this.actions.complain("The camera cannot be used here; take or choose a photo instead.");
        this.#end();
      }
    });
  }

  #end() {
    this.stop?.();
  }

  /**
   * @param {MediaStream} stream
   * @param {HTMLButtonElement} button
   */
  async #watch(stream, button) {
    const video = Object.assign(document.createElement("video"), { srcObject: stream, muted: true, playsInline: true });
    await video.play();
    const text = button.textContent;
    button.textContent = "Stop the camera";
    button.setAttribute("aria-pressed", "true");
    this.stop = () => {
      for (const track of stream.getTracks()) track.stop();
      button.textContent = text;
      button.setAttribute("aria-pressed", "false");
      this.stop = undefined;
    };
    while (this.stop) {
      const start = performance.now();
      await this.actions.frame(await createImageBitmap(video));
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, 1000 / FRAME - (performance.now() - start))));
    }
  }
}

/**
 * @param {Picture} picture
 * @returns {Photo}
 */
function bundled({ name, title, caption, file, category, author, licence }) {
  return { name, title, caption, file, category, credit: `${author}, ${licence}` };
}

/**
 * Before a picture is unpacked: whether it is one, and not so large that it would fill the memory.
 *
 * @param {Blob} file
 * @param {Description["limits"]} limits
 */
async function check(file, limits) {
  if (!file.size) throw new PictureError("The file is empty; choose another one.");
  if (file.size > limits.bytes) throw new PictureError(`The file is larger than ${limits.bytes / 1e6} MB; choose a smaller one.`);
  const image = new Image();
  const url = URL.createObjectURL(file);
  try {
    await new Promise((resolve, reject) => Object.assign(image, { onload: resolve, onerror: reject, src: url }));
  } catch {
    const heic = /hei[cf]/i.test(file.type) || /\.hei[cf]$/i.test(/** @type {File} */ (file).name ?? "");
    throw new PictureError(
      heic
        ? "Your browser cannot read HEIC photos; take the photo with the button here, or save it as JPEG."
        : "This file is not a picture that your browser can read; try a JPEG or PNG file.",
    );
  } finally {
    URL.revokeObjectURL(url);
  }
  if (image.naturalWidth * image.naturalHeight > limits.pixels) {
    throw new PictureError(`The picture has more than ${Math.floor(limits.pixels / 1e6)} million pixels; make it smaller first.`);
  }
}
