import { useLayoutEffect, useRef, type RefObject } from "react";

const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Animates cards that move to another place, in this window or in another. */
export function useGlide(area: RefObject<HTMLElement | null>): void {
  const places = useRef(new Map<string, [left: number, top: number]>());
  useLayoutEffect(() => {
    const before = places.current;
    places.current = new Map();
    for (const card of area.current!.querySelectorAll<HTMLElement>("[data-id]:not([hidden])")) {
      const id = card.dataset.id!;
      const [left, top] = [card.offsetLeft, card.offsetTop];
      places.current.set(id, [left, top]);
      const [wasLeft, wasTop] = before.get(id) ?? [left, top];
      if (still.matches || (wasLeft === left && wasTop === top)) continue;
      card.animate({ transform: [`translate(${wasLeft - left}px, ${wasTop - top}px)`, "none"] }, { duration: 180, easing: "cubic-bezier(.2, .7, .3, 1)" });
    }
  });
}
