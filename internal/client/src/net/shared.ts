import type { Line, StoreEvents } from "./connection";
import { dial } from "./transports";
import { deadline, times } from "./timeouts";
import { broken, type Closed } from "./transport";
import type { Frame, Sent } from "../wire/frames";

/** What a page tells the worker. */
export type ToWorker = { join: string } | { send: Sent } | { check: boolean } | { restart: true } | { leave: true };

/** What the worker tells a page; none of all this is a sign of life. */
export interface ToPage {
  frames?: Frame[];
  transport?: string;
  lost?: Closed;
  final?: boolean;
  /** The worker cannot serve this page, too. */
  full?: boolean;
}

/**
 * A Shared line is one that the pages of an origin have together: a worker keeps
 * their connection. Where there can be none, or it is silent, a connection of this
 * page's own takes its place.
 */
export class Shared implements Line {
  transport = "";
  readonly #route: string;
  readonly #script: URL;
  readonly #events: StoreEvents;
  readonly #end = new AbortController();
  readonly ended = this.#end.signal;
  #port: MessagePort | null = null;
  #callOff: (() => void) | null = null; // ends the wait for the worker
  #release = () => {};

  /** Whether this browser has what it takes. A lock tells the worker when a page is gone. */
  static readonly possible = "SharedWorker" in globalThis && "locks" in navigator;

  constructor(route: string, script: URL, events: StoreEvents) {
    this.#route = route;
    this.#script = script;
    this.#events = events;
    void this.#start();
  }

  send(frame: Sent): void {
    this.#tell({ send: frame });
  }

  check(now: boolean): void {
    if (this.#port) {
      this.#tell({ check: now });
      this.#expect();
    } else if (now) void this.#start();
  }

  restart(): void {
    this.#tell({ restart: true });
  }

  pause(): void {
    this.#part({ code: 1000, reason: "paused" }, false);
  }

  close(): void {
    if (!this.ended.aborted) this.#part({ code: 1000, reason: "closed" }, true);
  }

  /** Asks the worker in. It is told the name of a lock, which it is given when this page is gone. */
  async #start(): Promise<void> {
    this.#expect();
    try {
      const worker = new SharedWorker(this.#script, { type: "module", name: this.#route });
      worker.onerror = () => this.#leave();
      this.#port = worker.port;
      this.#port.onmessage = ({ data }: MessageEvent<ToPage>) => this.#heard(data);
      const lock = `tower.${crypto.randomUUID()}`;
      await navigator.locks.request(lock, () => {
        this.#tell({ join: lock });
        return new Promise<void>(release => (this.#release = release));
      });
    } catch {
      this.#leave();
    }
  }

  #tell(word: ToWorker): void {
    this.#port?.postMessage(word);
  }

  #heard({ frames, transport = "", lost, final = false, full }: ToPage): void {
    this.#stopWaiting();
    if (full) this.#leave();
    else if (frames) {
      this.transport = transport;
      this.#events.received(frames);
    } else if (final) this.#part(lost!, true);
    else if (lost) this.#events.lost(lost, false);
  }

  /** Leaves the worker if it says nothing from now on, however often it is asked meanwhile. */
  #expect(): void {
    this.#callOff ??= deadline(() => this.#leave(), times.worker);
  }

  #stopWaiting(): void {
    this.#callOff?.();
    this.#callOff = null;
  }

  /** Lets go of the worker. */
  #part(closed: Closed, final: boolean): void {
    this.#stopWaiting();
    this.#tell({ leave: true });
    this.#release();
    this.#port?.close();
    this.#port = null;
    if (final) this.#end.abort();
    this.#events.lost(closed, final);
  }

  #leave(): void {
    if (this.ended.aborted) return;
    this.#part({ code: broken, reason: "the worker was silent" }, false);
    this.#end.abort();
    this.#events.replaced(dial(this.#route, this.#events));
  }
}
