/**
 * An Observable holds a value and notifies subscribers when it is replaced. It is a
 * Svelte store. subscribe and getSnapshot fit React's useSyncExternalStore.
 */
export class Observable<T> {
  value: T;
  #subscribers = new Set<{ notify(value: T): void }>();

  constructor(value: T) {
    this.value = value;
  }

  readonly getSnapshot = (): T => this.value;

  /** Calls notify with the value, now and after each change. Returns a function that unsubscribes. */
  readonly subscribe = (notify: (value: T) => void): (() => void) => {
    const subscriber = { notify };
    this.#subscribers.add(subscriber);
    notify(this.value);
    return () => this.#subscribers.delete(subscriber);
  };

  /** Notifies the subscribers of a new value. */
  notify(): void {
    for (const subscriber of [...this.#subscribers]) safely(() => subscriber.notify(this.value));
  }
}

/** Runs a function and reports an error that it throws. Returns whether it threw none. */
export function safely(run: () => void): boolean {
  try {
    run();
    return true;
  } catch (error) {
    report(error);
    return false;
  }
}

/** Reports an error as the browser reports an uncaught one. In Node, it prints to the console. */
export function report(error: unknown): void {
  (globalThis.reportError ?? console.error)(error);
}
