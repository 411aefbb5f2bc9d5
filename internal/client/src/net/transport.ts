import type { Frame } from "../wire/frames";

/** A Transport is a way to reach the server. */
export interface Transport {
  readonly name: string;
  /** Begins to open a link. It calls no event before it has returned, and none after close. */
  open(events: LinkEvents): Link;
}

export interface Link {
  /** By which the server knows it; "" if it does not. */
  readonly id: string;
  send(frame: string): void;
  close(): void;
}

export interface LinkEvents {
  open(): void;
  /** The frames of a message; none is a sign of life. */
  received(frames: Frame[]): void;
  close(closed: Closed): void;
}

/** Why a link has ended, in the codes of WebSocket. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** The code of a link that broke: nobody has ended it. */
export const broken = 1006;

/** The code of a link to a server that restarts. */
export const restarting = 1012;

/** The code of a link over which a frame was sent that the server does not take. */
export const tooBig = 1009;
