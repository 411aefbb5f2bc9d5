import { useMemo, useSyncExternalStore } from "react";
import { connect, type Followed, type HeldCursor, type HeldValue, type State } from "tower";
import { heldCursor, heldValue, Lease, noCursor, noValue } from "./lease";

function useLease<F extends Followed<any>, Held extends object>(key: unknown[], open: () => F, look: (followed: F) => Held, none: Held): Held {
  const { subscribe, getSnapshot } = useMemo(() => new Lease(open, look), [JSON.stringify(key)]);
  return useSyncExternalStore(subscribe, getSnapshot, () => none);
}

export function useCursor(name: string, ...rest: any[]): HeldCursor<any> {
  return useLease([name, rest], () => connect().cursor(name, ...rest), heldCursor, noCursor);
}

export function useValue(name: string, ...rest: any[]): HeldValue<any> {
  return useLease([name, rest], () => connect().value<any>(name, ...rest), heldValue, noValue);
}

export function useConnection(): State {
  const { subscribe, getSnapshot } = connect();
  return useSyncExternalStore(subscribe, getSnapshot);
}
