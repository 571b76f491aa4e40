// What a campaign has found so far, as Markdown: its steps, its goals, and where the tables are. Figures come from the
// files of the steps alone; what no file holds is unmeasured, in as many words.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const read = (path) => {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
};

/** Of an H100 or H200. */
const GOALS = [
  {
    what: 'thermoelasticity, a step of SOAP',
    goal: 'at most 0.2 ms',
    of: ({ steps }) => stepMs(steps, 'thermoelasticity'),
  },
  { what: '90 stacked runs of it, a step', goal: 'at most 2 ms', of: ({ stack }) => stackMs(stack, 90) },
  {
    what: 'electroosmotic flow, a step of SOAP',
    goal: 'at most 2 ms',
    of: ({ steps }) => stepMs(steps, 'electroosmotic-flow'),
  },
  { what: '`train` against bare steps, thermoelasticity', goal: 'at most 105 %', of: ({ steps }) => trainShare(steps) },
  { what: 'the 234 runs of the paper', goal: 'at most 30 minutes', of: paperMinutes },
  { what: 'against JAX, jit, a gradient', goal: 'at least 3 times', of: ({ peers }) => best(peers, /^JAX/, /^jit$/) },
  {
    what: "against the authors' code, a step of SOAP",
    goal: 'at least 30 times',
    of: ({ peers }) => best(peers, /authors/, /./),
  },
  { what: 'product of matrices, float32, of cuBLAS', goal: 'told', of: productShare },
];

const row = (steps, system) => steps?.steps?.find((each) => each.origin === system && each.optimizer === 'soap');
const ms = (ns) => (ns === undefined ? undefined : `${(ns / 1e6).toPrecision(3)} ms`);
const stepMs = (steps, system) => ms(row(steps, system)?.time.medianNs);
const stackMs = (stack, height) =>
  ms(stack?.stack?.find((each) => each.height === height && each.optimizer === 'soap')?.time.medianNs);

function trainShare(steps) {
  const pace = row(steps, 'thermoelasticity')?.train?.pace.fastest;
  return pace === undefined ? undefined : `${(100 / pace).toFixed(1)} %`;
}

function paperMinutes({ out, state }) {
  const sweeps = Object.entries(state.steps).filter(([name]) => name.startsWith('paper-'));
  const runs = existsSync(join(out, 'paper', 'runs')) ? readdirSync(join(out, 'paper', 'runs')).length : 0;
  if (runs === 0 || state.small) return undefined;
  const minutes = sweeps.reduce((sum, [, { seconds }]) => sum + seconds, 0) / 60;
  return `${runs} of 234 runs in ${minutes.toFixed(1)} minutes`;
}

function best(peers, peer, variant) {
  const rows =
    peers?.peers?.rows.filter((each) => peer.test(each.peer) && variant.test(each.variant) && each.ratio) ?? [];
  return rows.length === 0 ? undefined : `${rows[0].ratio.medians.toPrecision(3)} times`;
}

function productShare({ kernels, product }) {
  const rows = kernels?.kernels?.filter(
    ({ kernel, origin, figures }) => kernel === 'matmul' && origin === 'large matrices' && figures,
  );
  if (!rows?.length || product?.gflops === undefined) return undefined;
  const own = Math.max(...rows.map(({ figures }) => figures.gflops));
  return `${((100 * own) / product.gflops).toFixed(0)} % of ${(product.gflops / 1000).toFixed(1)} TFLOP/s`;
}

/** Whether these figures are of a GPU is what doctor says. */
export function campaignMarkdown(out, state) {
  const doctor = read(join(out, 'doctor.json'));
  const found = {
    ...{ out, state, product: read(join(out, 'product.json')) },
    ...Object.fromEntries(
      ['kernels', 'steps', 'stack', 'peers'].map((part) => [part, read(join(out, `bench-${part}.json`))]),
    ),
  };
  const onGpu = doctor?.software === false;
  const goals = GOALS.map(({ what, goal, of }) => {
    const value = of(found);
    const said = onGpu ? (value ?? 'unmeasured') : 'unmeasured on a GPU';
    return `| ${what} | ${goal} | ${said} | ${onGpu ? '' : (value ?? '')} |`;
  });
  const steps = Object.entries(state.steps).map(
    ([name, { status, calls, seconds, last = '' }]) =>
      `| ${name} | ${status} | ${calls} | ${seconds} | ${last.replaceAll('|', '\\|')} |`,
  );
  const adapter = doctor
    ? `${doctor.adapter}${doctor.software ? ' (software: the CPU plays the GPU)' : ''}`
    : 'unknown';
  return `# Campaign${state.small ? ', a rehearsal with small sizes' : ''}

- adapter: ${adapter}
- machine: ${doctor ? `${doctor.cpu}, ${doctor.cores} cores, ${doctor.platform}, Node ${doctor.node}` : 'unknown'}
- commit: ${state.commit}

## Goals, of an H100 or H200

| | goal | measured on a GPU | here, on software |
| --- | --- | --- | --- |
${goals.join('\n')}

## Steps

| step | status | calls | seconds | last words |
| --- | --- | --- | --- | --- |
${steps.join('\n')}

Tables: \`bench-*.md\`, \`report/\`; everything else as JSON beside them; what the steps said in \`*.log\`.
`;
}
