// The frames of the protocol. internal/wire documents them.

import type { Fields, Where } from "./conditions";

export const version = 1;

/** A close reason with this prefix means that reconnecting cannot succeed. */
export const unsupportedVersion = "unsupported version";

/** The actions that the user may call and the cursors that the user may open. */
export interface Allowed {
  actions: string[] | null;
  cursors: string[] | null;
}

export interface Hello extends Allowed {
  hello: number;
  epoch: string;
  seq: number;
  build: string;
  user?: string;
  /** How many seconds lie at least between two audits; missing if the server wants none. */
  audit?: number;
}

/** The reply to a request. It also holds an opened cursor's records, under the model's name: see records. */
export interface Answer {
  id: number;
  status: number;
  at?: string;
  out?: unknown;
  repeated?: boolean;
  location?: string;
  session?: string;
  error?: Failure;
  cursor?: number;
  model?: string;
  scope?: Scope;
  since?: string;
  delta?: Delta;
  resync?: string;
  ids?: string[];
  /** The ids of the included records, by model. */
  include?: Record<string, string[]>;
  items?: Item[];
  /** Set for a cursor that carries a value. null is a value. */
  value?: unknown;
}

/** A commit's changes. It also holds the changed records, under their models' names: see records. */
export interface Commit {
  /** The first seq of a merged frame. */
  from?: number;
  seq: number;
  ack?: boolean;
  /** The new permissions, if the commit changed them. */
  allowed?: Allowed;
  cursors?: Record<string, Delta>;
}

export interface Push {
  push: string;
  status: number;
  out?: unknown;
  error?: Failure;
}

/** Reports a frame that the server could not read. It answers no request. */
export interface Complaint {
  status: number;
  error: Failure;
}

export type Frame = Hello | Answer | Commit | Push | Complaint;

export interface Failure {
  code: string;
  message: string;
  problems?: Problems;
  /** After how many seconds the request may be sent again; missing if that is not known. */
  retryAfter?: number;
  /** The id by which the server's log names the request; missing if the error says everything. */
  request?: string;
}

/** Messages by field name. The key "" holds messages about the whole record. */
export type Problems = Record<string, string[]>;

export interface Item {
  id: string;
  html: string;
}

export interface Entry {
  id: string;
  after?: string;
  html?: string;
}

/** The part of a cursor's query that the server shares with the client. */
export interface Scope {
  fields: Fields;
  where?: Where;
  order?: readonly string[];
  limit?: number;
  offset?: number;
  /** Set if a rule that only the server knows also applies. */
  rule?: boolean;
  /** Set if only the server knows the order. */
  ranked?: boolean;
}

export interface Delta {
  to?: number;
  scope?: Scope;
  enter?: Entry[];
  change?: Entry[];
  leave?: string[];
  /** Deltas to apply after this one, in order. */
  then?: Delta[];
  closed?: Failure;
  /** The new value of a cursor that carries one. */
  value?: unknown;
  /** Changes of the included records, by model. Included records have no order. */
  include?: Record<string, Delta>;
}

export interface Row {
  id: string;
}

/** Opens a list of records. */
export interface Open extends Narrowing {
  open: string;
  in: unknown;
  /** Asks the server to send the scope too. */
  scope?: boolean;
}

export interface Narrowing {
  where?: Where;
  order?: readonly string[];
  limit?: number;
}

/** Opens a list of a page's elements. */
export interface Live {
  live: string;
}

/** A route and its input. */
export type CallBody = { call: string } & ({ in: unknown } | { form: string });

export type Call = CallBody & { key: string };

/** The body of a frame that the server answers. */
export type Request = ((Open | Live) & { since?: string }) | { close: number } | Call;

/** The checksum of what a cursor holds after a commit, and those of its first records. A value has none. */
export interface Audit {
  audit: number;
  seq: number;
  sum: number;
  rows?: number[];
}

/** A frame that the client sends. */
export type ClientFrame = { hello: number; instead?: string; zone?: string } | { ping: true } | { applied: number; from?: number } | Audit | ({ id: number } & Request);

/** The data of one event of a stream, or the response to a poll. An empty one only shows that the server is alive. */
export interface Delivery {
  /** The id of the link, once it is open. */
  link?: string;
  number?: number;
  message?: Frame | Frame[];
  end?: { code: number; reason: string };
}

/** Parses a message into its frames. A message is one frame or an array of frames. */
export function decode(message: string): Frame[] {
  return framesOf(parse(message) as Frame | Frame[]);
}

export function framesOf(message: Frame | Frame[]): Frame[] {
  return Array.isArray(message) ? message : [message];
}

const tokenPattern = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Parses JSON. A whole number that a JavaScript number cannot represent becomes a string of its digits. */
export function parse(json: string): unknown {
  if (/\d{16}/.test(json)) {
    json = json.replace(tokenPattern, token => (/^-?\d{16,}$/.test(token) && String(Number(token)) !== token ? `"${token}"` : token));
  }
  return JSON.parse(json);
}

/** Returns a frame's records of a model. */
export function records<T extends Row>(frame: Answer | Commit, model: string): T[] {
  return (frame as unknown as Record<string, T[] | undefined>)[model] ?? [];
}

/** Formats a position in the store's history, as "epoch:seq". */
export function position(epoch: string, seq: number): string {
  return `${epoch}:${seq}`;
}

/** Returns the seq of a position. */
export function seqOf(position: string): number {
  return Number(position.split(":").pop());
}
