import { fillPath } from "../src/wire/path";
import { equal, test } from "./runner";
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
