// What runs in the service worker by which the pages of a site load without a
// connection, as they were when they were seen last. With one, nothing is different:
// the network is always asked first.

interface Lasting extends Event {
  waitUntil(work: Promise<unknown>): void;
}

interface Fetching extends Lasting {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}

/** What there is of a service worker. */
interface Scope {
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(kind: "install" | "activate", listener: (event: Lasting) => void): void;
  addEventListener(kind: "message", listener: (event: Lasting & MessageEvent<string[]>) => void): void;
  addEventListener(kind: "fetch", listener: (event: Fetching) => void): void;
}

const scope = globalThis as unknown as Scope;

/** What a page is made of. Whatever scripts fetch is theirs. */
const parts = new Set(["document", "script", "style", "image", "font", "sharedworker"]);

/** With these a proxy says that the server is not there. */
const absent = new Set([502, 504]);

/** In this header a page says whose it is. What is kept belongs to one user, and is named after that. */
const owner = "Tower-User";
const prefix = "tower.pages.";

const most = 200;

scope.addEventListener("install", event => event.waitUntil(scope.skipWaiting()));

scope.addEventListener("activate", event => event.waitUntil(scope.clients.claim()));

// The page that brought this worker was here before: it tells its address, and then of what it is made.
scope.addEventListener("message", event => event.waitUntil(fetchAll(event.data)));

scope.addEventListener("fetch", event => {
  const { method, destination, url } = event.request;
  if (method === "GET" && parts.has(destination) && new URL(url).origin === location.origin) event.respondWith(answer(event));
});

async function answer(event: Fetching): Promise<Response> {
  const { request } = event;
  try {
    const response = await fetch(request);
    if (absent.has(response.status)) return (await kept(request.url)) ?? response;
    if (lasts(response, request.destination === "document")) event.waitUntil(keep(request.url, response.clone()));
    return response;
  } catch (error) {
    const response = await kept(request.url);
    if (response) return response;
    throw error;
  }
}

async function fetchAll(urls: string[]): Promise<void> {
  const answers = await Promise.allSettled(urls.map(url => fetch(url)));
  answers.forEach((answer, i) => {
    if (answer.status === "fulfilled" && lasts(answer.value, i === 0)) void keep(urls[i]!, answer.value);
  });
  await last;
}

function kept(url: string): Promise<Response | undefined> {
  return caches.match(url, { ignoreVary: true });
}

/** Whether a response is one to keep. Of pages that is what tower renders: else it may be a large file, or anybody's. */
function lasts({ status, type, redirected, headers }: Response, isPage: boolean): boolean {
  return status === 200 && type === "basic" && !redirected && (!isPage || headers.has(owner));
}

let last: Promise<void> = Promise.resolve();

/** Keeps a response, one after another: a page before what it is made of. */
function keep(url: string, response: Response): Promise<void> {
  last = last.then(() => put(url, response)).catch(() => {}); // there may be no room
  return last;
}

async function put(url: string, response: Response): Promise<void> {
  const names = (await caches.keys()).filter(name => name.startsWith(prefix));
  let [name] = names;
  const user = response.headers.get(owner);
  if (user) {
    name = prefix + user;
    for (const other of names) if (other !== name) await caches.delete(other);
  }
  if (!name) return;
  const cache = await caches.open(name);
  await cache.put(url, response);
  for (const old of (await cache.keys()).slice(0, -most)) await cache.delete(old, { ignoreVary: true });
}

export {};
