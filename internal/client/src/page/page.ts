import { List } from "../store/cursor";
import { morph, place } from "./morph";
import type { Store } from "../store/store";
import type { Answer, Delta, Entry, Live } from "../wire/frames";

/**
 * Keeps the page's lists, the elements with data-live, current. It sets data-tower on
 * the root element to "online" or "offline". After adding or removing lists, dispatch
 * tower:refresh on the document.
 */
export function livePage(store: Store): void {
  const lists = new Map<HTMLElement, LiveElements | LiveText>();
  const refresh = () => {
    for (const [element, list] of lists) {
      if (element.isConnected && element.dataset.live === list.request.live) continue;
      lists.delete(element);
      store.removeList(list);
      if (!element.isConnected) element.dataset.since = list.since;
    }
    for (const element of document.querySelectorAll<HTMLElement>("[data-live]")) {
      if (lists.has(element)) continue;
      const list = "value" in element.dataset ? new LiveText(element) : new LiveElements(element);
      lists.set(element, list);
      store.addList(list);
    }
  };
  document.addEventListener("tower:refresh", refresh);
  refresh();

  store.subscribe(({ online, closed }) => {
    if (online || closed) document.documentElement.dataset.tower = online ? "online" : "offline";
  });
}

/** LiveElements is a list of elements: the children with data-id of an element with data-live. */
export class LiveElements extends List {
  readonly request: Live;
  readonly #parent: HTMLElement;

  constructor(parent: HTMLElement) {
    super();
    this.#parent = parent;
    this.request = { live: parent.dataset.live ?? "" };
    this.since = parent.dataset.since ?? "";
  }

  replace({ items = [] }: Answer): void {
    const stay = new Set(items.map(item => item.id));
    for (const element of this.#items()) if (!stay.has(element.dataset.id!)) element.remove();
    let after = "";
    for (const item of items) {
      this.#put({ ...item, after });
      after = item.id;
    }
  }

  apply({ leave = [], enter = [], change = [], then = [] }: Delta): void {
    for (const id of leave) this.#find(id)?.remove();
    for (const entry of enter) this.#put(entry);
    for (const entry of change) this.#put(entry);
    for (const more of then) this.apply(more);
  }

  notify(): void {
    this.#parent.dataset.count = String(this.#items().length);
    if (this.error) console.warn(`tower: a list of this page is not live: ${this.error.message}`);
  }

  #put({ id, html, after }: Entry): void {
    const fresh = html === undefined ? null : parseElement(html);
    const old = this.#find(id);
    const element = old && fresh ? morph(old, fresh) : (old ?? fresh);
    if (!element) return;
    if (!old || after !== undefined) place(this.#parent, element, this.#next(id, after));
    if (!old) markEntered(element);
  }

  /** Returns the element to insert a record before. The record comes first, after another one, or by id in a list without an order. */
  #next(id: string, after: string | undefined): Element | null {
    if (after) return this.#find(after)?.nextElementSibling ?? null;
    return this.#items().find(item => after === "" || item.dataset.id! > id) ?? null;
  }

  #find(id: string): HTMLElement | null {
    return this.#parent.querySelector(`:scope > [data-id="${CSS.escape(id)}"]`);
  }

  #items(): HTMLElement[] {
    return [...this.#parent.querySelectorAll<HTMLElement>(":scope > [data-id]")];
  }
}

/** LiveText is a value: the text of an element with data-live and data-value. */
export class LiveText extends List {
  readonly request: Live;
  readonly #element: HTMLElement;

  constructor(element: HTMLElement) {
    super();
    this.#element = element;
    this.request = { live: element.dataset.live ?? "" };
    this.since = element.dataset.since ?? "";
  }

  replace({ value }: Answer): void {
    this.#show(value);
  }

  apply(delta: Delta): void {
    if (delta.closed || "value" in delta) this.#show(delta.value);
  }

  notify(): void {
    if (this.error) console.warn(`tower: a value of this page is not live: ${this.error.message}`);
  }

  #show(value: unknown): void {
    const text = String(value ?? "");
    if (this.#element.textContent !== text) this.#element.textContent = text;
  }
}

function parseElement(html: string): Element | null {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

/** Sets data-entered for one frame, so that CSS can start a transition. */
function markEntered(element: Element): void {
  element.setAttribute("data-entered", "");
  requestAnimationFrame(() => requestAnimationFrame(() => element.removeAttribute("data-entered")));
}
