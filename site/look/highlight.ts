/** Listings whose rows belong to nodes of one tape: pointing at a row in one shows its relatives in all of them. */
import { el } from '../shared/dom.ts';

interface Row {
  readonly element: HTMLElement;
  readonly ids: readonly number[];
}

export interface Line {
  readonly text: string;
  /** What stands behind the text, quieter. */
  readonly note?: string;
  /** Nodes of the tape that the line belongs to. */
  readonly ids: readonly number[];
}

export class Highlight {
  readonly #rows = new Map<string, Row[]>();
  readonly #relatives: (id: number) => ReadonlySet<number>;
  readonly #onPoint: (ids: readonly number[]) => void;
  #count = 0;

  constructor(relatives: (id: number) => ReadonlySet<number>, onPoint: (ids: readonly number[]) => void) {
    this.#relatives = relatives;
    this.#onPoint = onPoint;
  }

  /** A listing to point at with the mouse or, once it has the focus, with the arrow keys. Replaces one of equal name. */
  listing(name: string, lines: readonly Line[]): HTMLElement {
    const rows = lines.map(({ text, note, ids }): Row => {
      const element = el(
        'span',
        { class: 'row', role: 'option', id: `row-${this.#count++}`, 'aria-selected': 'false' },
        text || ' ',
        note !== undefined && el('span', { class: 'from' }, `  ${note}`),
      );
      element.addEventListener('pointerenter', () => this.point(ids));
      return { element, ids };
    });
    this.#rows.set(name, rows);
    const list = el(
      'div',
      { class: 'code', role: 'listbox', tabindex: 0, 'aria-label': name },
      ...rows.map(({ element }) => element),
    );
    let at = -1;
    list.addEventListener('keydown', (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      rows[at]?.element.setAttribute('aria-selected', 'false');
      at = Math.min(rows.length - 1, Math.max(0, at + step));
      const row = rows[at]!;
      row.element.setAttribute('aria-selected', 'true');
      list.setAttribute('aria-activedescendant', row.element.id);
      row.element.scrollIntoView({ block: 'nearest', inline: 'nearest' });
      this.point(row.ids);
    });
    return list;
  }

  /** Shows what belongs to nodes, and what is near them, in every listing. */
  point(ids: readonly number[]): void {
    const near = new Set(ids.flatMap((id) => [...this.#relatives(id)]));
    for (const { element, ids: own } of [...this.#rows.values()].flat()) {
      const same = own.some((id) => ids.includes(id));
      element.classList.toggle('same', same);
      element.classList.toggle('near', !same && own.some((id) => near.has(id)));
    }
    this.#onPoint(ids);
  }
}
