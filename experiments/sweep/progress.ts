/** Where a sweep stands: one live line on a terminal, a plain line now and then anywhere else. */
import cliProgress from 'cli-progress';
import type { ProgressStream } from '../show/progress.ts';

export interface SweepState {
  /** Runs that are there, lost ones included, of those selected. */
  readonly done: number;
  readonly total: number;
  /** Share of the selected work that is done, 0 to 1. */
  readonly fraction: number;
  /** The stack under way, in words. */
  readonly title: string;
  readonly epoch: number;
  readonly epochs: number;
  readonly loss: number;
  readonly error: number;
  /** Seconds; NaN where nothing is known yet. */
  readonly left: number;
}

export interface SweepProgress {
  update(state: SweepState): void;
  /** A line of its own. */
  note(text: string): void;
  stop(): void;
}

/** Time between plain lines, and what share of the work deserves one. */
const PLAIN_MS = 30_000;
const PLAIN_SHARE = 0.05;
const BAR = 20;
const GAP = '  ';

/** Shows progress on `stream` until stopped. */
export function startSweepProgress(label: string, stream: ProgressStream = process.stderr): SweepProgress {
  return stream.isTTY ? live(label, stream) : plain(label, stream);
}

function live(label: string, stream: ProgressStream): SweepProgress {
  let state: SweepState | undefined;
  const format = () => sweepLine(label, state, (stream.columns || 80) - 1);
  const bars = new cliProgress.MultiBar({
    stream,
    fps: 5,
    hideCursor: true,
    linewrap: true,
    forceRedraw: true,
    format,
  });
  const stop = () => {
    process.removeListener('exit', stop);
    bars.stop();
  };
  bars.create(1, 0);
  process.once('exit', stop);
  return {
    update(next) {
      state = next;
    },
    note(text) {
      bars.log(`${text}\n`);
      bars.update();
    },
    stop,
  };
}

function plain(label: string, stream: ProgressStream): SweepProgress {
  let [printed, share, title] = [Number.NEGATIVE_INFINITY, -1, ''];
  return {
    update(state) {
      const now = performance.now();
      const news = state.title !== title || state.fraction - share >= PLAIN_SHARE;
      if (!news && now - printed < PLAIN_MS) return;
      [printed, share, title] = [now, state.fraction, state.title];
      stream.write(`${sweepLine(label, state, Number.POSITIVE_INFINITY, false)}\n`);
    },
    note: (text) => void stream.write(`${text}\n`),
    stop() {},
  };
}

/** What fits in `columns`; what matters most comes first. */
export function sweepLine(label: string, state: SweepState | undefined, columns: number, bar = true): string {
  if (!state) return label.slice(0, columns);
  const { done, total, fraction, title, epoch, epochs, loss, error, left } = state;
  const filled = Math.round(Math.min(Math.max(fraction, 0), 1) * BAR);
  const parts = [
    label,
    ...(bar ? ['━'.repeat(filled) + '─'.repeat(BAR - filled)] : []),
    `${String(Math.floor(100 * fraction)).padStart(3)}%`,
    `${done}/${total} runs`,
    `left ${duration(left)}`,
    title,
    `epoch ${epoch}/${epochs}`,
    `loss ${scientific(loss)}`,
    `error ${scientific(error)}`,
  ];
  let line = '';
  for (const part of parts) {
    const longer = line ? line + GAP + part : part;
    if (longer.length > columns) break;
    line = longer;
  }
  return line;
}

const scientific = (value: number) => (Number.isFinite(value) ? value.toExponential(1) : '-');

/** `1:02:03`, `2:03`; days from 48 hours on. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-';
  const whole = Math.max(0, Math.ceil(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  if (h >= 48) return `${Math.floor(h / 24)} d ${h % 24} h`;
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
