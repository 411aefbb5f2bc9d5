import { StrictMode } from "react";
import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import { useConnection, useCursor, useValue } from "../src/bind/react";
import { follows } from "./component";

function Posts({ tag }: { tag: string }) {
  const { records, stale } = useCursor("posts.all", { tag });
  const { value } = useValue("posts.count");
  const { user } = useConnection();
  return (
    <>
      <ul data-stale={stale}>
        {records.map(post => (
          <li key={post.id}>{post.title}</li>
        ))}
      </ul>
      <b>{value}</b>
      <i>{user}</i>
    </>
  );
}

follows((element, tag) => {
  const root = createRoot(element);
  const update = (tag: string) => flushSync(() => root.render(<StrictMode><Posts tag={tag} /></StrictMode>));
  update(tag);
  return { update, unmount: () => flushSync(() => root.unmount()) };
});
