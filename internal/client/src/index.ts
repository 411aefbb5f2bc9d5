import { forms } from "./forms";
import { page } from "./page";
import { connect, type Store } from "./store";

export { Cursor, Value } from "./cursor";
export { TowerError } from "./error";
export { Model } from "./model";
export type { Effect } from "./pending";
export type { Result } from "./result";
export { connect, Store } from "./store";
export type { CallOptions, CursorOptions, Options, Pushed, State } from "./store";
export type { Closed } from "./transport";
export { ulid } from "./ulid";
export type { Failure, Narrowing, Problems, Row } from "./wire";
export { Write } from "./write";
export type { Refused } from "./write";

declare global {
  interface Window {
    /** The page's store. */
    tower: Store;
  }
}

window.tower = connect();
page(window.tower);
forms(window.tower);
