import { connect, type Followed, type HeldCursor, type HeldValue, type State } from "tower";
import { heldCursor, heldValue, Lease } from "./lease";

export interface Readable<T> {
  subscribe(run: (value: T) => void): () => void;
}

function readable<F extends Followed<any>, Held extends object>(open: () => F, look: (followed: F) => Held): Readable<Held> {
  const { subscribe, getSnapshot } = new Lease(open, look);
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
