import { useState } from "react";
import type { HeldCursor } from "tower";
import type { Card } from "tower/types";
import { add, type ColumnName } from "./cards";
import { CardView } from "./CardView";
import type { Drag, Grab } from "./drag";

interface Props extends HeldCursor<Card> {
  name: ColumnName;
  title: string;
  drag: Drag | null;
  grab: Grab;
  step(card: Card, right: number, down: number): void;
}

export function Column({ name, title, records, pending, stale, drag, grab, step }: Props) {
  // The dragged card stays in the page, hidden, because a touch ends with its element.
  const items = records.map(card => (
    <CardView key={card.id} card={card} waits={pending.has(card.id)} lifted={card.id === drag?.card.id} grab={grab} step={step} />
  ));
  const slot = drag?.column === name ? slotAt(records, drag) : -1;
  if (slot >= 0) items.splice(slot, 0, <li key="slot" className="slot" style={{ height: drag!.height }} />);
  return (
    <section data-column={name} aria-labelledby={name}>
      <h2 id={name}>
        {title} <span>{records.length || ""}</span>
      </h2>
      <ul>{items}</ul>
      {!stale && records.length === 0 && slot < 0 && <p className="empty">Nothing here.</p>}
      <Adder name={name} list={records} />
    </section>
  );
}

/** Returns where to show the slot for a dragged card, counting the other cards. */
function slotAt(records: readonly Card[], { card, index }: Drag): number {
  const own = records.findIndex(({ id }) => id === card.id);
  return own >= 0 && own < index ? index + 1 : index;
}

function Adder({ name, list }: { name: ColumnName; list: readonly Card[] }) {
  const [title, setTitle] = useState<string | null>(null);
  if (title === null) {
    return (
      <button className="add" onClick={() => setTitle("")}>
        <i aria-hidden>+</i> Add a card
      </button>
    );
  }
  const submit = () => {
    if (title.trim()) add(name, list, title.trim());
    setTitle("");
  };
  return (
    <form
      className="card"
      onSubmit={event => {
        event.preventDefault();
        submit();
      }}
    >
      <input
        autoFocus
        aria-label="Title"
        placeholder="What is to be done?"
        value={title}
        onChange={event => setTitle(event.target.value)}
        onKeyDown={event => event.key === "Escape" && setTitle(null)}
        onBlur={() => (submit(), setTitle(null))}
      />
    </form>
  );
}
