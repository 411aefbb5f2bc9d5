// The library. It does nothing by itself, and runs in Node as in a browser.

export { Cursor, Value } from "./cursor";
export { TowerError } from "./error";
export { Model } from "./model";
export type { Effect } from "./pending";
export type { Result } from "./result";
export { connect, Store } from "./store";
export type { CallOptions, CursorOptions, Options, Pushed, State } from "./store";
export type { TransportName } from "./dial";
export type { Closed } from "./transport";
export { ulid } from "./ulid";
export type { Failure, Narrowing, Problems, Row } from "./wire";
export { Write } from "./write";
export type { Refused } from "./write";
