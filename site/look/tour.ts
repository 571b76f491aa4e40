/** The panel of the guided tour: a lesson, its steps, a sentence each with links to the code. */
import { el } from '../shared/dom.ts';
import { type Comparison, lessons, type Step } from './lessons.ts';

/** A place in the tour, counted from 0. */
export interface At {
  readonly lesson: number;
  readonly step: number;
}

export interface Tour {
  readonly element: HTMLElement;
  /** Shows where the tour is, or that it is not under way. */
  show(at: At | undefined): void;
  /** Shows what was found on paper beside what the tape says. */
  compare(found: readonly Comparison[]): void;
}

const sourceLink = (path: string) => el('a', { href: `source/${path}.txt` }, path);
const digits = (value: number) => String(Number(value.toPrecision(8)));

/** `go` is told where the visitor wants to be. */
export function tour(go: (at: At | undefined) => void): Tour {
  let here: At | undefined;
  const lesson = el(
    'select',
    { id: 'lesson' },
    el('option', { value: '' }, 'choose a lesson..'),
    ...lessons.map(({ title }, k) => el('option', { value: k }, `${k + 1}. ${title}`)),
  );
  const back = el('button', { type: 'button', onclick: () => move(-1) }, 'Back');
  const next = el('button', { type: 'button', onclick: () => move(1) }, 'Next');
  const place = el('span', { class: 'muted' });
  const text = el('p', { id: 'lesson-text', 'aria-live': 'polite' });
  const results = el('ul', { id: 'by-hand' });

  lesson.addEventListener('change', () =>
    go(lesson.value === '' ? undefined : { lesson: Number(lesson.value), step: 0 }),
  );

  /** All steps of all lessons one after the other. */
  const all = lessons.flatMap(({ steps }, l) => steps.map((_, s): At => ({ lesson: l, step: s })));
  const position = () => all.findIndex((at) => at.lesson === here?.lesson && at.step === here.step);
  function move(by: number): void {
    const to = all[position() + by];
    if (to) go(to);
  }

  return {
    element: el(
      'section',
      { class: 'panel', 'aria-label': 'Guided tour' },
      el(
        'div',
        { class: 'controls' },
        el('label', { class: 'field', for: 'lesson' }, 'Guided tour', lesson),
        back,
        next,
        place,
      ),
      text,
      results,
    ),
    show(at) {
      here = at;
      const step: Step | undefined = at && lessons[at.lesson]!.steps[at.step];
      lesson.value = at ? String(at.lesson) : '';
      back.disabled = position() <= 0;
      next.disabled = position() === all.length - 1;
      next.textContent = at ? 'Next' : 'Start';
      if (!at || !step) {
        place.textContent = '';
        text.replaceChildren('Six lessons lead from a formula to the GPU; every step runs in this page.');
        results.replaceChildren();
        return;
      }
      const { steps, walk } = lessons[at.lesson]!;
      place.textContent = `step ${at.step + 1} of ${steps.length}`;
      text.replaceChildren(step.say, ' ', sourceLink(step.source), ', ', sourceLink(walk));
    },
    compare(found) {
      results.replaceChildren(
        ...found.map(({ output, formula, byHand, byTape }) =>
          el(
            'li',
            {},
            el('code', {}, `${output} = ${formula}`),
            ` by hand: ${digits(byHand)}; the tape says ${digits(byTape)}`,
          ),
        ),
      );
    },
  };
}
