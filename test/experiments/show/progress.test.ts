import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type ProgressState,
  type ProgressStream,
  progressLine,
  startProgress,
} from '../../../experiments/show/progress.ts';

const terms = { heat: 1.25e-3, momentum: 4e-4, boundary: 2e-5, initial: 1e-6 };
const state = (epoch: number, changes: Partial<ProgressState> = {}): ProgressState => ({
  epoch,
  terms,
  error: 0.0123,
  msPerStep: 3.21,
  ...changes,
});
const esc = String.fromCharCode(27);
const controls = new RegExp(`${esc}(?:\\[[?]?\\d*[A-Za-z]|\\d)|\\r`, 'g');

function stream(columns?: number) {
  const written: string[] = [];
  const write = (text: string) => written.push(text) > 0;
  const fake = { write, isTTY: columns !== undefined, columns };
  return { fake: fake as unknown as ProgressStream & { columns: number }, text: () => written.join('') };
}

/** What a terminal would show: each line as it was last drawn. */
function shown(text: string): string[] {
  return text.split('\n').map(
    (line) =>
      line
        .split(new RegExp(`${esc}\\[1G`))
        .map((part) => part.replace(controls, ''))
        .findLast((part) => part !== '') ?? '',
  );
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('on a terminal', () => {
  it.each([1, 10, 40, 41, 60, 80, 120, 200])('fits %i columns', (columns) => {
    for (const epoch of [0, 25, 30000])
      for (const changes of [
        {},
        { error: 123456 },
        { error: Number.NaN, msPerStep: 1e9, terms: { heat: Number.NaN } },
      ]) {
        const line = progressLine(state(epoch, changes), { total: 30000, label: 'thermoelasticity', columns });
        expect(line.length).toBeLessThanOrEqual(Math.max(columns - 1, 1));
        if (columns >= 40) expect(line).toContain(`${epoch}/30000`);
      }
  });

  it('shows more where there is room', () => {
    const at = (columns: number) => progressLine(state(1500), { total: 3000, label: 'heat-rod', columns });
    expect(at(40)).toMatch(/1500\/3000 {2}loss 1\.7e-03/);
    expect(at(110)).toMatch(
      /^heat-rod {2}━+─+ {2}1500\/3000 .* heat 1\.3e-03 .*err 1\.23% {2}3\.21 ms\/step {2}left {2}0:05$/,
    );
    expect(at(110)).not.toContain('initial');
    expect(at(200)).toContain('initial 1.0e-06');
  });

  it('follows the width, leaves the last state and restores the cursor', () => {
    const { fake, text } = stream(100);
    const progress = startProgress({ total: 3000, label: 'rod', stream: fake });
    progress.update(state(25));
    vi.advanceTimersByTime(300);
    fake.columns = 40;
    const before = text().length;
    progress.update(state(50));
    vi.advanceTimersByTime(300);
    progress.note('a note');
    progress.update(state(2975));
    progress.stop();
    const after = text().length;
    progress.stop();
    progress.update(state(3000));
    vi.advanceTimersByTime(1000);
    expect(text().length).toBe(after);
    const drawn = text()
      .slice(before)
      .split(new RegExp(`${esc}\\[1G|\\n`));
    expect(Math.max(...drawn.map((part) => part.replace(controls, '').length))).toBeLessThan(40);
    const lines = shown(text());
    expect(lines[0]).toBe('a note');
    expect(lines[1]).toContain('2975/3000');
    expect(lines.slice(2)).toEqual(['']);
    expect(text().lastIndexOf(`${esc}[?25h`)).toBeGreaterThan(text().lastIndexOf(`${esc}[?25l`));
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('elsewhere', () => {
  it('prints about twenty plain lines and always the last', () => {
    const { fake, text } = stream();
    const progress = startProgress({ total: 3000, label: 'rod', stream: fake });
    for (let epoch = 25; epoch <= 2990; epoch += 25) progress.update(state(epoch));
    progress.note('a note');
    progress.stop();
    progress.stop();
    const lines = text().trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(15);
    expect(lines.length).toBeLessThanOrEqual(23);
    expect(lines.at(-2)).toBe('a note');
    expect(lines.at(-1)).toMatch(
      /^rod {2}epoch 2975\/3000 {2}loss 1\.7e-03 {2}error 1\.23% .*left 0:01 {2}heat 1\.3e-03/,
    );
    expect([...text()].every((letter) => letter === '\n' || letter >= ' ')).toBe(true);
  });

  it('names what is not a number', () => {
    const { fake, text } = stream();
    const progress = startProgress({ total: 100, label: 'rod', stream: fake });
    progress.update(state(1, { terms: { heat: Number.NaN }, error: Number.POSITIVE_INFINITY, msPerStep: Number.NaN }));
    expect(text()).toMatch(/loss +NaN {2}error inf {2}- ms\/step {2}left - {2}heat +NaN/);
  });
});
