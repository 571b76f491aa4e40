/** A peer as a process of its own: one JSON document per line to it and from it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { UserError } from '../engine/index.ts';
import type { BlasFacts } from './blas.ts';

/** A peer that is not there, or went away. */
export class PeerError extends UserError {
  override readonly name = 'PeerError';
  override readonly exitCode = 1;
  constructor(message: string) {
    super(message, { remedy: '--python names the Python that has PyTorch or JAX' });
  }
}

/** How a peer is started: a program with arguments. */
export interface PeerCommand {
  /** What to call it where it does not answer. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Where it runs; this process' folder by default. */
  readonly folder?: string;
  /** Threads that its libraries may use; 1 by default. */
  readonly threads?: number;
}

/** What a peer says of itself after it was told the problem. */
export interface Hello {
  readonly name: string;
  readonly variants: readonly string[];
  /** Absent where it uses no BLAS of its own. */
  readonly blas?: BlasFacts;
}

/** Of each call, nanoseconds by the clock and of all its processors together, where it tells. */
export interface Timing {
  readonly ns: number;
  readonly cpuNs?: number;
}

export interface Answer {
  readonly losses: readonly number[];
  readonly gradient: readonly number[];
  /** Nanoseconds of the first call: compiling, where the variant compiles. */
  readonly firstNs: number;
}

const STDERR_KEPT = 2000;

/** Threads are pinned, and those that wait for work sleep: where several spin, they take the cores from what is timed. */
export const pinned = (threads: number): Record<string, string> => ({
  OPENBLAS_NUM_THREADS: String(threads),
  MKL_NUM_THREADS: String(threads),
  OMP_NUM_THREADS: String(threads),
  OMP_WAIT_POLICY: 'PASSIVE',
});

export class Peer {
  readonly hello: Hello;
  readonly #child: ChildProcess;
  readonly #next: (what: unknown, ms: number) => Promise<Record<string, unknown>>;

  private constructor(child: ChildProcess, next: Peer['ask'], hello: Hello) {
    this.#child = child;
    this.#next = next;
    this.hello = hello;
  }

  /** Starts a peer and describes the problem to it. Throws {@link PeerError} with one line that says why there is none. */
  static async start(peer: PeerCommand, problem: unknown, ms: number): Promise<Peer> {
    const { name, command, args, folder, threads = 1 } = peer;
    const child = spawn(command, [...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...pinned(threads) },
      ...(folder ? { cwd: folder } : {}),
    });
    let complaint = '';
    child.stderr!.on('data', (text: Buffer) => {
      complaint = (complaint + text.toString()).slice(-STDERR_KEPT);
    });
    child.stdin!.on('error', () => {});
    const gone = new Promise<string>((resolve) => {
      child.once('error', (error: NodeJS.ErrnoException) =>
        resolve(error.code === 'ENOENT' ? `there is no program ${command}` : error.message),
      );
      child.once('close', (code) => resolve(complaint.trim().split('\n').at(-1) || `it ended with exit code ${code}`));
    });
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    const next = async (what: unknown, limit: number) => {
      child.stdin!.write(`${JSON.stringify(what)}\n`);
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new PeerError(`no answer within ${Math.round(limit / 1000)} s`)), limit);
      });
      try {
        const line = await Promise.race([
          lines
            .next()
            .then(({ value, done }) => (done ? gone.then((why) => Promise.reject(new PeerError(why))) : value)),
          late,
        ]);
        const answer = parse(line as string);
        const refusal = answer['missing'] ?? answer['failed'];
        if (refusal !== undefined) throw new PeerError(String(refusal));
        return answer;
      } finally {
        clearTimeout(timer);
      }
    };
    try {
      const hello = await next(problem, ms);
      return new Peer(child, next, {
        name: String(hello['name'] ?? name),
        variants: (hello['variants'] ?? []) as string[],
        ...(hello['blas'] ? { blas: hello['blas'] as BlasFacts } : {}),
      });
    } catch (error) {
      child.kill();
      throw error;
    }
  }

  /** One request, one answer. Throws {@link PeerError} where the peer fails, ends or takes longer than `ms`. */
  ask(what: unknown, ms: number): Promise<Record<string, unknown>> {
    return this.#next(what, ms);
  }

  async check(variant: string, ms: number): Promise<Answer> {
    const answer = await this.ask({ check: variant }, ms);
    return answer as unknown as Answer;
  }

  /** What each of `calls` calls back to back takes, by the peer's own clocks. */
  async time(variant: string, calls: number, ms: number): Promise<Timing> {
    const { ns, cpuNs } = await this.ask({ time: variant, calls }, ms);
    if (typeof ns !== 'number' || !(ns > 0)) throw new PeerError(`it gave no time but ${JSON.stringify(ns)}`);
    return { ns, ...(typeof cpuNs === 'number' ? { cpuNs } : {}) };
  }

  stop(): void {
    this.#child.stdin!.end();
    this.#child.kill();
  }
}

function parse(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line.replace(/\bNaN\b|-?\bInfinity\b/g, 'null')) as Record<string, unknown>;
  } catch {
    throw new PeerError(`it answered no JSON but ${line.slice(0, 60)}`);
  }
}
