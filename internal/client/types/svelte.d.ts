import type { CursorArguments, CursorName, CursorRecord, HeldCursor, HeldValue, State, ValueArguments, ValueName } from "tower";

/** A store of Svelte's. */
export interface Readable<T> {
  subscribe(run: (value: T) => void): () => void;
}

/** A cursor, followed while it is subscribed to. */
export function cursor<N extends CursorName>(name: N, ...rest: CursorArguments<N>): Readable<HeldCursor<CursorRecord<N>>>;

/** A value, followed while it is subscribed to. */
export function value<V = number, N extends ValueName = ValueName>(name: N, ...rest: ValueArguments<N>): Readable<HeldValue<V>>;

/** The state of the page's connection. */
export function connection(): Readable<State>;
