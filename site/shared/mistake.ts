/** A mistake in a formula, shown at the place where it is. */
import { UserError } from '../../engine/index.ts';
import { ExpressionError } from '../../systems/index.ts';
import { el } from './dom.ts';

/** Fills `place` with the message and the formula, the mistake underlined; throws on what is no mistake of the visitor's. */
export function showMistake(error: unknown, text: string, field: HTMLElement, place: HTMLElement): void {
  if (!(error instanceof UserError)) throw error;
  field.setAttribute('aria-invalid', 'true');
  const at = error instanceof ExpressionError ? error.at : undefined;
  const marked = at ? `${text}\n${' '.repeat(at[0])}${'^'.repeat(Math.max(1, at[1] - at[0]))}` : undefined;
  place.replaceChildren(error.message, ...(marked === undefined ? [] : [el('pre', {}, marked)]));
}

export function clearMistake(field: HTMLElement, place: HTMLElement): void {
  field.removeAttribute('aria-invalid');
  place.replaceChildren();
}
