import type { Connection, StoreEvents } from "./connection";
import { openConnection } from "./transports";
import { deadline, timeouts } from "./timeouts";
import { broken, type Closed } from "./transport";
import type { ClientFrame, Frame } from "../wire/frames";

/** What a page tells the worker. */
export type ToWorker = { join: string } | { send: ClientFrame } | { check: boolean } | { restart: true } | { leave: true };

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
 * A SharedConnection line is one that the pages of an origin have together: a worker keeps
 * their connection. Where there can be none, or it is silent, a connection of this
 * page's own takes its place.
 */
export class SharedConnection implements Connection {
  transport = "";
  readonly #endpoint: string;
  readonly #script: URL;
  readonly #events: StoreEvents;
  readonly #end = new AbortController();
  readonly ended = this.#end.signal;
  #port: MessagePort | null = null;
  #cancelDeadline: (() => void) | null = null; // ends the wait for the worker
  #release = () => {};

  /** Whether this browser has what it takes. A lock tells the worker when a page is gone. */
  static readonly supported = "SharedWorker" in globalThis && "locks" in navigator;

  constructor(endpoint: string, script: URL, events: StoreEvents) {
    this.#endpoint = endpoint;
    this.#script = script;
    this.#events = events;
    void this.#start();
  }

  send(frame: ClientFrame): void {
    this.#post({ send: frame });
  }

  check(now: boolean): void {
    if (this.#port) {
      this.#post({ check: now });
      this.#setDeadline();
    } else if (now) void this.#start();
  }

  restart(): void {
    this.#post({ restart: true });
  }

  pause(): void {
    this.#leave({ code: 1000, reason: "paused" }, false);
  }

  close(): void {
    if (!this.ended.aborted) this.#leave({ code: 1000, reason: "closed" }, true);
  }

  /** Asks the worker in. It is told the name of a lock, which it is given when this page is gone. */
  async #start(): Promise<void> {
    this.#setDeadline();
    try {
      const worker = new SharedWorker(this.#script, { type: "module", name: this.#endpoint });
      worker.onerror = () => this.#fallBack();
      this.#port = worker.port;
      this.#port.onmessage = ({ data }: MessageEvent<ToPage>) => this.#received(data);
      const lock = `tower.${crypto.randomUUID()}`;
      await navigator.locks.request(lock, () => {
        this.#post({ join: lock });
        return new Promise<void>(release => (this.#release = release));
      });
    } catch {
      this.#fallBack();
    }
  }

  #post(message: ToWorker): void {
    this.#port?.postMessage(message);
  }

  #received({ frames, transport = "", lost, final = false, full }: ToPage): void {
    this.#clearDeadline();
    if (full) this.#fallBack();
    else if (frames) {
      this.transport = transport;
      this.#events.received(frames);
    } else if (final) this.#leave(lost!, true);
    else if (lost) this.#events.lost(lost, false);
  }

  /** Leaves the worker if it says nothing from now on, however often it is asked meanwhile. */
  #setDeadline(): void {
    this.#cancelDeadline ??= deadline(() => this.#fallBack(), timeouts.worker);
  }

  #clearDeadline(): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = null;
  }

  /** Lets go of the worker. */
  #leave(closed: Closed, final: boolean): void {
    this.#clearDeadline();
    this.#post({ leave: true });
    this.#release();
    this.#port?.close();
    this.#port = null;
    if (final) this.#end.abort();
    this.#events.lost(closed, final);
  }

  #fallBack(): void {
    if (this.ended.aborted) return;
    this.#leave({ code: broken, reason: "the worker was silent" }, false);
    this.#end.abort();
    this.#events.replaced(openConnection(this.#endpoint, this.#events));
  }
}
