// Times in the browser's time zone, and values in their format. The server writes times in
// UTC, unless the application has a zone of its own, because one rendering serves all.

import { attributeOf, createElement, findAll, findAllInPage, getAttribute, listen, matches, setAttribute, setText } from "./dom";
import { currency, number, percent, time, zone } from "../wire/format";

const timeElements = "time[data-time-layout]";
const timeBoxes = "input[data-time]";

/** Shows the times of the page in the browser's zone, and sends the zone with its forms. */
export function localizePage(): void {
  findAllInPage(timeElements).forEach(showTime);
  findAllInPage<HTMLInputElement>(timeBoxes).forEach(showBox);
  listen<FormDataEvent>("formdata", ({ target, formData }) => {
    for (const box of findAllInPage<HTMLInputElement>("input[data-zone]")) {
      if (box.form !== target || !formData.has(box.name)) continue;
      formData.set(`${box.name}~zone`, getAttribute(box, "data-zone")!);
      const exact = getAttribute(box, "data-time");
      if (exact) formData.set(`${box.name}~`, JSON.stringify({ box: box.defaultValue, is: exact }));
    }
  });
}

/** Does the same for an element that is not in the page yet. */
export function localize(element: Element): Element {
  if (matches(element, timeElements)) showTime(element);
  if (matches(element, timeBoxes)) showBox(element as HTMLInputElement);
  findAll(element, timeElements).forEach(showTime);
  findAll<HTMLInputElement>(element, timeBoxes).forEach(showBox);
  return element;
}

function showTime(element: Element): void {
  const text = time(attributeOf(element, "datetime"), attributeOf(element, "data-time-layout"), undefined, attributeOf(element, "lang") || undefined);
  if (text) setText(element, text);
}

/** Shows what is stored in the browser's zone. What the user has entered stays. */
function showBox(box: HTMLInputElement): void {
  const untouched = box.value === sanitized(box.defaultValue);
  const at = new Date(attributeOf(box, "data-time"));
  setAttribute(box, "data-zone", zone);
  if (!Number.isNaN(at.getTime())) setAttribute(box, "value", boxText(at));
  if (untouched) box.value = box.defaultValue;
}

/** Returns what a box shows of a text: "10:00" of "10:00:00". */
function sanitized(text: string): string {
  const box = createElement("input");
  box.type = "datetime-local";
  box.value = text;
  return box.value;
}

/** Writes a time as a datetime-local box has it, to the millisecond. */
function boxText(at: Date): string {
  const seconds = at.getTime() % 60_000 === 0 ? "" : `:${String(at.getSeconds()).padStart(2, "0")}`;
  const fraction = at.getMilliseconds() === 0 ? "" : `.${String(at.getMilliseconds()).padStart(3, "0")}`;
  return time(at, "2006-01-02T15:04", zone, "en") + (seconds || fraction ? seconds || ":00" : "") + fraction;
}

/** Writes a live value in the format that its element names. */
export function formatValue(element: Element, value: unknown): string {
  const [kind, ...rest] = attributeOf(element, "data-format").split(" ");
  if (value === null || value === undefined) return "";
  const locale = attributeOf(element, "lang") || undefined;
  const digits = (text: string | undefined) => (text ? Number(text) : undefined);
  switch (kind) {
    case "number": return number(Number(value), digits(rest[0]), locale);
    case "percent": return percent(Number(value), digits(rest[0]), locale);
    case "currency": return currency(Number(value), rest[0]!, digits(rest[1]), locale);
    case "time": return time(String(value), rest.join(" "), attributeOf(element, "data-zone") || undefined, locale);
    default: return String(value);
  }
}
