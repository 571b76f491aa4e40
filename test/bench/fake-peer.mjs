/**
 * A peer for tests: it knows the answer, because the problem tells it. What it does with it is the last argument: `right`
 * gives it, `openblas` and `reference` too and say that they run on such a library, `wrong` moves one number, `short`
 * leaves one out, `nan` puts a NaN, `fails` fails at it, `dies` ends instead, `mute` says nothing, `babbles` says no
 * JSON, `absent` says that it is not there.
 */
import { createInterface } from 'node:readline';

const how = process.argv.at(-1);
const BLAS = {
  openblas: { libraries: ['/lib/openblas-pthread/libopenblasp-r0.3.21.so'], built: 'generic', threads: 1 },
  reference: { libraries: ['/lib/blas/libblas.so.3.11.0'], built: 'generic' },
};
/** Its name, or the threads that its environment allows where the problem asks for these. */
const name = () => {
  const { OPENBLAS_NUM_THREADS, OMP_NUM_THREADS, MKL_NUM_THREADS, OMP_WAIT_POLICY } = process.env;
  if (problem.says !== 'threads') return `fake ${how}`;
  return `OPENBLAS ${OPENBLAS_NUM_THREADS}, OMP ${OMP_NUM_THREADS}, MKL ${MKL_NUM_THREADS}, ${OMP_WAIT_POLICY}`;
};
const answer = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
let problem;
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  if (!problem) {
    problem = asked;
    if (how === 'mute') continue;
    if (how === 'babbles') process.stdout.write('hello\n');
    else if (how === 'absent') answer({ missing: 'no such library; install it so' });
    else answer({ name: name(), variants: ['only'], ...(BLAS[how] ? { blas: BLAS[how] } : {}) });
  } else if ('check' in asked) {
    const { losses, gradient } = problem.answer;
    if (how === 'dies') process.exit(3);
    if (how === 'fails') answer({ failed: 'out of memory' });
    else if (how === 'wrong') answer({ losses, gradient: gradient.with(0, gradient[0] + 1), firstNs: 1 });
    else if (how === 'short') answer({ losses, gradient: gradient.slice(1), firstNs: 1 });
    else if (how === 'nan') process.stdout.write(`{"losses": [NaN, 1, 1], "gradient": []}\n`);
    else answer({ losses, gradient, firstNs: 5e9 });
  } else answer({ ns: 1e6, cpuNs: 2e6 });
}
