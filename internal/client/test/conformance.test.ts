// Holds the store to the frames that any client is held to.

import cases from "../../conformance/client.json";
import { equal, test } from "./runner";
import { applied, online } from "./server";

interface Case {
  name: string;
  open: string;
  answer: object;
  holds: object[];
  steps: { frame: object; holds: object[] }[];
}

for (const { name, open, answer, holds, steps } of cases as Case[])
  test(name, async () => {
    const { store, link } = await online();
    const list = store.cursor<{ id: string }>(open);
    const held = () => list.records.map(record => ({ ...record }));
    link.send({ ...answer, id: await link.expect({ open, in: {} }) });
    await list.ready;
    equal(held(), holds, "after the answer");
    for (const [i, step] of steps.entries()) {
      link.send(step.frame);
      await applied(store, link);
      equal(held(), step.holds, `after frame ${i + 1}`);
    }
  });
