import { connect, type Followed, type HeldCursor, type HeldValue, type State } from "tower";
import { onScopeDispose, shallowRef, toValue, watchEffect, type MaybeRefOrGetter, type ShallowRef } from "vue";
import { heldCursor, heldValue, Lease, noCursor, noValue } from "./lease";

function useLease<F extends Followed<any>, Held extends object>(open: () => F, look: (followed: F) => Held, none: Held): ShallowRef<Held> {
  const held: ShallowRef<Held> = shallowRef<any>(none);
  watchEffect(onCleanup => {
    const { subscribe, getSnapshot } = new Lease(open, look);
    onCleanup(subscribe(() => (held.value = getSnapshot())));
  });
  return held;
}

export function useCursor(name: string, ...rest: MaybeRefOrGetter<any>[]): ShallowRef<HeldCursor<any>> {
  return useLease(() => connect().cursor(name, ...rest.map(toValue)), heldCursor, noCursor);
}

export function useValue(name: string, ...rest: MaybeRefOrGetter<any>[]): ShallowRef<HeldValue<any>> {
  return useLease(() => connect().value<any>(name, ...rest.map(toValue)), heldValue, noValue);
}

export function useConnection(): ShallowRef<State> {
  const store = connect();
  const state = shallowRef(store.state);
  onScopeDispose(store.subscribe(now => (state.value = now)));
  return state;
}
