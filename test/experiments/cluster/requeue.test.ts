/**
 * A job of a sweep at its time limit, without Slurm: its script runs under a shell, with stand-ins for Slurm's commands that
 * start the task and take note of what is requeued. Needs an adapter.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runProcess, tapir } from '../../support/command.ts';
import { contents } from '../../support/contents.ts';

let base = '';
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'tapir-'));
  mkdirSync(join(base, 'bin'));
  const standIn = (name: string, script: string) => {
    writeFileSync(join(base, 'bin', name), `#!/bin/bash\n${script}\n`);
    chmodSync(join(base, 'bin', name), 0o755);
  };
  // The task has the number that is written there, as srun hands signals on to it.
  standIn('srun', '[ "$1" = --unbuffered ] || exit 3\nshift\necho $$ > task.pid\nexec "$@"');
  standIn('scontrol', 'echo "$@" >> scontrol.log');
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

it('keeps its state at the notice, is requeued, and goes on to the same bits', async () => {
  const options = ['--width', '8', '--depth', '1', '--epochs', '1500', '--seeds', '1', '--checkpoint', '1000'];
  const only = ['--only', 'system=thermoelasticity', '--only', 'method=Adam+GN'];
  const sweep = (out: string) => ['sweep', 'quick', ...options, ...only, '--out', out];
  const script = await tapir([...sweep('sweep'), '--slurm', '--time', '0:10', '--array-size', '1', '--dry-run'], {
    cwd: base,
  });
  expect([script.status, existsSync(join(base, 'sweep'))]).toEqual([0, false]);
  writeFileSync(join(base, 'submission.sh'), script.stdout);
  const env = {
    PATH: `${join(base, 'bin')}:${process.env['PATH']}`,
    ...{ SLURM_ARRAY_TASK_ID: '0', SLURM_JOB_ID: '4711' },
  };
  let noticed = false;
  const first = await runProcess('bash', ['submission.sh'], {
    cwd: base,
    env,
    watch(stderr) {
      if (noticed || !/epoch [1-9]/.test(stderr)) return;
      noticed = true;
      process.kill(Number(readFileSync(join(base, 'task.pid'), 'utf8')), 'SIGUSR2');
    },
  });
  // scontrol takes the place of the script, and succeeds.
  expect([first.status, first.stdout]).toEqual([0, expect.stringMatching(/interrupted: the same command continues/)]);
  expect(readFileSync(join(base, 'scontrol.log'), 'utf8')).toBe('requeue 4711\n');
  const second = await runProcess('bash', ['submission.sh'], { cwd: base, env });
  expect([second.status, second.stderr]).toEqual([0, expect.stringMatching(/goes on from epoch [1-9]/)]);
  expect(readFileSync(join(base, 'scontrol.log'), 'utf8')).toBe('requeue 4711\n');
  const whole = await tapir(sweep('whole'), { cwd: base });
  expect(whole.status).toBe(0);
  expect(contents(join(base, 'sweep', 'runs'))).toEqual(contents(join(base, 'whole', 'runs')));
});
