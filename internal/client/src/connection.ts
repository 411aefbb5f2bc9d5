import type { Closed, Link, Transport } from "./transport";
import { unsupportedVersion, version, type Sent } from "./wire";

const soonest = 100; // ms before the first retry, at most
const longest = 10_000; // ms before any other, and until a server must have said hello
const restarting = 1012;

export interface ConnectionEvents {
  message(message: string): void;
  /** The link has ended; for good, if final. */
  lost(closed: Closed, final: boolean): void;
}

/**
 * A Connection keeps a link to the server: it says hello, and when the link is
 * lost it dials again; soon at first, later while that fails, and at once when
 * the network or the reader comes back.
 */
export class Connection {
  readonly #transport: Transport;
  readonly #events: ConnectionEvents;
  readonly #ended = new AbortController();
  #link: Link | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #greeted = 0;

  constructor(transport: Transport, events: ConnectionEvents) {
    this.#transport = transport;
    this.#events = events;
    const { signal } = this.#ended;
    const wake = () => {
      if (!this.#link) this.#dial();
    };
    const seen = () => {
      if (document.visibilityState === "visible") wake();
    };
    globalThis.addEventListener?.("online", wake, { signal }); // there are no such events in Node
    globalThis.document?.addEventListener("visibilitychange", seen, { signal });
    this.#dial();
  }

  send(frame: Sent): void {
    this.#link?.send(JSON.stringify(frame));
  }

  /** Says that the server's hello has come. */
  greeted(): void {
    clearTimeout(this.#timer);
    this.#greeted = performance.now();
  }

  /** Gives up the link for a new one. */
  restart(): void {
    this.#drop({ code: restarting, reason: "restart" });
  }

  close(): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    this.#drop({ code: 1000, reason: "closed" });
  }

  #dial = (): void => {
    clearTimeout(this.#timer);
    const link = this.#transport.open({
      open: () => this.send({ hello: version }),
      message: message => this.#events.message(message),
      close: closed => this.#lost(closed),
    });
    this.#link = link;
    this.#greeted = 0;
    this.#timer = setTimeout(() => this.#drop({ code: 1006, reason: "the server did not answer" }), longest);
  };

  #drop(closed: Closed): void {
    this.#link?.close();
    this.#lost(closed);
  }

  #lost(closed: Closed): void {
    this.#link = null;
    clearTimeout(this.#timer);
    if (closed.reason.startsWith(unsupportedVersion)) this.#ended.abort();
    this.#events.lost(closed, this.#ended.signal.aborted);
    if (this.#ended.signal.aborted) return;

    // Only a link that held for a while counts as a success: else who is sent
    // away after each hello would come back at once, again and again.
    const steady = this.#greeted > 0 && performance.now() - this.#greeted > longest;
    if (steady || closed.code === restarting) this.#failures = 0;
    const most = Math.min(longest, soonest * 2 ** this.#failures++);
    this.#timer = setTimeout(this.#dial, Math.random() * most);
  }
}
