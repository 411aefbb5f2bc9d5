import type { CursorArguments, CursorName, CursorRecord, HeldCursor, HeldValue, State, ValueArguments, ValueName } from "tower";

/** A Svelte store. */
export interface Readable<T> {
  subscribe(run: (value: T) => void): () => void;
}

/** Returns a store that follows a cursor while it has subscribers. */
export function cursor<N extends CursorName>(name: N, ...rest: CursorArguments<N>): Readable<HeldCursor<CursorRecord<N>>>;

/** Returns a store that follows a value while it has subscribers. */
export function value<V = number, N extends ValueName = ValueName>(name: N, ...rest: ValueArguments<N>): Readable<HeldValue<V>>;

/** Returns a store of the state of the page's connection. */
export function connection(): Readable<State>;
