import { timeouts } from "./timeouts";
import type { Closed } from "./transport";
import type { ClientFrame, Frame } from "../wire/frames";

/** A Connection carries frames between a store and the server. It reconnects on its own. */
export interface Connection {
  /** The name of the transport in use. */
  readonly transport: string;
  /** Aborts when the connection has ended and will not reconnect. */
  readonly ended: AbortSignal;
  send(frame: ClientFrame): void;
  /** Checks that the server is reachable: now, or only after a long silence. */
  check(now: boolean): void;
  /** Connects again, as the user of the current cookie. */
  restart(): void;
  /** Disconnects until the next check. */
  pause(): void;
  close(): void;
}

export interface ConnectionEvents {
  /** Receives the frames of one message. A hello begins a new connection and replaces any open one. */
  received(frames: Frame[]): void;
  /** The connection was lost. If final, it will not reconnect. */
  lost(closed: Closed, final: boolean): void;
}

export interface StoreEvents extends ConnectionEvents {
  /** Another connection replaces this one. */
  replaced(connection: Connection): void;
}

/** Checks the connection regularly while the page is visible, and when the page or the network wakes up. In Node only the timer runs. */
export function watchPage(connection: Connection): void {
  const { addEventListener, document } = globalThis;
  const options = { signal: connection.ended };
  const checkIfVisible = (now: boolean) => {
    if (document?.visibilityState !== "hidden") connection.check(now);
  };
  const timer = setInterval(() => checkIfVisible(false), timeouts.check);
  connection.ended.addEventListener("abort", () => clearInterval(timer));
  addEventListener?.("online", () => connection.check(true), options);
  addEventListener?.("pagehide", () => connection.pause(), options);
  addEventListener?.("pageshow", ({ persisted }) => persisted && connection.check(true), options);
  addEventListener?.("visibilitychange", () => checkIfVisible(true), { ...options, capture: true });
  addEventListener?.("resume", () => connection.check(true), { ...options, capture: true });
}
