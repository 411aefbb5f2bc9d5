import { timeouts } from "./timeouts";
import type { Closed } from "./transport";
import type { ClientFrame, Frame } from "../wire/frames";

/** A Connection is what a store sends frames on. It comes back by itself when it is lost. */
export interface Connection {
  /** The name of what carries it now. */
  readonly transport: string;
  /** Aborts when it has ended for good. */
  readonly ended: AbortSignal;
  send(frame: ClientFrame): void;
  /** Looks whether the server is there: now, or if nothing has been heard for a while. */
  check(now: boolean): void;
  /** Connects anew, as whoever the cookie says. */
  restart(): void;
  /** Lets go of the server until the next check. */
  pause(): void;
  close(): void;
}

export interface ConnectionEvents {
  /** The frames of a message. A hello among them begins a connection, also while there is one, whose place it takes. */
  received(frames: Frame[]): void;
  /** The connection has ended; for good, if final. */
  lost(closed: Closed, final: boolean): void;
}

export interface StoreEvents extends ConnectionEvents {
  /** Another line takes the place of this one. */
  replaced(connection: Connection): void;
}

/** Has the line looked at while the page is seen, and when it wakes up. In Node there is no page, and nothing to wake. */
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
  document?.addEventListener("visibilitychange", () => checkIfVisible(true), options);
  document?.addEventListener("resume", () => connection.check(true), options);
}
