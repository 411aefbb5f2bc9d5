type Field = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

/**
 * Makes an element look like a fresh one, without taking from a person what
 * they are doing in it. Nodes stay the same, and so do focus, selection and
 * scroll positions. A field that has been edited shows what was put in; one
 * that is in use is brought up to date when it is left. What has been opened
 * stays open. Returns the element that is now in place.
 */
export function morph(old: Element, fresh: Element): Element {
  if (old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return fresh;
  }
  const edited = isEdited(old, fresh);
  if (isInUse(old) && !edited) {
    updateOnBlur(old, fresh);
    return old;
  }
  deferred.delete(old); // what it was to become is out of date
  if (old instanceof HTMLInputElement) {
    morphInput(old, fresh as HTMLInputElement, edited);
  } else if (old instanceof HTMLTextAreaElement) {
    morphTextArea(old, fresh as HTMLTextAreaElement, edited);
  } else if (old instanceof HTMLSelectElement) {
    morphSelect(old, fresh as HTMLSelectElement, edited);
  } else {
    morphAttributes(old, fresh);
    if (!edited) morphChildren(old, fresh);
  }
  return old;
}

/** Puts a node before another one, or last. One that is there already only moves, and keeps its state. */
export function place(parent: Element, node: Node, before: Node | null): void {
  if (node === before) return;
  if (node.parentNode !== parent) parent.insertBefore(node, before);
  else if (parent.moveBefore) parent.moveBefore(node, before);
  else keepingFocus(() => parent.insertBefore(node, before));
}

function keepingFocus(move: () => void): void {
  const focused = document.activeElement as (HTMLElement & Partial<HTMLInputElement>) | null;
  const { selectionStart: start, selectionEnd: end, selectionDirection: direction } = focused ?? {};
  move();
  if (!focused || focused === document.activeElement) return;
  focused.focus({ preventScroll: true });
  if (typeof start === "number") focused.setSelectionRange?.(start, end ?? start, direction ?? "none");
}

/* Fields. What the server says is their default; once that is what was put in, they are no longer edited. */

function isField(element: Element): element is Field {
  return (
    element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement
  );
}

function isEditable(element: Element): element is HTMLElement {
  return element instanceof HTMLElement && element.isContentEditable;
}

function isInUse(element: Element): boolean {
  if (isField(element)) return element === document.activeElement;
  return isEditable(element) && element.contains(document.activeElement);
}

function isEdited(element: Element, fresh: Element): boolean {
  if (element instanceof HTMLInputElement) {
    if (element.type === "radio") return radios(element).some(radio => radio.checked !== radio.defaultChecked);
    if (element.type === "checkbox") return element.checked !== element.defaultChecked;
    return element.value !== element.defaultValue && element.value !== untouched(element).value;
  }
  if (element instanceof HTMLTextAreaElement) return element.value !== element.defaultValue;
  if (element instanceof HTMLSelectElement) return isChosen(element);
  if (typedInto.has(element) && element.innerHTML === fresh.innerHTML) typedInto.delete(element);
  return typedInto.has(element);
}

function radios({ form, name }: HTMLInputElement): HTMLInputElement[] {
  const all = document.querySelectorAll<HTMLInputElement>(`input[type=radio][name="${CSS.escape(name)}"]`);
  return [...all].filter(radio => radio.form === form);
}

/** The input as it was before anyone put something in; its value may differ from the attribute's text. */
function untouched(input: HTMLInputElement): HTMLInputElement {
  const copy = document.createElement("input");
  for (const { name, value } of input.attributes) copy.setAttribute(name, value);
  return copy;
}

function isChosen(select: HTMLSelectElement): boolean {
  const options = [...select.options];
  const single = !select.multiple && select.size <= 1;
  if (single && !options.some(option => option.defaultSelected)) {
    return select.selectedIndex !== options.findIndex(option => !option.disabled);
  }
  return options.some(option => option.selected !== option.defaultSelected);
}

/** The editable elements that someone has typedInto in. */
const typedInto = new WeakSet<Element>();

document.addEventListener("input", ({ target }) => {
  for (let element = target as Element | null; element && isEditable(element); element = element.parentElement) {
    typedInto.add(element);
  }
});

/** What the elements in use are to become. */
const deferred = new WeakMap<Element, Element>();

function updateOnBlur(element: Element, fresh: Element): void {
  const update = () => {
    const latest = deferred.get(element);
    deferred.delete(element);
    if (latest) morph(element, latest);
  };
  if (!deferred.has(element)) element.addEventListener("blur", update, { once: true });
  deferred.set(element, fresh);
}

function morphInput(old: HTMLInputElement, fresh: HTMLInputElement, edited: boolean): void {
  // Once set, even to what it was, it no longer follows its attribute.
  if (edited && old.type === "radio") old.checked = Boolean(old.checked);
  morphAttributes(old, fresh);
  if (edited) return;
  old.checked = fresh.checked;
  if (old.value !== fresh.value) old.value = fresh.value;
}

function morphTextArea(old: HTMLTextAreaElement, fresh: HTMLTextAreaElement, edited: boolean): void {
  morphAttributes(old, fresh);
  if (old.defaultValue !== fresh.defaultValue) old.defaultValue = fresh.defaultValue;
  if (!edited && old.value !== fresh.value) old.value = fresh.value;
}

function morphSelect(old: HTMLSelectElement, fresh: HTMLSelectElement, edited: boolean): void {
  const chosen = new Set([...old.selectedOptions].map(option => option.value));
  morphAttributes(old, fresh);
  morphChildren(old, fresh);
  for (const option of old.options) option.selected = edited ? chosen.has(option.value) : option.defaultSelected;
}

/* Attributes and children. */

function morphAttributes(old: Element, fresh: Element): void {
  const opens = old.matches("details, dialog");
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(opens && name === "open")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !(opens && name === "open")) old.setAttribute(name, value);
  }
}

function morphChildren(old: Element, fresh: Element): void {
  const same = matchChildren(old, fresh);
  const stay = new Set(same.values());
  for (const node of [...old.childNodes]) if (!stay.has(node)) node.remove();

  let next = old.firstChild;
  for (const node of [...fresh.childNodes]) {
    const kept = same.get(node);
    if (kept && kept === next) next = next.nextSibling;
    else place(old, kept ?? node, next);
    if (kept instanceof Element) morph(kept, node as Element);
    else if (kept && kept.nodeValue !== node.nodeValue) kept.nodeValue = node.nodeValue;
  }
}

/** Which fresh child is which old one: by what names it or something in it, else by its kind and place. */
function matchChildren(old: Element, fresh: Element): Map<Node, Node> {
  const same = new Map<Node, Node>();
  const free = new Set<Node>(old.childNodes);
  for (const nameIn of [innerName, ownName]) {
    const byName = new Map<string, Node[]>();
    for (const node of free) {
      const key = nameIn(node);
      if (key === null) continue;
      const nodes = byName.get(key);
      if (nodes) nodes.push(node);
      else byName.set(key, [node]);
    }
    for (const node of fresh.childNodes) {
      const found = same.has(node) ? undefined : byName.get(nameIn(node) ?? "")?.shift();
      if (!found) continue;
      same.set(node, found);
      free.delete(found);
    }
  }
  return same;
}

const named = "[id], [data-id], [name]";

function nameOf(element: Element): string {
  return element.id || (element.getAttribute("data-id") ?? element.getAttribute("name") ?? "");
}

function ownName(node: Node): string {
  return node instanceof Element ? `${node.nodeName} ${nameOf(node)}` : node.nodeName;
}

function innerName(node: Node): string | null {
  if (!(node instanceof Element)) return null;
  const first = node.matches(named) ? node : node.querySelector(named);
  return first && `${node.nodeName} ${nameOf(first)}`;
}
