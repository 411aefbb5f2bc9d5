import type { CursorArguments, CursorName, CursorRecord, HeldCursor, HeldValue, State, ValueArguments, ValueName } from "tower";
import type { MaybeRefOrGetter, ShallowRef } from "vue";

type Reactive<Arguments extends unknown[]> = { [Argument in keyof Arguments]: MaybeRefOrGetter<Arguments[Argument]> };

/** Follows a cursor until the component is unmounted. If an argument changes, it switches to another cursor. */
export function useCursor<N extends CursorName>(name: N, ...rest: Reactive<CursorArguments<N>>): Readonly<ShallowRef<HeldCursor<CursorRecord<N>>>>;

/** Follows a value until the component is unmounted. If an argument changes, it switches to another value. */
export function useValue<V = number, N extends ValueName = ValueName>(name: N, ...rest: Reactive<ValueArguments<N>>): Readonly<ShallowRef<HeldValue<V>>>;

/** Follows the state of the page's connection. */
export function useConnection(): Readonly<ShallowRef<State>>;
