/** A Slurm cluster of two nodes on this machine, started for a test from slurm.conf beside this file. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

const plugins = (): string => {
  const found = readdirSync('/usr/lib')
    .map((name) => join('/usr/lib', name, 'slurm-wlm'))
    .find(existsSync);
  if (!found) throw new Error("there is no folder of Slurm's plugins below /usr/lib");
  return found;
};

export class Cluster {
  /** The environment in which Slurm's commands find it. */
  readonly env: Readonly<Record<string, string>>;
  readonly #daemons = new Map<string, ChildProcess>();
  readonly #state: string;

  private constructor(state: string) {
    this.#state = state;
    this.env = { SLURM_CONF: join(state, 'slurm.conf') };
  }

  /** Starts the daemons, with their files in `state`, and waits until both nodes take jobs. */
  static async start(state: string): Promise<Cluster> {
    const cluster = new Cluster(state);
    const values: Readonly<Record<string, string>> = {
      HOST: hostname().split('.')[0]!,
      PLUGINS: plugins(),
      STATE: state,
    };
    const template = readFileSync(join(import.meta.dirname, 'slurm.conf'), 'utf8');
    for (const name of ['controller', 'node1', 'node2']) mkdirSync(join(state, name), { recursive: true });
    writeFileSync(
      cluster.env['SLURM_CONF']!,
      template.replaceAll(/@(\w+)@/g, (_, name: string) => values[name]!),
    );
    cluster.#daemon('slurmctld', ['-D', '-c']);
    for (const node of ['node1', 'node2']) cluster.startNode(node);
    await until(() => cluster.call('sinfo', '--noheader', '--Node', '--format=%t').match(/idle/g)?.length === 2, 60);
    return cluster;
  }

  startNode(node: string): void {
    // Where several nodes share a machine, the daemon of a step is named.
    this.#daemon(node, ['-D', '-N', node, '-d', '/usr/sbin/slurmstepd'], 'slurmd');
  }

  #daemon(name: string, args: readonly string[], program = name): void {
    this.#daemons.set(name, spawn(program, [...args], { env: { ...process.env, ...this.env }, stdio: 'ignore' }));
  }

  /** Output of a command of Slurm's. */
  call(program: string, ...args: readonly string[]): string {
    return execFileSync(program, [...args], { env: { ...process.env, ...this.env }, encoding: 'utf8' });
  }

  /** As when a machine loses its power: its daemon and all that it runs are gone at once. */
  killNode(node: string): void {
    const daemon = this.#daemons.get(node)!;
    const tasks = processes().filter(({ environment }) => environment.includes(`SLURMD_NODENAME=${node}\0`));
    const steps = processes().filter(({ command }) => command.includes('slurmstepd') && command.includes(node));
    daemon.kill('SIGKILL');
    for (const { pid } of [...steps, ...tasks]) kill(pid);
    this.#daemons.delete(node);
  }

  /** Ends the controller, which is started again by {@link startController}: running jobs do not need it. */
  stopController(): void {
    this.#daemons.get('slurmctld')!.kill('SIGKILL');
    this.#daemons.delete('slurmctld');
  }

  startController(): void {
    this.#daemon('slurmctld', ['-D']);
  }

  stop(): void {
    for (const daemon of this.#daemons.values()) daemon.kill('SIGTERM');
  }

  /** The controller's log. */
  log(): string {
    return readFileSync(join(this.#state, 'slurmctld.log'), 'utf8');
  }
}

interface Running {
  readonly pid: number;
  readonly command: string;
  readonly environment: string;
}

/** Processes of this machine, by /proc. */
function processes(): Running[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const [command, environment] = ['cmdline', 'environ'].map((file) =>
          readFileSync(join('/proc', name, file), 'utf8'),
        );
        return [{ pid: Number(name), command: command!, environment: `${environment}\0` }];
      } catch {
        return [];
      }
    });
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}

/** Waits for something to come true. */
export async function until(true_: () => boolean, seconds: number): Promise<void> {
  const end = performance.now() + 1000 * seconds;
  while (!true_()) {
    if (performance.now() > end) throw new Error(`it did not come true in ${seconds} s: ${true_}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
