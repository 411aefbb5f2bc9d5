import { flushSync, mount, unmount } from "svelte";
import { writable } from "svelte/store";
import { follows } from "./component";
import Posts from "./Posts.svelte";

follows((target, first) => {
  const tag = writable(first);
  const component = mount(Posts, { target, props: { tag } });
  flushSync();
  return { update: other => tag.set(other), unmount: () => flushSync(() => void unmount(component)) };
});
