import type { Line, LineEvents } from "./connection";
import { dial } from "./dial";
import { deadline, times } from "./times";
import { broken, type Closed } from "./transport";
import type { Frame, Sent } from "./wire";

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
 * their connection. Where there can be none, or it is silent, the page has a
 * connection of its own.
 */
export class Shared implements Line {
  readonly #route: string;
  readonly #script: URL;
  readonly #events: LineEvents;
  readonly #end = new AbortController();
  #port: MessagePort | null = null;
  #own: Line | null = null;
  #transport = "";
  #callOff = () => {}; // ends the wait for the worker
  #release = () => {};

  /** Whether this browser has what it takes. A lock tells the worker when a page is gone. */
  static readonly possible = "SharedWorker" in globalThis && "locks" in navigator;

  constructor(route: string, script: URL, events: LineEvents) {
    this.#route = route;
    this.#script = script;
    this.#events = events;
    this.#join();
  }

  get transport(): string {
    return this.#own?.transport ?? this.#transport;
  }

  get ended(): AbortSignal {
    return this.#end.signal;
  }

  send(frame: Sent): void {
    if (this.#own) this.#own.send(frame);
    else this.#tell({ send: frame });
  }

  check(now: boolean): void {
    if (this.#own) this.#own.check(now);
    else if (this.#port) {
      this.#tell({ check: now });
      this.#expect();
    } else if (now && !this.ended.aborted) this.#join();
  }

  restart(): void {
    if (this.#own) this.#own.restart();
    else this.#tell({ restart: true });
  }

  pause(): void {
    if (this.#own) this.#own.pause();
    else this.#part({ code: 1000, reason: "paused" }, false);
  }

  close(): void {
    if (this.ended.aborted) return;
    if (this.#own) this.#own.close();
    else this.#part({ code: 1000, reason: "closed" }, true);
    this.#end.abort();
  }

  #join(): void {
    let worker: SharedWorker;
    try {
      worker = new SharedWorker(this.#script, { type: "module", name: this.#route });
    } catch {
      return this.#leave();
    }
    worker.onerror = () => this.#leave();
    const port = (this.#port = worker.port);
    port.onmessage = ({ data }: MessageEvent<ToPage>) => this.#heard(data);
    this.#expect();
    const lock = `tower.${crypto.randomUUID()}`;
    const held = navigator.locks.request(lock, () => {
      port.postMessage({ join: lock } satisfies ToWorker);
      return new Promise<void>(release => (this.#release = release));
    });
    held.catch(() => this.#leave());
  }

  #tell(word: ToWorker): void {
    this.#port?.postMessage(word);
  }

  #heard({ frames, transport, lost, final = false, full }: ToPage): void {
    this.#callOff();
    if (full) this.#leave();
    else if (frames) {
      this.#transport = transport!;
      this.#events.received(frames);
    } else if (lost) {
      if (final) this.#part(lost, true);
      else this.#events.lost(lost, false);
      if (final) this.#end.abort();
    }
  }

  #expect(): void {
    this.#callOff();
    this.#callOff = deadline(() => this.#leave(), times.worker);
  }

  /** Lets go of the worker. */
  #part(closed: Closed, final: boolean): void {
    const had = this.#port;
    this.#callOff();
    this.#tell({ leave: true });
    this.#release();
    this.#port?.close();
    this.#port = null;
    if (had || final) this.#events.lost(closed, final);
  }

  /** Leaves the worker for a connection of this page's own. */
  #leave(): void {
    if (this.#own) return;
    this.#part({ code: broken, reason: "the worker was silent" }, false);
    this.#own = dial(this.#route, this.#events);
    this.#own.ended.addEventListener("abort", () => this.#end.abort());
  }
}
