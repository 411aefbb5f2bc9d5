import { useState, type KeyboardEvent } from "react";
import type { Card } from "tower/types";
import { cards } from "./cards";
import type { Grab } from "./drag";

interface Props {
  card: Card;
  /** Whether the server has not answered a write of the card. */
  waits: boolean;
  /** Whether the card is being dragged. */
  lifted: boolean;
  grab: Grab;
  step(card: Card, right: number, down: number): void;
}

export function CardView({ card, waits, lifted, grab, step }: Props) {
  const [editing, setEditing] = useState(false);
  const pressed = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget) return;
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (way && event.altKey) step(card, way[0]!, way[1]!);
    else if (event.key === "Enter") setEditing(true);
    else if (event.key === "Delete") cards.delete(card.id);
    else return;
    event.preventDefault();
  };
  return (
    <li
      className="card"
      data-id={card.id}
      data-waits={waits || undefined}
      hidden={lifted}
      tabIndex={0}
      aria-keyshortcuts="Alt+ArrowUp Alt+ArrowDown Alt+ArrowLeft Alt+ArrowRight Enter Delete"
      onKeyDown={pressed}
      onPointerDown={event => !editing && grab(event, card)}
      onDoubleClick={() => setEditing(true)}
    >
      {editing ? <Editor card={card} close={() => setEditing(false)} /> : <CardFace card={card} />}
    </li>
  );
}

export function CardFace({ card }: { card: Card }) {
  return (
    <>
      <p>{card.title}</p>
      <button className="remove" aria-label={`Remove ${card.title}`} onPointerDown={event => event.stopPropagation()} onClick={() => cards.delete(card.id)}>
        ×
      </button>
    </>
  );
}

function Editor({ card, close }: { card: Card; close(): void }) {
  const [title, setTitle] = useState(card.title);
  const save = () => {
    if (title.trim() && title !== card.title) cards.update(card.id, { title: title.trim() });
    close();
  };
  return (
    <textarea
      autoFocus
      aria-label="Title"
      rows={1}
      value={title}
      onFocus={event => event.target.select()}
      onChange={event => setTitle(event.target.value)}
      onBlur={save}
      onKeyDown={event => {
        if (event.key === "Escape") close();
        if (event.key !== "Enter") return;
        event.preventDefault();
        save();
      }}
    />
  );
}
