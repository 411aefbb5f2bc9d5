import { baseURI, findAll, findAllInPage, findInPage, getAttribute } from "./dom";
import { stayNear } from "./focus";
import { refusal } from "../net/transport";
import type { Store } from "../store/store";
import type { Problems } from "../wire/frames";
import type { Refused, StoredWrite } from "../store/write";

type Show = (form: HTMLFormElement, problems: Problems, message: string) => void;

/**
 * An UnsentList shows, in the page's element with data-outbox, the forms that wait
 * for a connection or that were refused after the user had moved on. Each entry is a
 * copy of the element's template, with data-state "waiting" or "refused". [data-text]
 * shows a text from the form, and [data-wrong] its problems. a[data-edit] links to the
 * page of the form, and [data-discard] dismisses the entry. On its page, a refused
 * form has its values and problems filled in again.
 */
export class UnsentList {
  readonly #store: Store;
  readonly #show: Show;
  readonly #filled = new WeakMap<HTMLFormElement, Refused>();

  constructor(store: Store, show: Show) {
    this.#store = store;
    this.#show = show;
    let shown = "";
    const schedule = () => queueMicrotask(() => this.render()); // after the microtask, a new write is known to be awaited
    store.subscribe(({ pending, closed }) => {
      const now = pending + refusal(closed);
      if (now !== shown) schedule();
      shown = now;
    });
    store.refused.subscribe(schedule);
  }

  get element(): HTMLElement | null {
    return findInPage("[data-outbox]");
  }

  /** Dismisses the refused write that had been filled into a form: the form is sent again. */
  sent(form: HTMLFormElement): void {
    this.#filled.get(form)?.dismiss();
    this.#filled.delete(form);
  }

  /** Fills in refused forms and shows all entries. */
  render(): void {
    const { unattended, refused } = this.#store;
    for (const one of refused.value) this.#fill(one);
    const { element } = this;
    const first = element?.querySelector("template")?.content.firstElementChild;
    if (!element || !first) return;
    const item = (stored: StoredWrite | Refused) => {
      const item = first.cloneNode(true) as HTMLElement;
      const part = <E extends HTMLElement>(name: string) => item.querySelector<E>(`[data-${name}]`);
      item.dataset.state = stored.error ? "refused" : "waiting";
      part("text")?.append(stored.note!.text);
      part("wrong")?.append(wrong(stored) || refusal(this.#store.state.closed));
      part<HTMLAnchorElement>("edit")?.setAttribute("href", stored.note!.page);
      part("discard")?.addEventListener("click", () => (stored as Refused).dismiss());
      return item;
    };
    const items = [...unattended, ...refused.value].filter(({ note }) => note).map(item);
    stayNear(element, () => {
      for (const old of element.querySelectorAll(":scope > [data-state]")) old.remove();
      element.append(...items);
    });
  }

  /** Fills a refused write into its form, if the form is on this page and has no edited field. */
  #fill(refused: Refused): void {
    if (!("form" in refused) || refused.note?.page !== location.pathname + location.search) return;
    const [method, path] = refused.call.split(" ");
    const fields = new URLSearchParams(refused.form);
    for (const form of findAllInPage<HTMLFormElement>("form")) {
      const action = new URL(getAttribute(form, "action") || location.href, baseURI());
      if (action.pathname !== path || (action.searchParams.get("_method") ?? "POST").toUpperCase() !== method) continue;
      const inputs = findAll<HTMLInputElement>(form, "[name]:not([type=hidden])");
      if (inputs.some(hasEdit)) continue;
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

function hasEdit(input: HTMLInputElement): boolean {
  return input.checked !== input.defaultChecked || ("defaultValue" in input && input.value !== input.defaultValue);
}

function wrong({ error }: StoredWrite | Refused): string {
  const problems = Object.entries(error?.problems ?? {}).map(([field, [first]]) => `${field} ${first}`.trim());
  return problems.join(", ") || (error?.message ?? "");
}
