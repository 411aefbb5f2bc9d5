import { createApp, defineComponent, h, ref } from "vue";
import { useConnection, useCursor, useValue } from "../src/bind/vue";
import { follows } from "./component";

follows((element, first) => {
  const tag = ref(first);
  const Posts = defineComponent(() => {
    const posts = useCursor("posts.all", () => ({ tag: tag.value }));
    const count = useValue("posts.count");
    const connection = useConnection();
    return () => [
      h("ul", { "data-stale": posts.value.stale }, posts.value.records.map(post => h("li", { key: post.id }, post.title))),
      h("b", count.value.value),
      h("i", connection.value.user),
    ];
  });
  const app = createApp(Posts);
  app.mount(element);
  return { update: other => (tag.value = other), unmount: () => app.unmount() };
});
