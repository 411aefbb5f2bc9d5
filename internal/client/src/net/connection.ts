import { times } from "./timeouts";
import type { Closed } from "./transport";
import type { Frame, Sent } from "../wire/frames";

/** A Line is what a store sends frames on. It comes back by itself when it is lost. */
export interface Line {
  /** The name of what carries it now. */
  readonly transport: string;
  /** Aborts when it has ended for good. */
  readonly ended: AbortSignal;
  send(frame: Sent): void;
  /** Looks whether the server is there: now, or if nothing has been heard for a while. */
  check(now: boolean): void;
  /** Connects anew, as whoever the cookie says. */
  restart(): void;
  /** Lets go of the server until the next check. */
  pause(): void;
  close(): void;
}

export interface LineEvents {
  /** The frames of a message. A hello among them begins a connection, also while there is one, whose place it takes. */
  received(frames: Frame[]): void;
  /** The connection has ended; for good, if final. */
  lost(closed: Closed, final: boolean): void;
}

export interface StoreEvents extends LineEvents {
  /** Another line takes the place of this one. */
  replaced(line: Line): void;
}

/** Has the line looked at while the page is seen, and when it wakes up. In Node there is no page, and nothing to wake. */
export function watch(line: Line): void {
  const { addEventListener, document } = globalThis;
  const options = { signal: line.ended };
  const seen = (now: boolean) => {
    if (document?.visibilityState !== "hidden") line.check(now);
  };
  const timer = setInterval(() => seen(false), times.look);
  line.ended.addEventListener("abort", () => clearInterval(timer));
  addEventListener?.("online", () => line.check(true), options);
  addEventListener?.("pagehide", () => line.pause(), options);
  addEventListener?.("pageshow", ({ persisted }) => persisted && line.check(true), options);
  document?.addEventListener("visibilitychange", () => seen(true), options);
  document?.addEventListener("resume", () => line.check(true), options);
}
