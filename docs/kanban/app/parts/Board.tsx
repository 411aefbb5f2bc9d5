import { useLayoutEffect, useRef } from "react";
import type { Card } from "tower/types";
import { useCursor } from "tower/react";
import { CardFace } from "./CardView";
import { move, placeAt, type ColumnName } from "./cards";
import { Column } from "./Column";
import { useDrag } from "./drag";
import { useGlide } from "./glide";
import { Refusals, Status } from "./Status";

/** Returns the cards of a column. They are kept on the device, so the board opens without a connection. */
const useColumn = (column: ColumnName) => useCursor("cards.in", { column }, { keep: true });

export function Board() {
  const lists = [
    { name: "todo", title: "To do", ...useColumn("todo") },
    { name: "doing", title: "Doing", ...useColumn("doing") },
    { name: "done", title: "Done", ...useColumn("done") },
  ] as const;

  /** Moves a card into a column, where it becomes the card at index. */
  const put = (card: Card, column: string, index: number) => {
    const list = lists.find(({ name }) => name === column);
    if (list) move(card, list.name, list.records, index);
  };

  /** Moves a card one place down or up, or to the next column. */
  const step = (card: Card, right: number, down: number) => {
    const at = lists.findIndex(({ name }) => name === card.column);
    const from = lists[at];
    const to = lists[at + right];
    if (!from || !to) return;
    const index = from.records.findIndex(({ id }) => id === card.id);
    stepped.current = card.id;
    put(card, to.name, right ? placeAt(to.records, card.place) : index + down);
  };

  const area = useRef<HTMLElement>(null);
  const stepped = useRef(""); // the card to focus again, because moving its element drops the focus
  useLayoutEffect(() => {
    area.current!.querySelector<HTMLElement>(`[data-id="${stepped.current}"]`)?.focus();
    stepped.current = "";
  });

  const { drag, grab } = useDrag(put);
  useGlide(area);

  return (
    <>
      <header>
        <h1>Kanban</h1>
        <Status />
      </header>
      <main ref={area}>
        {lists.map(list => (
          <Column key={list.name} {...list} drag={drag} grab={grab} step={step} />
        ))}
      </main>
      {drag && (
        <div className="card lifted" style={{ left: drag.left, top: drag.top, width: drag.width }}>
          <CardFace card={drag.card} />
        </div>
      )}
      <Refusals />
    </>
  );
}
