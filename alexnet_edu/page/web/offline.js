// @ts-check
// Keeps what the page loaded, for when there is no network: the newest from the host where it answers, else the copy.
const COPY = "alexnet-page";
const worker = /** @type {any} */ (self);

worker.addEventListener("install", (/** @type {any} */ event) => {
  worker.skipWaiting();
  event.waitUntil(keepAll());
});

worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener("fetch", (/** @type {any} */ event) => {
  if (event.request.method === "GET" && event.request.url.startsWith(worker.registration.scope)) {
    event.respondWith(answer(event.request));
  }
});

/** Every file of the page, which files.json lists. */
async function keepAll() {
  const files = await (await fetch("files.json")).json();
  await (await caches.open(COPY)).addAll(files);
}

/** @param {Request} request */
async function answer(request) {
  const copy = await caches.open(COPY);
  try {
    const fresh = await fetch(request);
    if (fresh.ok) await copy.put(request, fresh.clone());
    return fresh;
  } catch (error) {
    const kept = await copy.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}
