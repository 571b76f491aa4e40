/**
 * A sweep as a job array on a Slurm cluster, of which one node and the controller are lost under way, against the same
 * sweep on this machine alone. Needs Slurm and an adapter; `npm run test:cluster`.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { tapir } from '../support/command.ts';
import { contents } from '../support/contents.ts';
import { Cluster, until } from './slurm.ts';

let base = '';
let cluster: Cluster;
beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), 'tapir-cluster-'));
  cluster = await Cluster.start(join(base, 'state'));
});
afterAll(() => {
  cluster?.stop();
  rmSync(base, { recursive: true, force: true });
});

const options = [
  'sweep',
  'quick',
  '--width',
  '8',
  '--depth',
  '2',
  '--epochs',
  '800',
  '--seeds',
  '1',
  '--stack',
  '1',
  '--checkpoint',
  '1',
];
const notes: string[] = [];
const began = performance.now();
const note = (text: string) =>
  void notes.push(`${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s  ${text}`);

interface Status {
  readonly runs: Readonly<Record<string, number>>;
  readonly groups: readonly {
    readonly id: string;
    readonly state: string;
    readonly task?: string;
    readonly said?: string;
  }[];
}

async function status(): Promise<Status> {
  const { stdout } = await tapir(['sweep', 'status', 'sweep', '--json'], { cwd: base, env: cluster.env });
  return JSON.parse(stdout) as Status;
}

const said = ({ runs }: Status) =>
  Object.entries(runs)
    .map(([state, count]) => `${count} ${state}`)
    .join(', ');

it('loses nothing with a node, a job and the controller', { timeout: 900_000 }, async () => {
  const local = await tapir([...options, '--out', 'local'], { cwd: base });
  expect([local.status, readdirSync(join(base, 'local', 'runs'))]).toEqual([
    0,
    expect.objectContaining({ length: 12 }),
  ]);
  const submit = () =>
    tapir([...options, '--out', 'sweep', '--slurm', '--partition', 'main', '--array-size', '4'], {
      cwd: base,
      env: cluster.env,
    });
  const submitted = await submit();
  expect([submitted.status, submitted.stdout]).toEqual([0, expect.stringMatching(/^submitted job \d+, 4 of 4 tasks/)]);
  note(submitted.stdout.trim());
  const [, job] = /job (\d+)/.exec(submitted.stdout)!;
  const tasksOn = (node: string) =>
    cluster
      .call('squeue', '--noheader', '--array', `--nodelist=${node}`, '--states=RUNNING', '--format=%F_%K')
      .split('\n')
      .filter(Boolean);
  const finished = () =>
    contents(join(base, 'sweep')) &&
    readdirSync(join(base, 'sweep', 'runs')).filter((name) => !name.startsWith('.')).length;
  await until(() => tasksOn('node2').length > 0 && readdirSync(join(base, 'sweep', 'groups')).length > 2, 120);
  note(`running: ${said(await status())}`);

  const lost = tasksOn('node2');
  cluster.killNode('node2');
  note(`node2 is killed with ${lost.join(', ')}`);
  const [cancelled] = tasksOn('node1');
  cluster.call('scancel', '--signal=KILL', '--full', cancelled!);
  note(`the job of ${cancelled} is killed`);
  cluster.stopController();
  note('the controller is killed');
  await new Promise((resolve) => setTimeout(resolve, 2000));
  cluster.startController();
  await until(() => /is_down|DOWN|down/.test(cluster.call('sinfo', '--noheader', '--Node', '--format=%N %T')), 120);
  note('the controller is back, and finds that node2 is down');
  cluster.startNode('node2');
  // Slurm waits two minutes before it starts a requeued job.
  const hurry = () => {
    for (const task of cluster
      .call('squeue', '--noheader', '--array', '--states=PENDING', '--format=%F_%K')
      .split('\n')
      .filter(Boolean))
      try {
        cluster.call('scontrol', 'update', `JobId=${task}`, 'StartTime=now');
      } catch {
        // It has begun meanwhile.
      }
  };
  const idle = () => {
    hurry();
    return cluster.call('squeue', '--noheader').trim() === '';
  };
  await until(idle, 300);
  const after = await status();
  note(`the queue is empty: ${said(after)}`);
  const failed = after.groups.filter(({ state }) => state === 'failed');
  expect(failed.map(({ task }) => task)).toContain(cancelled);
  for (const line of new Set(failed.map(({ task, said: end }) => `${task}: ${end}`))) note(line);

  const again = await submit();
  note(again.stdout.trim());
  const left = new Set(failed.map(({ task }) => task)).size;
  expect(again.stdout).toMatch(new RegExp(`^submitted job \\d+, ${left} of 4 tasks`));
  await until(idle, 300);
  expect(await status()).toMatchObject({ runs: { done: 12, running: 0, waiting: 0, failed: 0, open: 0 } });
  note(`done: ${said(await status())}; job ${job} and the one after it`);
  expect((await submit()).stdout).toBe('every run is there\n');
  expect(finished()).toBe(12);
  const results = (name: string) => contents(join(base, name, 'runs'));
  expect(results('sweep')).toEqual(results('local'));
  note('every file of every run is the same as without Slurm');
  const log = process.env['TAPIR_CLUSTER_LOG'];
  if (log) writeFileSync(log, `${notes.join('\n')}\n`);
  else process.stdout.write(`${notes.join('\n')}\n`);
  expect(readFileSync(join(base, 'sweep', 'slurm', 'submission.sh'), 'utf8')).toContain('#SBATCH --requeue');
});
