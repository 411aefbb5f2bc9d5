import { connect } from "tower";
import type { Card } from "tower/types";

/** Where cards are made, moved and removed: at once here, and on the server as soon as it can be reached. */
export const cards = connect().model("cards");

export type ColumnName = Card["column"];

/** A place between two others. */
function between(above: number | undefined, below: number | undefined): number {
  if (above === undefined) return below === undefined ? 0 : below - 1;
  return below === undefined ? above + 1 : (above + below) / 2;
}

export function add(column: ColumnName, list: readonly Card[], title: string): void {
  cards.create({ title, column, place: between(list.at(-1)?.place, undefined) });
}

/** Puts a card where it is the one at index, among the others of a column. */
export function move(card: Card, column: ColumnName, list: readonly Card[], index: number): void {
  const others = list.filter(({ id }) => id !== card.id);
  const above = others[index - 1]?.place;
  const below = others[index]?.place;
  const place = between(above, below);
  if (place === above || place === below) {
    // There is no number left between the two: count anew.
    others.toSpliced(index, 0, card).forEach(({ id }, at) => cards.update(id, { column, place: at }));
  } else if (column !== card.column || index !== list.indexOf(card)) {
    cards.update(card.id, { column, place });
  }
}

/** Which one a card would be that has a place. */
export function placeAt(list: readonly Card[], place: number): number {
  const at = list.findIndex(card => card.place > place);
  return at < 0 ? list.length : at;
}
