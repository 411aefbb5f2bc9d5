import { closest, contains, findAll, findAllInPage, findInPage, focused, hasAttribute, isConnected, parentElement, removeAttribute, setAttribute } from "./dom";

/**
 * Changes a part of the page. If the change removes or hides what has the focus, the focus goes to what a reader
 * would look at next: the row it was in, the next row, the one before, or the heading above. The beginning of the page, where
 * browsers would leave the focus, is far from there. It is never another button, which a second key press would use.
 */
export function stayNear(part: Element, change: () => void): void {
  const at = focused();
  if (!at || !contains(part, at)) return change();
  const near = placesNear(part, at);
  try {
    change();
  } finally {
    queueMicrotask(() => { // other parts change with this one
      const now = focused();
      if (isShown(at) || now && now !== at && now !== findInPage("body")) return;
      const place = near.find(isShown);
      if (place) focusOn(place);
    });
  }
}

/** Returns where the focus may go from an element, the best place first. */
function placesNear(part: Element, at: Element): HTMLElement[] {
  const row = closest(at, "[data-id]") as HTMLElement | null;
  const rows = row && row !== part && contains(part, row) ? findAll(parentElement(row)!, ":scope > [data-id]") : [];
  const here = Math.max(rows.indexOf(row!), 0);
  const above = findAllInPage("main, h1, h2, h3, h4, h5, h6").filter(heading => at.compareDocumentPosition(heading) & Node.DOCUMENT_POSITION_PRECEDING);
  return [...rows.slice(here), ...rows.slice(0, here).reverse(), ...above.reverse()];
}

function isShown(element: Element): boolean {
  return isConnected(element) && element.checkVisibility();
}

/** Gives an element the focus, and makes it able to have it for that long. */
function focusOn(element: HTMLElement): void {
  if (element.tabIndex < 0 && !hasAttribute(element, "tabindex")) {
    setAttribute(element, "tabindex", "-1");
    element.addEventListener("blur", () => removeAttribute(element, "tabindex"), { once: true });
  }
  element.focus();
}
