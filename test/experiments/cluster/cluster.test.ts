/** Sweeps on a cluster, without one: the script, the parts of a plan, what a folder and a queue say together. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prepare, readJobs, type Submission, usefulCount } from '../../../experiments/cluster/jobs.ts';
import { queueOf } from '../../../experiments/cluster/queue.ts';
import { jobScript, quoted, rangesOf } from '../../../experiments/cluster/script.ts';
import { statusText, sweepStatus } from '../../../experiments/cluster/status.ts';
import { SweepFolder } from '../../../experiments/sweep/folder.ts';
import { selectGroups, sweepPlan, workOf } from '../../../experiments/sweep/plan.ts';
import { presetNamed } from '../../../experiments/sweep/presets.ts';

describe('the script', () => {
  it('is an array in the conventions of submitit', () => {
    const script = jobScript({
      ...{ name: 'tapir-quick', tasks: [0, 1, 3], count: 4, partition: 'gpu', time: '4:00:00', gpus: 1 },
      ...{ folder: '/data/my project', out: '/data/sweep', command: ['node', 'tapir.mjs', 'sweep', 'quick'] },
    });
    expect(script).toBe(`#!/bin/bash
#SBATCH --job-name=tapir-quick
#SBATCH --array=0-1,3
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --partition=gpu
#SBATCH --time=4:00:00
#SBATCH --gpus-per-node=1
#SBATCH --signal=USR2@90
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output="/data/sweep/slurm/%A_%a_log.out"
#SBATCH --error="/data/sweep/slurm/%A_%a_log.err"

cd '/data/my project' || exit
status=0
srun --unbuffered node tapir.mjs sweep quick \\
  --out /data/sweep --shard "$((SLURM_ARRAY_TASK_ID + 1))/4" || status=$?
# Stopped, with everything kept: at the time limit, or where the GPU was lost.
if [ "$status" = 75 ]; then exec scontrol requeue "$SLURM_JOB_ID"; fi
exit "$status"
`);
  });

  it('names tasks by ranges and quotes what a shell would take apart', () => {
    expect(rangesOf([7, 0, 2, 1, 5])).toBe('0-2,5,7');
    expect([quoted('--only'), quoted('a b'), quoted("it's")]).toEqual(['--only', "'a b'", "'it'\\''s'"]);
  });
});

describe('parts of a plan', () => {
  const paper = sweepPlan(presetNamed('paper'));
  const total = paper.groups.reduce((sum, group) => sum + workOf(group), 0);
  const dearest = Math.max(...paper.groups.map(workOf));

  it.each([2, 3, 5])('have about the same work, in %i: no more than the mean and one group', (count) => {
    for (let index = 1; index <= count; index++) {
      const work = selectGroups(paper, [], { index, count }).reduce((sum, group) => sum + workOf(group), 0);
      expect(work).toBeLessThanOrEqual(total / count + dearest);
    }
  });

  it('are as many as are of use: a run of the flow weighs as much as tens of others', () => {
    const flow = paper.groups.find(({ id }) => id.includes('electroosmotic'))!;
    const plain = paper.groups.find(({ id }) => id.includes('thermoelasticity'))!;
    const of = (group: typeof flow) => workOf(group) / group.runs.length;
    expect(of(flow) / of(plain)).toBeGreaterThan(30);
    const count = usefulCount(paper.groups);
    expect([count * dearest >= total, (count - 1) * dearest < total]).toEqual([true, true]);
  });
});

describe('the state of a sweep', () => {
  let out = '';
  beforeEach(() => {
    out = join(mkdtempSync(join(tmpdir(), 'tapir-')), 'sweep');
  });
  afterEach(() => rmSync(join(out, '..'), { recursive: true, force: true }));
  const plan = sweepPlan(presetNamed('quick'), { seeds: [1] }, 2);

  /** Task 0 has two groups, of which one is done; task 1 is in the queue; task 2 failed; the rest was never submitted. */
  function submitted(): void {
    SweepFolder.open(out, plan, 'tapir sweep quick').writeRun(
      plan.groups[0]!.runs[0]!.id,
      new Map([['summary.json', '{}']]),
    );
    mkdirSync(join(out, 'slurm'));
    const ids = plan.groups.map(({ id }) => id);
    const tasks = { 0: ids.slice(0, 2), 1: ids.slice(2, 3), 2: ids.slice(3, 4) };
    writeFileSync(
      join(out, 'slurm', 'jobs.jsonl'),
      `${JSON.stringify({ job: '7', count: 4, tasks, submitted: '' })}\n`,
    );
    writeFileSync(join(out, 'slurm', '7_2_log.err'), 'Warning: x\ntapir: the disk is full\n\n');
    mkdirSync(join(out, 'groups', ids[0]!));
    writeFileSync(join(out, 'groups', ids[0]!, '.lock'), `${process.ppid} ${hostname()}\n`);
  }

  it('is told by its folder, the locks in it and the queue', () => {
    submitted();
    const status = sweepStatus(out, queueOf('7_0 RUNNING\n7_1 PENDING\n'));
    expect(status.groups.slice(0, 4).map(({ state }) => state)).toEqual(['running', 'waiting', 'waiting', 'failed']);
    expect(status.groups[3]!.said).toBe('tapir: the disk is full');
    const rest = plan.runs.length - plan.groups.slice(0, 4).reduce((sum, { runs }) => sum + runs.length, 0);
    expect(status.runs).toMatchObject({ done: 1, open: rest });
    expect(statusText(status)).toContain('failed');
  });

  it('decides what is submitted again: what failed, not what is in the queue', () => {
    const folder = '/data';
    const submission: Submission = { plan, only: [], out, resources: {}, folder, command: ['tapir'], count: 4 };
    const all = prepare(submission, new Map(), () => false);
    expect([[...all.tasks.keys()], all.queued]).toEqual([[0, 1, 2, 3], 0]);
    submitted();
    const tasks = Object.fromEntries([...all.tasks].map(([task, ids]) => [task, ids]));
    writeFileSync(
      join(out, 'slurm', 'jobs.jsonl'),
      `${JSON.stringify({ job: '7', count: 4, tasks, submitted: '' })}\n`,
    );
    expect(readJobs(out)).toHaveLength(1);
    const again = prepare(submission, queueOf('7_1 RUNNING'), () => false);
    expect([[...again.tasks.keys()], again.queued]).toEqual([[0, 2, 3], 1]);
    expect(again.script).toContain('--array=0,2-3');
    expect(prepare(submission, new Map(), () => true).tasks.size).toBe(0);
    expect(() => prepare({ ...submission, count: 3 }, queueOf('7_1 RUNNING'), () => false)).toThrow(
      /in 4 parts; leave out --array-size/,
    );
  });
});
