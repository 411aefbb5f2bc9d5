import { connect } from "tower";
import type { Card } from "tower/types";

/** Creates, moves and removes cards: here at once, and on the server as soon as it can be reached. */
export const cards = connect().model("cards");

export type ColumnName = Card["column"];

/** Returns a place between two others. */
function between(above: number | undefined, below: number | undefined): number {
  if (above === undefined) return below === undefined ? 0 : below - 1;
  return below === undefined ? above + 1 : (above + below) / 2;
}

export function add(column: ColumnName, list: readonly Card[], title: string): void {
  cards.create({ title, column, place: between(list.at(-1)?.place, undefined) });
}

/** Moves a card into a column, where it becomes the card at index. */
export function move(card: Card, column: ColumnName, list: readonly Card[], index: number): void {
  const others = list.filter(({ id }) => id !== card.id);
  const above = others[index - 1]?.place;
  const below = others[index]?.place;
  const place = between(above, below);
  if (place === above || place === below) {
    // No number is left between the two: renumber the column.
    others.toSpliced(index, 0, card).forEach(({ id }, at) => cards.update(id, { column, place: at }));
  } else if (column !== card.column || index !== list.indexOf(card)) {
    cards.update(card.id, { column, place });
  }
}

/** Returns the index that a card with this place would have. */
export function placeAt(list: readonly Card[], place: number): number {
  const at = list.findIndex(card => card.place > place);
  return at < 0 ? list.length : at;
}
