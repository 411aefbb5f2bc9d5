// The script of the service worker. Without a connection, it serves pages from a
// cache, as they were last seen. With a connection it changes nothing: it always
// tries the network first.

/** The part of ExtendableEvent that is used here. */
interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}

/** The part of FetchEvent that is used here. */
interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}

/** The part of ServiceWorkerGlobalScope that is used here. */
interface ServiceWorkerScope {
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(kind: "install" | "activate", listener: (event: ExtendableEvent) => void): void;
  addEventListener(kind: "message", listener: (event: ExtendableEvent & MessageEvent<string[]>) => void): void;
  addEventListener(kind: "fetch", listener: (event: FetchEvent) => void): void;
}

const scope = globalThis as unknown as ServiceWorkerScope;

/** The kinds of requests that are cached: pages and their parts, but not the requests of scripts. */
const cachedKinds = new Set(["document", "script", "style", "image", "font", "sharedworker"]);

/** The statuses that a proxy returns if the server is unreachable. */
const gatewayErrors = new Set([502, 504]);

/** The header with the user of a page. The cache belongs to one user, whose id is in its name. */
const userHeader = "Tower-User";
const cachePrefix = "tower.pages.";

const maxEntries = 200;

scope.addEventListener("install", event => event.waitUntil(scope.skipWaiting()));

scope.addEventListener("activate", event => event.waitUntil(scope.clients.claim()));

// The page that registered this worker was loaded before it. It sends its own URL
// and the URLs of its parts.
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

/** Reports whether a response may be cached. Only pages that tower renders are: others may be large files or belong to another user. */
function mayKeep({ status, type, redirected, headers }: Response, isPage: boolean): boolean {
  return status === 200 && type === "basic" && !redirected && (!isPage || headers.has(userHeader));
}

let lastPut: Promise<void> = Promise.resolve();

/** Caches responses one after another, a page before its parts. */
function keep(url: string, response: Response): Promise<void> {
  lastPut = lastPut.then(() => put(url, response)).catch(() => {}); // the storage may be full
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
