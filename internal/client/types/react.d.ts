import type { CursorArguments, CursorName, CursorRecord, HeldCursor, HeldValue, State, ValueArguments, ValueName } from "tower";

/** Follows a cursor while the component is mounted. */
export function useCursor<N extends CursorName>(name: N, ...rest: CursorArguments<N>): HeldCursor<CursorRecord<N>>;

/** Follows a value while the component is mounted. */
export function useValue<V = number, N extends ValueName = ValueName>(name: N, ...rest: ValueArguments<N>): HeldValue<V>;

/** Follows the state of the page's connection. */
export function useConnection(): State;
