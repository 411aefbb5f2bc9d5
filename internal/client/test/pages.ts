// Pages in frames, with the library as an application serves it.

import { seen } from "./runner";
import { accept, ready, transport, type Link } from "./server";

const script = `<meta name="tower" content='{"share":false,"transports":["${transport}"]}'><script type="module" src="/_tower/tower.js"></script>`;
export const liveList = `<ul data-live="sealed" data-since="E:0"></ul>`;
export const problems = `<p data-problem="title" hidden></p><p data-problem="body">old</p><p data-problem="" hidden></p>`;
let pages = 0;

export interface Page {
  readonly path: string;
  readonly document: Document;
  readonly window: Window & typeof globalThis;
  find<T extends HTMLElement = HTMLInputElement>(selector: string): T;
  /** Resolves when the frame shows another document. */
  left(): Promise<void>;
  remove(): void;
}

/** Loads a page in a frame. */
export async function visit(html: string): Promise<Page> {
  await ready;
  const path = `/pages/${++pages}`;
  await fetch(path, { method: "PUT", body: `<!doctype html><body>${html}${script}` });
  const frame = document.body.appendChild(document.createElement("iframe"));
  const loaded = () => new Promise<void>(resolve => frame.addEventListener("load", () => resolve(), { once: true }));
  frame.src = path;
  await loaded();
  return {
    path,
    get document() {
      return frame.contentDocument!;
    },
    get window() {
      return frame.contentWindow as Window & typeof globalThis;
    },
    find: <T extends HTMLElement>(selector: string) => frame.contentDocument!.querySelector<T>(selector)!,
    left: loaded,
    remove: () => frame.remove(),
  };
}

/** Loads a page and connects it. The list of a live page is open when this resolves. */
export async function connected(html: string): Promise<{ page: Page; link: Link }> {
  const page = await visit(html);
  const link = await accept();
  await link.greet();
  if (html.includes(liveList)) {
    const id = await link.expect({ live: "sealed", since: "E:0" });
    link.send({ id, status: 200, at: "E:0", cursor: 1, model: "posts", since: "E:0", delta: {} });
  }
  await seen(() => page.document.documentElement.dataset.tower === "online", page.document);
  return { page, link };
}

export const invalid = (id: number, problems: object) => ({
  id, status: 422, error: { code: "invalid", message: "Some fields need another look.", problems },
});

export const visible = (page: Page) =>
  [...page.document.querySelectorAll<HTMLElement>("[data-problem]")]
    .filter(place => !place.hidden)
    .map(place => `${place.dataset.problem}: ${place.textContent}`);
