import type { State, Store } from "../src/store/store";

/** Resolves once the state meets a condition. */
export function state(store: Store, wanted: (state: State) => boolean): Promise<State> {
  return new Promise(resolve => {
    let done = () => {};
    done = store.subscribe(state => {
      if (!wanted(state)) return;
      resolve(state);
      queueMicrotask(() => done());
    });
  });
}
