// The script that a page loads: the library, which keeps the page's lists
// current and sends its forms.

import { findInPage } from "./page/dom";
import { watchEnds } from "./page/ended";
import { liveForms } from "./page/forms";
import { localizePage } from "./page/localize";
import { livePage } from "./page/page";
import { connect, defaults } from "./store/connect";
import type { Store } from "./store/store";

export * from "./index";

declare global {
  interface Window {
    /** The page's store. */
    tower: Store;
  }
}

const settings = findInPage<HTMLMetaElement>(`meta[name="tower"]`);
const { offline = false, ...options } = JSON.parse(settings?.content ?? "{}");
Object.assign(defaults, options);
if (offline) storePages().catch((error: unknown) => console.warn("tower: cannot store pages for offline use:", error));

window.tower = connect();
localizePage();
watchEnds(window.tower);
livePage(window.tower);
liveForms(window.tower);

/**
 * Registers the service worker that shows the site's pages, as last seen, when
 * there is no connection. If the worker is new, it also stores this page.
 */
async function storePages(): Promise<void> {
  const workers = navigator.serviceWorker;
  const isNew = !workers.controller;
  await workers.register("/_tower/offline.js", { scope: "/" });
  const { active } = await workers.ready;
  const files = performance.getEntriesByType("resource") as PerformanceResourceTiming[];
  if (isNew) active!.postMessage([location.href, ...files.filter(file => file.initiatorType !== "fetch").map(file => file.name)]);
}
