// The library without anything that needs a page. Importing it has no effect.
// It runs in Node and in browsers.

import { currency, number, percent, time } from "./wire/format";

export { Cursor, Value } from "./store/cursor";
export { TowerError } from "./wire/error";
export { Model } from "./store/model";
export type { Effect } from "./store/overlay";
export type { Result } from "./wire/result";
export { connect } from "./store/connect";
export type { Options } from "./store/connect";
export { Store } from "./store/store";
export type { CallOptions, CursorOptions, Pushed, State } from "./store/store";
export type { TransportName } from "./net/transports";
export type { Closed } from "./net/transport";
export { upload } from "./net/upload";
export type { UploadOptions } from "./net/upload";
export { ulid } from "./wire/ulid";
export type { Failure, Narrowing, Problems, Row } from "./wire/frames";
export { Write } from "./store/write";
export type { Refused } from "./store/write";

/** Numbers and times, written as pages of the server write them. */
export const format = { number, percent, currency, time };
