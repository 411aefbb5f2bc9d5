import type { Store } from "../store/store";
import type { Problems } from "../wire/frames";
import type { Refused, StoredWrite } from "../store/write";

type Show = (form: HTMLFormElement, problems: Problems, message: string) => void;

/**
 * An UnsentList shows, in the page's element with data-outbox, what its forms have
 * sent and what waits for a connection, or was refused while nobody looked. Each is
 * a copy of what is in the element's template, with data-state "waiting" or
 * "refused": [data-text] gets what was put in, [data-wrong] what is wrong with it;
 * a[data-edit] leads back to its form and [data-discard] gives it up. On the page
 * of that form, what was refused is in its fields again, with its problems.
 */
export class UnsentList {
  readonly #store: Store;
  readonly #show: Show;
  readonly #filled = new WeakMap<HTMLFormElement, Refused>();

  constructor(store: Store, show: Show) {
    this.#store = store;
    this.#show = show;
    let shown = -1;
    const schedule = () => queueMicrotask(() => this.render()); // who has just written is not waiting yet
    store.subscribe(({ pending }) => {
      if (pending !== shown) schedule();
      shown = pending;
    });
    store.refused.subscribe(schedule);
  }

  get element(): HTMLElement | null {
    return document.querySelector("[data-outbox]");
  }

  /** A form is sent anew: what had come back in it is done with. */
  sent(form: HTMLFormElement): void {
    this.#filled.get(form)?.dismiss();
    this.#filled.delete(form);
  }

  render(): void {
    const { unattended, refused } = this.#store;
    for (const one of refused.value) this.#fill(one);
    const { element } = this;
    const first = element?.querySelector("template")?.content.firstElementChild;
    if (!element || !first) return;
    for (const old of element.querySelectorAll(":scope > [data-state]")) old.remove();
    const item = (stored: StoredWrite | Refused) => {
      const item = first.cloneNode(true) as HTMLElement;
      const part = <E extends HTMLElement>(name: string) => item.querySelector<E>(`[data-${name}]`);
      item.dataset.state = stored.error ? "refused" : "waiting";
      part("text")?.append(stored.note!.text);
      part("wrong")?.append(wrong(stored));
      part<HTMLAnchorElement>("edit")?.setAttribute("href", stored.note!.page);
      part("discard")?.addEventListener("click", () => (stored as Refused).dismiss());
      return item;
    };
    element.append(...[...unattended, ...refused.value].filter(({ note }) => note).map(item));
  }

  /** Puts what was refused back into its form, if that is on this page and nobody has begun to fill it in. */
  #fill(refused: Refused): void {
    if (!("form" in refused) || refused.note?.page !== location.pathname + location.search) return;
    const [method, path] = refused.call.split(" ");
    const fields = new URLSearchParams(refused.form);
    for (const form of document.querySelectorAll("form")) {
      const action = new URL(form.getAttribute("action") || location.href, document.baseURI);
      if (action.pathname !== path || (action.searchParams.get("_method") ?? "POST").toUpperCase() !== method) continue;
      const inputs = [...form.querySelectorAll<HTMLInputElement>("[name]:not([type=hidden])")];
      if (inputs.some(isEdited)) continue;
      for (const input of inputs) {
        const values = fields.getAll(input.name);
        if (["checkbox", "radio"].includes(input.type)) input.checked = values.includes(input.value);
        else if (values.length > 0) input.value = values[0]!;
      }
      this.#filled.set(form, refused);
      this.#show(form, refused.error.problems ?? {}, refused.error.message);
    }
  }
}

function isEdited(input: HTMLInputElement): boolean {
  return input.checked !== input.defaultChecked || ("defaultValue" in input && input.value !== input.defaultValue);
}

function wrong({ error }: StoredWrite | Refused): string {
  const problems = Object.entries(error?.problems ?? {}).map(([field, [first]]) => `${field} ${first}`.trim());
  return problems.join(", ") || (error?.message ?? "");
}
