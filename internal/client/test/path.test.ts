import { fillPath } from "../src/wire/path";
import { equal, ok, test } from "./runner";
import { online } from "./server";

test("braces are filled in from the input", () => {
  for (const [route, input, want] of [
    ["POST /posts", { id: "x" }, "POST /posts"],
    ["POST /posts", undefined, "POST /posts"],
    ["PATCH /posts/{id}", { id: "01J", title: "a" }, "PATCH /posts/01J"],
    ["GET /a/{b}/c/{d}", { b: "x/y z", d: 0 }, "GET /a/x%2Fy%20z/c/0"],
    ["GET /files/{path...}", { path: "a/b c" }, "GET /files/a%2Fb%20c"],
    ["PATCH /posts/{id}", new URLSearchParams({ id: "01J" }), "PATCH /posts/01J"],
  ] as const) {
    equal(fillPath(route, input), want);
  }
  for (const input of [{}, { id: "" }, { id: null }, null, undefined, new URLSearchParams()]) {
    let error = "";
    try {
      fillPath("PATCH /posts/{id}", input);
    } catch (thrown) {
      error = (thrown as Error).message;
    }
    equal(error, "tower: PATCH /posts/{id} needs id");
  }
});

test("a declared route can be used for calls and writes", async () => {
  const { store, link } = await online();
  const called = store.call("PATCH /posts/{id}", { id: "a", title: "x" });
  link.send({ id: await link.expect({ call: "PATCH /posts/a", in: { id: "a", title: "x" } }), status: 200 });
  equal((await called).status, 200);
  store.write("DELETE /posts/{id}", { id: "b" });
  await link.expect({ call: "DELETE /posts/b", in: { id: "b" } });
});

test("undefined is never taken for no condition", async () => {
  const { store } = await online();
  const nothing = ({} as { value?: string }).value;
  const message = (run: () => unknown) => {
    try {
      run();
    } catch (thrown) {
      ok(thrown instanceof TypeError, "a TypeError");
      return (thrown as Error).message;
    }
    return "";
  };
  for (const [run, want] of [
    [() => store.cursor("posts.all", {}, { where: { title: nothing } }), "where.title is undefined"],
    [() => store.cursor("posts.all", {}, { where: { likes: { gte: nothing } } }), "where.likes.gte is undefined"],
    [() => store.cursor("posts.all", {}, { where: { or: [{ title: "a" }, { title: nothing }] } }), "where.or.1.title is undefined"],
    [() => store.cursor("posts.all", {}, { where: { title: { in: ["a", , "b"] } } }), "where.title.in.1 is undefined"],
    [() => store.cursor("posts.all", {}, { where: { not: { title: nothing } } }), "where.not.title is undefined"],
    [() => store.cursor("posts.all", {}, { order: ["title", nothing!] }), "order.1 is undefined"],
    [() => store.value("posts.count", {}, { where: { title: nothing } }), "where.title is undefined"],
    [() => store.model("posts").update(nothing!, {}), "a record of posts needs an id"],
    [() => store.model("posts").delete(nothing!), "a record of posts needs an id"],
    [() => store.cursor("posts.all", {}, { where: { title: null } }), ""],
    [() => store.cursor("posts.all", {}, { where: nothing as never, order: nothing as never }), ""],
  ] as const) {
    equal(message(run), want && `tower: ${want}`);
  }
});
