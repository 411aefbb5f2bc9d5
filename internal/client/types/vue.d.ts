import type { CursorArguments, CursorName, CursorRecord, HeldCursor, HeldValue, State, ValueArguments, ValueName } from "tower";
import type { MaybeRefOrGetter, ShallowRef } from "vue";

type Reactive<Arguments extends unknown[]> = { [Argument in keyof Arguments]: MaybeRefOrGetter<Arguments[Argument]> };

/** Follows a cursor, and another one when what it is given changes, until the component is unmounted. */
export function useCursor<N extends CursorName>(name: N, ...rest: Reactive<CursorArguments<N>>): Readonly<ShallowRef<HeldCursor<CursorRecord<N>>>>;

/** Follows a value, and another one when what it is given changes, until the component is unmounted. */
export function useValue<V = number, N extends ValueName = ValueName>(name: N, ...rest: Reactive<ValueArguments<N>>): Readonly<ShallowRef<HeldValue<V>>>;

/** Follows the state of the page's connection. */
export function useConnection(): Readonly<ShallowRef<State>>;
