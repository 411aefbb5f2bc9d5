// The frames of the protocol. internal/wire describes them and what they mean.

import type { Fields, Where } from "./conditions";

export const version = 1;

/** Begins the reason of a close after which it makes no sense to come back. */
export const unsupportedVersion = "unsupported version";

/** What the user may call and open. */
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
}

/** An answer also holds the records of an opened cursor, under its model's name: see records. */
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
  /** The ids, by model, of the records that the cursor includes. */
  include?: Record<string, string[]>;
  items?: Item[];
  /** Of a cursor that carries one; null is a value. */
  value?: unknown;
}

/** A commit also holds the records it touched, under the names of their models: see records. */
export interface Commit {
  /** The first of several commits that were merged. */
  from?: number;
  seq: number;
  ack?: boolean;
  /** What the user may use from now on, if that is another. */
  allowed?: Allowed;
  cursors?: Record<string, Delta>;
}

export interface Push {
  push: string;
  status: number;
  out?: unknown;
  error?: Failure;
}

/** What the server could not understand; it answers no request. */
export interface Complaint {
  status: number;
  error: Failure;
}

export type Frame = Hello | Answer | Commit | Push | Complaint;

export interface Failure {
  code: string;
  message: string;
  problems?: Problems;
}

/** Messages by field; "" holds those of the whole record. */
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

/** What is known here of what a cursor holds. */
export interface Scope {
  fields: Fields;
  where?: Where;
  order?: readonly string[];
  limit?: number;
  offset?: number;
  /** There is more to it, which only the server judges. */
  rule?: boolean;
  /** Only the server knows the order. */
  ranked?: boolean;
}

export interface Delta {
  to?: number;
  scope?: Scope;
  enter?: Entry[];
  change?: Entry[];
  leave?: string[];
  /** What is applied after it, one by one. */
  then?: Delta[];
  closed?: Failure;
  /** Of a cursor that carries one, if it is another. */
  value?: unknown;
  /** What becomes of the records that the cursor includes, by model. They have no order. */
  include?: Record<string, Delta>;
}

export interface Row {
  id: string;
}

/** What opens a list of records. */
export interface Open extends Narrowing {
  open: string;
  in: unknown;
  /** Asks for the scope, too. */
  scope?: boolean;
}

export interface Narrowing {
  where?: Where;
  order?: readonly string[];
  limit?: number;
}

/** What opens a list of a page's elements. */
export interface Live {
  live: string;
}

/** A route, and what it is given. */
export type CallBody = { call: string } & ({ in: unknown } | { form: string });

export type Call = CallBody & { key: string };

/** A frame that is answered. */
export type Request = ((Open | Live) & { since?: string }) | { close: number } | Call;

export type ClientFrame = { hello: number; instead?: string } | { ping: true } | { applied: number; from?: number } | ({ id: number } & Request);

/** What a stream's event holds, or what answers a poll; nothing of all this is a sign of life. */
export interface Delivery {
  /** The link that was opened. */
  link?: string;
  number?: number;
  message?: Frame | Frame[];
  end?: { code: number; reason: string };
}

/** The frames of a message: the elements of an array, or the message itself. */
export function decode(message: string): Frame[] {
  return framesOf(parse(message) as Frame | Frame[]);
}

export function framesOf(message: Frame | Frame[]): Frame[] {
  return Array.isArray(message) ? message : [message];
}

const tokenPattern = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** What JSON says; a whole number that JavaScript cannot hold is the text of its digits. */
export function parse(json: string): unknown {
  if (/\d{16}/.test(json)) {
    json = json.replace(tokenPattern, token => (/^-?\d{16,}$/.test(token) && String(Number(token)) !== token ? `"${token}"` : token));
  }
  return JSON.parse(json);
}

/** The records of a model that a frame holds. */
export function records<T extends Row>(frame: Answer | Commit, model: string): T[] {
  return (frame as unknown as Record<string, T[] | undefined>)[model] ?? [];
}

/** A place in the store's history, as "epoch:seq". */
export function position(epoch: string, seq: number): string {
  return `${epoch}:${seq}`;
}

/** The seq of a position. */
export function seqOf(position: string): number {
  return Number(position.split(":").pop());
}
