import { useMemo, useSyncExternalStore } from "react";
import { connect, type Followed, type HeldCursor, type HeldValue, type State } from "tower";
import { heldCursor, heldValue, noCursor, noValue, Subscription } from "./subscription";

function useSubscription<F extends Followed<any>, View extends object>(key: unknown[], open: () => F, select: (followed: F) => View, none: View): View {
  const { subscribe, getSnapshot } = useMemo(() => new Subscription(open, select), [JSON.stringify(key)]);
  return useSyncExternalStore(subscribe, getSnapshot, () => none);
}

export function useCursor(name: string, ...rest: any[]): HeldCursor<any> {
  return useSubscription([name, rest], () => connect().cursor(name, ...rest), heldCursor, noCursor);
}

export function useValue(name: string, ...rest: any[]): HeldValue<any> {
  return useSubscription([name, rest], () => connect().value<any>(name, ...rest), heldValue, noValue);
}

export function useConnection(): State {
  const { subscribe, getSnapshot } = connect();
  return useSyncExternalStore(subscribe, getSnapshot);
}
