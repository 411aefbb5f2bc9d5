// What a page loads: the library, at work on the page's own lists and forms.

import { forms } from "./forms";
import { page } from "./page";
import { connect, defaults, type Store } from "./store";

export * from "./index";

declare global {
  interface Window {
    /** The page's store. */
    tower: Store;
  }
}

const said = document.querySelector<HTMLMetaElement>('meta[name="tower"]');
if (said) Object.assign(defaults, JSON.parse(said.content));

window.tower = connect();
page(window.tower);
forms(window.tower);
