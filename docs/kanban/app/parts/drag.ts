import { useEffect, useRef, useState, type PointerEvent as Pointed } from "react";
import type { Card } from "tower/types";

/** A card that is being dragged, and where it would be dropped. */
export interface Drag {
  card: Card;
  left: number;
  top: number;
  width: number;
  height: number;
  column: string;
  index: number;
}

export type Grab = (event: Pointed<HTMLElement>, card: Card) => void;

const slack = 4; // px that a pointer may move during a click
const hold = 250; // ms after which a finger drags instead of scrolling

/** Drags and drops cards with a mouse, a pen or a finger. */
export function useDrag(drop: (card: Card, column: string, index: number) => void): { drag: Drag | null; grab: Grab } {
  const [drag, setDrag] = useState<Drag | null>(null);
  const dropped = useRef(drop); // the newest drop, for when the drag ends
  dropped.current = drop;
  const lifted = useRef<Drag | null>(null);
  const ended = useRef(new AbortController());
  useEffect(() => {
    // A browser decides when a finger comes down whether a listener may prevent scrolling.
    const still = (event: TouchEvent) => lifted.current && event.preventDefault();
    addEventListener("touchmove", still, { passive: false });
    return () => {
      ended.current.abort();
      removeEventListener("touchmove", still);
    };
  }, []);

  const grab: Grab = (event, card) => {
    if (event.button !== 0) return;
    const { clientX: startX, clientY: startY } = event;
    const { left, top, width, height } = event.currentTarget.getBoundingClientRect();
    const { signal } = (ended.current = new AbortController());
    const finger = event.pointerType === "touch";

    const at = (x: number, y: number) => {
      const moved = { card, left: left + x - startX, top: top + y - startY, width, height };
      setDrag((lifted.current = { ...moved, ...target(x, moved.top + height / 2, card) }));
    };
    const end = () => {
      clearTimeout(timer);
      ended.current.abort();
      setDrag((lifted.current = null));
    };
    const timer = finger ? setTimeout(at, hold, startX, startY) : undefined;
    addEventListener(
      "pointermove",
      ({ clientX, clientY }) => {
        if (lifted.current) at(clientX, clientY);
        else if (Math.hypot(clientX - startX, clientY - startY) < slack) return;
        else if (finger) end();
        else at(clientX, clientY);
      },
      { signal },
    );
    addEventListener(
      "pointerup",
      () => {
        const now = lifted.current;
        if (now) dropped.current(card, now.column, now.index);
        end();
      },
      { signal },
    );
    addEventListener("pointercancel", end, { signal });
    addEventListener("keydown", event => event.key === "Escape" && end(), { signal });
  };
  return { drag, grab };
}

/** Returns the nearest column, and the index that the dragged card would have there. */
function target(x: number, y: number, card: Card): { column: string; index: number } {
  const distance = ({ left, right }: DOMRect) => Math.max(left - x, x - right, 0);
  const columns = [...document.querySelectorAll<HTMLElement>("[data-column]")];
  const column = columns.reduce((a, b) => (distance(b.getBoundingClientRect()) < distance(a.getBoundingClientRect()) ? b : a));
  const others = [...column.querySelectorAll<HTMLElement>("[data-id]")].filter(({ dataset }) => dataset.id !== card.id);
  const below = others.findIndex(other => {
    const { top, height } = other.getBoundingClientRect();
    return y < top + height / 2;
  });
  return { column: column.dataset.column!, index: below < 0 ? others.length : below };
}
