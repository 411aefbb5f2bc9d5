// A test of one component, which is implemented in each framework.

import { connect } from "../src/index";
import { after, equal, ok, seen, test } from "./runner";
import { accept, ready } from "./server";

/** A mounted component. */
export interface Mounted {
  /** Changes its tag. */
  update(tag: string): void;
  unmount(): void;
}

/**
 * Tests a component that follows the cursor posts.all, with its tag as input, the value
 * posts.count and the connection. It renders them as
 * <ul data-stale="false"><li>title</li></ul> <b>count</b> <i>user</i>.
 */
export function follows(mount: (element: Element, tag: string) => Mounted): void {
  test("a component shows a cursor, a value and the connection while it is mounted", async () => {
    const options = document.head.appendChild(document.createElement("meta"));
    options.name = "tower";
    options.content = `{"share":false}`;
    await ready;
    const store = connect();
    after(() => store.close());
    const link = await accept();
    await link.greet({ user: "ada" });

    const element = document.body.appendChild(document.createElement("div"));
    const shown = () => [...element.querySelectorAll("ul, li, b, i")].map(part => (part.tagName === "UL" ? part.getAttribute("data-stale") : part.textContent)).join(" ");
    const shows = async (text: string) => {
      await Promise.race([seen(() => shown() === text, element), new Promise(resolve => setTimeout(resolve, 5000))]);
      equal(shown(), text);
    };
    const post = (id: string) => ({ id, title: `post ${id}` });
    const opens = async (tag: string) => {
      const { id, open, in: input } = await link.next();
      equal([open, input], ["posts.all", { tag }]);
      return id as number;
    };

    const component = mount(element, "x");
    const list = await opens("x");
    const count = await link.expect({ open: "posts.count", in: {} });
    await shows("true  ada");
    link.send({ id: list, status: 200, at: "E:5", cursor: 17, model: "posts", ids: ["b", "a"], posts: [post("a"), post("b")] });
    link.send({ id: count, status: 200, at: "E:5", cursor: 18, model: "posts", value: 2 });
    await shows("false post b post a 2 ada");
    link.send({ seq: 6, posts: [post("c")], cursors: { 17: { enter: [{ id: "c", after: "b" }] }, 18: { value: 3 } } });
    await shows("false post b post c post a 3 ada");

    // The cursor stays open for a moment, in case a component shows it again.
    component.update("y");
    const other = await opens("y");
    await shows("true 3 ada");
    link.send({ id: other, status: 200, at: "E:6", cursor: 19, model: "posts", ids: ["d"], posts: [post("d")] });
    await shows("false post d 3 ada");
    component.update("x");
    await shows("false post b post c post a 3 ada");
    const closed = async () => (await link.next()).close as number;
    equal(await closed(), 19);

    component.unmount();
    equal(element.textContent, "");
    equal([await closed(), await closed()].sort(), [17, 18]);
    ok(store.state.online, "the connection stays");
  });
}
