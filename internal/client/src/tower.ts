// What a page loads: the library, at work on the page's own lists and forms.

import { liveForms } from "./page/forms";
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

const said = document.querySelector<HTMLMetaElement>('meta[name="tower"]');
const { offline = false, ...options } = JSON.parse(said?.content ?? "{}");
Object.assign(defaults, options);
if (offline) keepPages().catch((error: unknown) => console.warn("tower: pages are not kept for a start without a connection:", error));

window.tower = connect();
livePage(window.tower);
liveForms(window.tower);

/** Has the site's pages load without a connection, as they were when they were seen last; this one, too. */
async function keepPages(): Promise<void> {
  const workers = navigator.serviceWorker;
  const isNew = !workers.controller;
  await workers.register("/_tower/offline.js", { scope: "/" });
  const { active } = await workers.ready;
  const files = performance.getEntriesByType("resource") as PerformanceResourceTiming[];
  if (isNew) active!.postMessage([location.href, ...files.filter(file => file.initiatorType !== "fetch").map(file => file.name)]);
}
