// The server side of a test. The test itself acts as the server, through the relay of
// relay_test.go.

import { endpoint, openConnection, type TransportName } from "../src/net/transports";
import { Store } from "../src/store/store";
import { timeouts } from "../src/net/timeouts";
import type { Hello } from "../src/wire/frames";
import { after, equal } from "./runner";
import { state } from "./state";

export { state };

/** A queue of items. take waits for the next one. */
class Queue<T> {
  #items: T[] = [];
  #takers: ((item: T) => void)[] = [];

  put(item: T): void {
    const taker = this.#takers.shift();
    if (taker) taker(item);
    else this.#items.push(item);
  }

  take(): Promise<T> {
    if (this.#items.length > 0) return Promise.resolve(this.#items.shift()!);
    return new Promise(resolve => this.#takers.push(resolve));
  }
}

export type Received = Record<string, any>;

const hello: Hello = {
  hello: 1,
  epoch: "E",
  seq: 0,
  build: "b1",
  user: "ada",
  actions: ["POST /posts"],
  cursors: ["posts.published"],
};

/** A client's connection, as the server sees it. */
export class Link {
  readonly ended: Promise<void>;
  readonly #received = new Queue<Received>();
  readonly #number: number;
  /** The cookie of the test it belongs to. */
  readonly test: string;
  #end!: () => void;
  #opened = false; // a link without any message does not count as a connection

  constructor(number: number, test: string) {
    this.#number = number;
    this.test = test;
    this.ended = new Promise(resolve => (this.#end = resolve));
  }

  /** Resolves with the next frame from the client. */
  next(): Promise<Received> {
    return this.#received.take();
  }

  /** Receives the client's hello and answers it. */
  async greet(change: Partial<Hello> = {}): Promise<void> {
    equal(await this.next(), { hello: 1, zone: Intl.DateTimeFormat().resolvedOptions().timeZone }, "the first frame");
    this.send({ ...hello, ...change });
  }

  /** Sends another hello, as when the connection moves to another link. */
  move(change: Partial<Hello>): void {
    this.send({ ...hello, ...change });
  }

  /** Receives the next frame, which must be this request, and returns its id. */
  async expect(request: object): Promise<number> {
    const { id, ...frame } = await this.next();
    if (frame.call) delete frame.key;
    delete frame.scope; // every cursor asks for it
    equal(frame, request, "the client's frame");
    return id as number;
  }

  send(message: object): void {
    order({ link: this.#number, send: JSON.stringify(message) });
  }

  close(code: number, reason = ""): void {
    order({ link: this.#number, close: code, reason });
  }

  /** Breaks the connection without a close frame. */
  drop(): void {
    order({ link: this.#number, drop: true });
  }

  got(event: string, message: string): void {
    if (event === "message" && !this.#opened) opened.put(this);
    this.#opened = true;
    if (event === "message") this.#received.put(JSON.parse(message) as Received);
    if (event === "close") this.#end();
  }
}

const links = new Map<number, Link>();
const opened = new Queue<Link>();
const refusals = new Queue<void>();
const tickets = new Queue<string>();
const settings = new Queue<void>();

const script = new WebSocket(`ws://${location.host}/script`);
let isReady!: () => void;

/** Resolves once the server accepts connections. */
export const ready = new Promise<void>(resolve => (isReady = resolve));
script.onmessage = event => {
  const { link, event: kind, message } = JSON.parse(event.data as string) as { link: number; event: string; message: string };
  if (kind === "ready") isReady();
  else if (kind === "set") settings.put();
  else if (kind === "refused") refusals.put();
  else if (kind === "session") tickets.put(message);
  else if (kind === "open") links.set(link, new Link(link, message));
  else links.get(link)?.got(kind, message);
};

function order(order: object): void {
  script.send(JSON.stringify(order));
}

/** Resolves with the next connection of this test, once its client has sent a frame. */
export async function accept(): Promise<Link> {
  for (;;) {
    const link = await opened.take();
    if (link.test === document.cookie) return link;
  }
}

/** Changes a setting of the server. */
async function set(setting: object): Promise<void> {
  await ready;
  order(setting);
  await settings.take();
}

/** Makes the server refuse connections, or accept them again. */
export function refuse(refuse: boolean): Promise<void> {
  if (refuse) after(() => void set({ refuse: false }));
  return set({ refuse });
}

/** Sets the user of the pages' cookie. */
export function cookieOf(user: string): Promise<void> {
  return set({ user });
}

/** Resolves at the next refused connection. */
export function refused(): Promise<void> {
  return refusals.take();
}

/** Resolves with the content type and text of the next posted ticket. */
export function ticket(): Promise<string> {
  return tickets.take();
}

timeouts.retry = 0;

/** The transport of the tests of this page. */
export const transport = new URLSearchParams(location.search).get("transport") as TransportName;

/** Returns a new store, which closes with the test. To connect it, accept its link. */
export async function newStore(name?: string): Promise<Store> {
  await ready;
  const to = endpoint(new URL("/_tower/socket", location.href), [transport]);
  const store = new Store(events => openConnection(to, events), name);
  after(() => store.close());
  return store;
}

/** Returns a connected store and the server's side of its connection. */
export async function online(change: Partial<Hello> = {}): Promise<{ store: Store; link: Link }> {
  const store = await newStore();
  const link = await accept();
  await link.greet(change);
  await state(store, ({ online }) => online);
  return { store, link };
}

/** Resolves once the client has applied all earlier frames: the answer to a call arrives after them. */
export async function applied(store: Store, link: Link): Promise<void> {
  const called = store.call("POST /sync");
  link.send({ id: await link.expect({ call: "POST /sync", in: {} }), status: 200 });
  await called;
}
