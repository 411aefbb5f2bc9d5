import { forms } from "./forms";
import { page } from "./page";
import { connect, type Store } from "./store";

export { Cursor, Value } from "./cursor";
export { TowerError } from "./error";
export { connect, Store } from "./store";
export type { CallOptions, Options, Pushed, Result, State } from "./store";
export type { TransportName } from "./dial";
export type { Closed } from "./transport";
export { ulid } from "./ulid";
export type { Failure, Narrowing, Problems, Row } from "./wire";

declare global {
  interface Window {
    /** The page's store. */
    tower: Store;
  }
}

window.tower = connect();
page(window.tower);
forms(window.tower);
