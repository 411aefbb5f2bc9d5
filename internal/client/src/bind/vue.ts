import { connect, type Followed, type HeldCursor, type HeldValue, type State } from "tower";
import { onScopeDispose, shallowRef, toValue, watchEffect, type MaybeRefOrGetter, type ShallowRef } from "vue";
import { heldCursor, heldValue, noCursor, noValue, Subscription } from "./subscription";

function useSubscription<F extends Followed<any>, View extends object>(open: () => F, select: (followed: F) => View, none: View): ShallowRef<View> {
  const view: ShallowRef<View> = shallowRef<any>(none);
  watchEffect(onCleanup => {
    const { subscribe, getSnapshot } = new Subscription(open, select);
    onCleanup(subscribe(() => (view.value = getSnapshot())));
  });
  return view;
}

export function useCursor(name: string, ...rest: MaybeRefOrGetter<any>[]): ShallowRef<HeldCursor<any>> {
  return useSubscription(() => connect().cursor(name, ...rest.map(toValue)), heldCursor, noCursor);
}

export function useValue(name: string, ...rest: MaybeRefOrGetter<any>[]): ShallowRef<HeldValue<any>> {
  return useSubscription(() => connect().value<any>(name, ...rest.map(toValue)), heldValue, noValue);
}

export function useConnection(): ShallowRef<State> {
  const store = connect();
  const state = shallowRef(store.state);
  onScopeDispose(store.subscribe(now => (state.value = now)));
  return state;
}
