import { connect, type Followed, type HeldCursor, type HeldValue, type State } from "tower";
import { heldCursor, heldValue, Subscription } from "./subscription";

export interface Readable<T> {
  subscribe(run: (value: T) => void): () => void;
}

function readable<F extends Followed<any>, View extends object>(open: () => F, select: (followed: F) => View): Readable<View> {
  const { subscribe, getSnapshot } = new Subscription(open, select);
  return { subscribe: run => subscribe(() => run(getSnapshot())) };
}

export function cursor(name: string, ...rest: any[]): Readable<HeldCursor<any>> {
  return readable(() => connect().cursor(name, ...rest), heldCursor);
}

export function value(name: string, ...rest: any[]): Readable<HeldValue<any>> {
  return readable(() => connect().value<any>(name, ...rest), heldValue);
}

export function connection(): Readable<State> {
  return connect();
}
