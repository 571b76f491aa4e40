/**
 * Notices a GPU that makes no progress: of the work handed over to it, nothing has come to an end for long. WebGPU tells of
 * a dispatch that never ends no earlier than a driver resets the device, which some never do.
 */
import { UserError } from '../tape/error.ts';

/** Time between two looks, milliseconds. Of more than two at once, this process was stopped or busy, not the GPU. */
const LOOK_MS = 1000;
/** Silence that is allowed before anything has ended, and of work that is done for the first time: drivers compile then. */
const FIRST_MS = 300_000;
/** Silence that is allowed at least, and as a multiple of the longest one so far that ended. */
const LEAST_MS = 60_000;
const TIMES_LONGEST = 50;

/** A time limit that cannot be. */
export class PatienceError extends UserError {
  override readonly name = 'PatienceError';
}

/** Milliseconds of seconds as text or number; undefined where nothing is said, infinity for 0. Throws {@link PatienceError}. */
export function patienceFrom(seconds: string | number | undefined): number | undefined {
  if (seconds === undefined || seconds === '') return undefined;
  const value = Number(seconds);
  if (!(value >= 0))
    throw new PatienceError(`the patience with a GPU is a number of seconds, 0 for any, not ${seconds}`);
  return value === 0 ? Number.POSITIVE_INFINITY : 1000 * value;
}

/** Work that the GPU has, in the order in which it was handed over. */
interface Task {
  readonly what: string;
  readonly first: boolean;
}

export class Watchdog {
  readonly #patience: number | undefined;
  readonly #bark: (what: string, seconds: number) => void;
  readonly #tasks = new Set<Task>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #looked = 0;
  /** Milliseconds since something ended, or was handed over to an idle GPU. */
  #silence = 0;
  #longest: number | undefined;

  /** `bark` is called once, with what does not end and for how long. `patience` in milliseconds, in place of a measured one. */
  constructor(patience: number | undefined, bark: (what: string, seconds: number) => void) {
    this.#patience = patience;
    this.#bark = bark;
  }

  /** Watches work until `ended`. */
  watch(what: string, first: boolean, ended: Promise<unknown>): void {
    const task = { what, first };
    if (this.#tasks.size === 0) {
      this.#silence = 0;
      this.#looked = performance.now();
      this.#timer = setInterval(() => this.#look(), LOOK_MS);
    }
    this.#tasks.add(task);
    const end = () => {
      if (!this.#tasks.delete(task)) return;
      this.#listen();
      this.#longest = Math.max(this.#longest ?? 0, this.#silence);
      this.#silence = 0;
      if (this.#tasks.size === 0) clearInterval(this.#timer);
    };
    ended.then(end, end);
  }

  /** Forgets all work. */
  stop(): void {
    clearInterval(this.#timer);
    this.#tasks.clear();
  }

  #listen(): void {
    const now = performance.now();
    this.#silence += Math.min(now - this.#looked, 2 * LOOK_MS);
    this.#looked = now;
  }

  #look(): void {
    this.#listen();
    const [task] = this.#tasks;
    if (!task || this.#silence <= this.#limit(task)) return;
    this.stop();
    this.#bark(task.what, Math.round(this.#silence / 1000));
  }

  #limit({ first }: Task): number {
    if (this.#patience !== undefined) return this.#patience;
    const measured = Math.max(LEAST_MS, TIMES_LONGEST * (this.#longest ?? 0));
    return first || this.#longest === undefined ? Math.max(FIRST_MS, measured) : measured;
  }
}
