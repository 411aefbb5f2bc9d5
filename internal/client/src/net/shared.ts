import type { Connection, StoreEvents } from "./connection";
import { openConnection } from "./transports";
import { deadline, timeouts } from "./timeouts";
import { broken, type Closed } from "./transport";
import type { ClientFrame, Frame } from "../wire/frames";

/** A message from a page to the worker. */
export type ToWorker = { join: string } | { send: ClientFrame } | { check: boolean } | { restart: true } | { leave: true };

/** A message from the worker to a page. An empty one only shows that the worker is alive. */
export interface ToPage {
  frames?: Frame[];
  transport?: string;
  lost?: Closed;
  final?: boolean;
  /** The worker cannot serve this page. */
  full?: boolean;
}

/**
 * A SharedConnection uses the connection of a worker that the pages of an origin
 * share. If the worker cannot start or does not answer, a DirectConnection of this
 * page replaces it.
 */
export class SharedConnection implements Connection {
  transport = "";
  readonly #endpoint: string;
  readonly #script: URL;
  readonly #events: StoreEvents;
  readonly #end = new AbortController();
  readonly ended = this.#end.signal;
  #port: MessagePort | null = null;
  #cancelDeadline: (() => void) | null = null; // set while the page waits for the worker
  #release = () => {};

  /** Whether this browser has shared workers and locks. The worker learns by a lock when a page is gone. */
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

  /** Joins the worker. The page holds a lock whose name it sends; the worker gets the lock when the page is gone. */
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

  /** Falls back to a direct connection unless the worker answers. Further messages do not extend the deadline. */
  #setDeadline(): void {
    this.#cancelDeadline ??= deadline(() => this.#fallBack(), timeouts.worker);
  }

  #clearDeadline(): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = null;
  }

  /** Leaves the worker. */
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
