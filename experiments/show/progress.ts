/** Where a training run stands: one live line on a terminal, a few plain lines anywhere else. */
import cliProgress from 'cli-progress';

export interface ProgressState {
  /** Epochs done. */
  readonly epoch: number;
  readonly terms: Readonly<Record<string, number>>;
  /** Relative error, 1 for 100 %; absent where there is no reference solution. */
  readonly error?: number;
  readonly msPerStep: number;
  /** What the optimizer has to say, by name. */
  readonly facts?: Readonly<Record<string, number>>;
}

export type ProgressStream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

export interface ProgressOptions {
  /** Epochs of the whole run. */
  readonly total: number;
  readonly label: string;
  readonly stream?: ProgressStream;
}

export interface Progress {
  update(state: ProgressState): void;
  /** Prints a line of its own. */
  note(text: string): void;
  /** Leaves the last state visible; what comes after it is ignored. */
  stop(): void;
}

const FPS = 10;
const PLAIN_LINES = 20;
const GAP = '  ';
const BAR = { least: 3, most: 30, done: '━', rest: '─' };

/** Shows progress on `stream` until stopped; on a terminal a timer keeps the process alive until then. */
export function startProgress({ total, label, stream = process.stderr }: ProgressOptions): Progress {
  return stream.isTTY ? liveProgress(total, label, stream) : plainProgress(total, label, stream);
}

function liveProgress(total: number, label: string, stream: ProgressStream): Progress {
  let state: ProgressState | undefined;
  const bars = new cliProgress.MultiBar({
    stream,
    fps: FPS,
    hideCursor: true,
    linewrap: true,
    forceRedraw: true,
    format: () => progressLine(state, { total, label, columns: stream.columns || 80 }),
  });
  let drawn = Number.NEGATIVE_INFINITY;
  let stopped = false;
  const draw = () => {
    drawn = performance.now();
    bars.update();
  };
  const stop = () => {
    if (stopped) return;
    stopped = true;
    process.removeListener('exit', stop);
    bars.stop();
  };
  bars.create(total, 0);
  process.once('exit', stop);
  draw();
  return {
    update(next) {
      if (stopped) return;
      state = next;
      if (performance.now() - drawn >= 1000 / FPS) draw();
    },
    note(text) {
      if (stopped) return void stream.write(`${text}\n`);
      bars.log(`${text}\n`);
      draw();
    },
    stop,
  };
}

function plainProgress(total: number, label: string, stream: ProgressStream): Progress {
  let state: ProgressState | undefined;
  let printed: ProgressState | undefined;
  let slot = -1;
  let stopped = false;
  const print = () => {
    if (!state || state === printed) return;
    printed = state;
    stream.write(`${plainLine(state, total, label)}\n`);
  };
  return {
    update(next) {
      if (stopped) return;
      state = next;
      const now = Math.floor((next.epoch / total) * PLAIN_LINES);
      if (now <= slot && next.epoch < total) return;
      slot = now;
      print();
    },
    note: (text) => void stream.write(`${text}\n`),
    stop() {
      stopped = true;
      print();
    },
  };
}

function plainLine(state: ProgressState, total: number, label: string): string {
  const { epoch, terms, error, msPerStep } = state;
  const parts = [label, `epoch ${count(epoch, total)}`, `loss ${short(sum(terms))}`];
  if (error !== undefined) parts.push(`error ${percent(error)}`);
  parts.push(`${pace(msPerStep)} ms/step`, `left ${left(state, total)}`);
  return [...parts, ...named(state)].join(GAP);
}

/** What the optimizer has to say, then each loss term. */
const named = ({ facts = {}, terms }: ProgressState): string[] =>
  [...Object.entries(facts), ...Object.entries(terms)].map(([name, value]) => `${name} ${short(value)}`);

interface LineOptions {
  readonly total: number;
  readonly label: string;
  readonly columns: number;
}

/**
 * The line that fits `columns` with one to spare: a terminal that clears to the right of a full line takes its last
 * character. What matters most comes in first; the bar takes what remains.
 */
export function progressLine(state: ProgressState | undefined, { total, label, columns }: LineOptions): string {
  const width = Math.max(columns - 1, 1);
  const epoch = state?.epoch ?? 0;
  const chosen = new Map<string, string>();
  let used = 0;
  const add = (key: string, text: string): boolean => {
    const needed = text.length + (used > 0 ? GAP.length : 0);
    if (used + needed > width) return false;
    chosen.set(key, text);
    used += needed;
    return true;
  };
  add('count', count(epoch, total));
  if (state) {
    add('loss', `loss ${short(sum(state.terms))}`);
    if (state.error !== undefined) add('error', `err ${percent(state.error).padStart(5)}`);
    add('left', `left ${left(state, total).padStart(5)}`);
  }
  const bar = add('bar', ' '.repeat(BAR.least));
  add('label', label);
  if (state) add('pace', `${pace(state.msPerStep)} ms/step`);
  const names = (state ? named(state) : []).map((text): [string, string] => [`named ${text}`, text]);
  for (const [key, text] of names) if (!add(key, text)) break;
  if (bar) chosen.set('bar', drawBar(epoch / total, Math.min(BAR.least + width - used, BAR.most)));
  const order = ['label', 'bar', 'count', 'loss', ...names.map(([key]) => key), 'error', 'pace', 'left'];
  const line = order.flatMap((key) => chosen.get(key) ?? []).join(GAP);
  return line || count(epoch, total).slice(0, width);
}

function drawBar(progress: number, size: number): string {
  const done = Math.round(Math.min(Math.max(progress || 0, 0), 1) * size);
  return BAR.done.repeat(done) + BAR.rest.repeat(size - done);
}

function count(epoch: number, total: number): string {
  return `${String(epoch).padStart(String(total).length)}/${total}`;
}

function sum(terms: Readonly<Record<string, number>>): number {
  return Object.values(terms).reduce((total, value) => total + value, 0);
}

/** `%.1e`, always seven characters for positive numbers. */
function short(value: number): string {
  if (!Number.isFinite(value)) return special(value).padStart(7);
  return value.toExponential(1).replace(/e([+-])(\d)$/, 'e$10$2');
}

function special(value: number): string {
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'inf' : '-inf';
}

function percent(fraction: number): string {
  const value = 100 * fraction;
  if (!Number.isFinite(value)) return special(value);
  if (Math.abs(value) >= 1000 || (value !== 0 && Math.abs(value) < 0.001)) return `${short(value)}%`;
  return `${value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 0.1 ? 2 : 3)}%`;
}

function pace(ms: number): string {
  return Number.isFinite(ms) && ms > 0 ? ms.toFixed(ms >= 100 ? 0 : ms >= 10 ? 1 : 2) : '-';
}

function left({ epoch, msPerStep }: ProgressState, total: number): string {
  const ms = (total - epoch) * msPerStep;
  if (!Number.isFinite(ms) || msPerStep <= 0) return epoch >= total ? '0:00' : '-';
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
