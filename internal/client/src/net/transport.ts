import type { Frame } from "../wire/frames";

/** A Transport opens links to the server, in one way. */
export interface Transport {
  readonly name: string;
  /** Starts to open a link. It calls no event before it returns, and none after close. */
  open(events: LinkEvents): Link;
}

/** A Link is one open way to the server. It does not reconnect. */
export interface Link {
  /** The id that the server gave the link, or "". */
  readonly id: string;
  send(frame: string): void;
  close(): void;
}

export interface LinkEvents {
  open(): void;
  /** Receives the frames of one message. An empty message only shows that the server is alive. */
  received(frames: Frame[]): void;
  close(closed: Closed): void;
}

/** The reason for the end of a link, with a WebSocket close code, or 4000 plus an HTTP status. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
  /** After how many seconds the client may connect again, if the server has said so. */
  readonly retryAfter?: number | undefined;
}

/** The code of a link that broke without a close. */
export const broken = 1006;

/** The code of a link whose server restarts. */
export const restarting = 1012;

/** The code of a link that the server refused with an HTTP status. */
export const refused = (status: number): number => 4000 + status;

/** The code of a link whose session has ended: the user signed out, here or elsewhere. */
export const signedOut = refused(401);

/** The code of a link that the server closed because of a frame over its size limit. */
export const tooBig = 1009;

/** Returns the message that the site refuses this client for good; "" if the connection was lost in another way. */
export function refusal(closed: Closed | null): string {
  return closed && [403, 421].map(refused).includes(closed.code) ? `the site refuses the connection: ${closed.reason.replace(/\.$/, "")}` : "";
}
