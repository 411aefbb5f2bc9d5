// What runs in the service worker by which the pages of a site load without a
// connection, as they were when they were seen lastPut. With one, nothing is different:
// the network is always asked first.

interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}

interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}

/** What there is of a service worker. */
interface ServiceWorkerScope {
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(kind: "install" | "activate", listener: (event: ExtendableEvent) => void): void;
  addEventListener(kind: "message", listener: (event: ExtendableEvent & MessageEvent<string[]>) => void): void;
  addEventListener(kind: "fetch", listener: (event: FetchEvent) => void): void;
}

const scope = globalThis as unknown as ServiceWorkerScope;

/** What a page is made of. Whatever scripts fetch is theirs. */
const cachedKinds = new Set(["document", "script", "style", "image", "font", "sharedworker"]);

/** With these a proxy says that the server is not there. */
const gatewayErrors = new Set([502, 504]);

/** In this header a page says whose it is. What is kept belongs to one user, and is named after that. */
const userHeader = "Tower-User";
const cachePrefix = "tower.pages.";

const maxEntries = 200;

scope.addEventListener("install", event => event.waitUntil(scope.skipWaiting()));

scope.addEventListener("activate", event => event.waitUntil(scope.clients.claim()));

// The page that brought this worker was here before: it tells its address, and then of what it is made.
scope.addEventListener("message", event => event.waitUntil(fetchAll(event.data)));

scope.addEventListener("fetch", event => {
  const { method, destination, url } = event.request;
  if (method === "GET" && cachedKinds.has(destination) && new URL(url).origin === location.origin) event.respondWith(answer(event));
});

async function answer(event: FetchEvent): Promise<Response> {
  const { request } = event;
  try {
    const response = await fetch(request);
    if (gatewayErrors.has(response.status)) return (await cached(request.url)) ?? response;
    if (mayKeep(response, request.destination === "document")) event.waitUntil(keep(request.url, response.clone()));
    return response;
  } catch (error) {
    const response = await cached(request.url);
    if (response) return response;
    throw error;
  }
}

async function fetchAll(urls: string[]): Promise<void> {
  const answers = await Promise.allSettled(urls.map(url => fetch(url)));
  answers.forEach((answer, i) => {
    if (answer.status === "fulfilled" && mayKeep(answer.value, i === 0)) void keep(urls[i]!, answer.value);
  });
  await lastPut;
}

function cached(url: string): Promise<Response | undefined> {
  return caches.match(url, { ignoreVary: true });
}

/** Whether a response is one to keep. Of pages that is what tower renders: else it may be a large file, or anybody's. */
function mayKeep({ status, type, redirected, headers }: Response, isPage: boolean): boolean {
  return status === 200 && type === "basic" && !redirected && (!isPage || headers.has(userHeader));
}

let lastPut: Promise<void> = Promise.resolve();

/** Keeps a response, one after another: a page before what it is made of. */
function keep(url: string, response: Response): Promise<void> {
  lastPut = lastPut.then(() => put(url, response)).catch(() => {}); // there may be no room
  return lastPut;
}

async function put(url: string, response: Response): Promise<void> {
  const names = (await caches.keys()).filter(name => name.startsWith(cachePrefix));
  let [name] = names;
  const user = response.headers.get(userHeader);
  if (user) {
    name = cachePrefix + user;
    for (const other of names) if (other !== name) await caches.delete(other);
  }
  if (!name) return;
  const cache = await caches.open(name);
  await cache.put(url, response);
  for (const old of (await cache.keys()).slice(0, -maxEntries)) await cache.delete(old, { ignoreVary: true });
}

export {};
