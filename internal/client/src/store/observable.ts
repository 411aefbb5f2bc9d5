/**
 * An Observable holds a value, and tells its subscribers when that has been
 * replaced. It can be used as a store of Svelte's, and subscribe and
 * getSnapshot are what React's useSyncExternalStore asks for.
 */
export class Observable<T> {
  value: T;
  #subscribers = new Set<{ notify(value: T): void }>();

  constructor(value: T) {
    this.value = value;
  }

  readonly getSnapshot = (): T => this.value;

  /** Calls notify with the value, now and after each change, until the returned function is called. */
  readonly subscribe = (notify: (value: T) => void): (() => void) => {
    const subscriber = { notify };
    this.#subscribers.add(subscriber);
    notify(this.value);
    return () => this.#subscribers.delete(subscriber);
  };

  notify(): void {
    for (const subscriber of [...this.#subscribers]) safely(() => subscriber.notify(this.value));
  }
}

/** Runs what may throw without letting it stop the rest. */
export function safely(run: () => void): void {
  try {
    run();
  } catch (error) {
    report(error);
  }
}

/** Reports what nobody catches, as the browser does; in Node, on the console. */
export function report(error: unknown): void {
  (globalThis.reportError ?? console.error)(error);
}
