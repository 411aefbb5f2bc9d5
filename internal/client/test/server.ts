// The server's side of a test: links to clients, played by the test itself
// over the relay that relay_test.go describes.

import { endpoint, openConnection, type TransportName } from "../src/net/transports";
import { Store } from "../src/store/store";
import { timeouts } from "../src/net/timeouts";
import type { Hello } from "../src/wire/frames";
import { after, equal } from "./runner";
import { state } from "./state";

export { state };

/** A queue hands out what was put into it, in order, now or later. */
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

/** One client's connection, as the server sees it. */
export class Link {
  readonly ended: Promise<void>;
  readonly #received = new Queue<Received>();
  readonly #number: number;
  /** The cookie of the test that it belongs to. */
  readonly test: string;
  #end!: () => void;
  #heard = false; // what is closed before it has said anything is no connection

  constructor(number: number, test: string) {
    this.#number = number;
    this.test = test;
    this.ended = new Promise(resolve => (this.#end = resolve));
  }

  /** The next frame from the client. */
  next(): Promise<Received> {
    return this.#received.take();
  }

  /** Takes the client's hello and answers it. */
  async greet(change: Partial<Hello> = {}): Promise<void> {
    equal(await this.next(), { hello: 1 }, "the first frame");
    this.send({ ...hello, ...change });
  }

  /** Takes the next frame, which is to be this request, and returns its id. */
  async expect(request: object): Promise<number> {
    const { id, ...frame } = await this.next();
    if (frame.call) delete frame.key;
    delete frame.scope; // asked for with every cursor
    equal(frame, request, "the client's frame");
    return id as number;
  }

  send(message: object): void {
    order({ link: this.#number, send: JSON.stringify(message) });
  }

  close(code: number, reason = ""): void {
    order({ link: this.#number, close: code, reason });
  }

  /** Breaks the connection without a word. */
  drop(): void {
    order({ link: this.#number, drop: true });
  }

  got(event: string, message: string): void {
    if (event === "message" && !this.#heard) opened.put(this);
    this.#heard = true;
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

/** Resolves once the server can be connected to. */
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

/** The next connection over which a client of this test has said something. */
export async function accept(): Promise<Link> {
  for (;;) {
    const link = await opened.take();
    if (link.test === document.cookie) return link;
  }
}

/** Resolves once the server is set so. */
async function set(setting: object): Promise<void> {
  await ready;
  order(setting);
  await settings.take();
}

/** From now on connections are refused, or no longer so. */
export function refuse(refuse: boolean): Promise<void> {
  if (refuse) after(() => void set({ refuse: false }));
  return set({ refuse });
}

/** From now on the pages' cookie is that of a user. */
export function cookieOf(user: string): Promise<void> {
  return set({ user });
}

/** The next connection that has been refused. */
export function refused(): Promise<void> {
  return refusals.take();
}

/** The next ticket that was posted, after its content type. */
export function ticket(): Promise<string> {
  return tickets.take();
}

timeouts.retry = 0;

/** What this page's tests connect over. */
export const transport = new URLSearchParams(location.search).get("transport") as TransportName;

/** A new store, which ends with the test. It is not connected yet: accept its link. */
export async function newStore(name?: string): Promise<Store> {
  await ready;
  const way = endpoint(new URL("/_tower/socket", location.href), [transport]);
  const store = new Store(events => openConnection(way, events), name);
  after(() => store.close());
  return store;
}

/** A new store and the server's side of its connection. */
export async function online(change: Partial<Hello> = {}): Promise<{ store: Store; link: Link }> {
  const store = await newStore();
  const link = await accept();
  await link.greet(change);
  await state(store, ({ online }) => online);
  return { store, link };
}

/** Resolves once the client has applied all that was sent before: a call comes back after that. */
export async function applied(store: Store, link: Link): Promise<void> {
  const called = store.call("POST /sync");
  link.send({ id: await link.expect({ call: "POST /sync", in: {} }), status: 200 });
  await called;
}
