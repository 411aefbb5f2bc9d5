// What a page loads: the library, at work on the page's own lists and forms.

import { forms } from "./forms";
import { page } from "./page";
import { connect, type Store } from "./store";

export * from "./index";

declare global {
  interface Window {
    /** The page's store. */
    tower: Store;
  }
}

window.tower = connect();
page(window.tower);
forms(window.tower);
