/** Nothing in a run folder gets into a page as anything but text: names, titles, labels and commands that are markup. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readRuns, reportOf } from '../../../experiments/report/data.ts';
import { writeReport } from '../../../experiments/report/write.ts';
import { draw } from '../../../experiments/show/draw.ts';
import { escaped, figure, page } from '../../../experiments/show/html.ts';
import { presetOver } from '../../../experiments/sweep/own.ts';
import { sweepPlan } from '../../../experiments/sweep/plan.ts';
import { addSystem, defineSystem } from '../../../systems/index.ts';

const ATTACKS = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onload='alert(1)",
  '</text></svg><script>alert(1)</script>',
  '</title><style>*{display:none}</style>',
  '&lt;script&gt;<!--',
  ']]><![CDATA[<b>',
  'javascript:alert(1)',
];
const all = ATTACKS.join(' ');

/** Without the rasters of pictures, which are ours. */
const withoutRasters = (markup: string) => markup.replaceAll(/ (?:xlink:)?href="data:image\/png;base64,[\w+/=]*"/g, '');

/** Tags and attributes that are none of ours. Text is between tags; quotes cannot end an attribute. */
function strange(text: string): string[] {
  const markup = withoutRasters(text);
  const tags = [...markup.matchAll(/<(\/?)([!a-zA-Z?][^\s/>]*)((?:[^>"']|"[^"]*"|'[^']*')*)>/g)];
  const known =
    /^(!doctype|html|head|meta|title|style|body|h[1-3]|dl|dt|dd|p|ul|li|code|pre|span|div|table|caption|thead|tbody|tr|th|td|figure|br|svg|g|rect|path|text|tspan|image|defs|clippath|lineargradient|stop|polyline|polygon|circle|line)$/i;
  const wrongTags = tags.filter(([, , name]) => !known.test(name!)).map(([tag]) => tag);
  const wrongAttributes = tags.flatMap(([tag, , , rest]) =>
    [...rest!.replaceAll(/"[^"]*"|'[^']*'/g, '').matchAll(/([\w:-]+)\s*=?/g)].flatMap(([, name]) =>
      /^on|^src$|^href$/i.test(name!) ? [tag] : [],
    ),
  );
  const open = markup.replaceAll(/<(\/?)([!a-zA-Z?][^\s/>]*)((?:[^>"']|"[^"]*"|'[^']*')*)>/g, '').includes('<');
  return [...wrongTags, ...wrongAttributes, ...(open ? ['an angle bracket that is open'] : [])];
}

it('what this test looks for is found', () => {
  for (const attack of ATTACKS.slice(0, 2)) expect(strange(`<p>${attack}</p>`)).not.toEqual([]);
  expect(strange(`<p title='${ATTACKS[2]}'></p>`)).not.toEqual([]);
  expect(strange('<p title="a > b">x &lt; y</p>')).toEqual([]);
});

describe('a picture', () => {
  const line = { x: Float64Array.of(0, 0.5, 1) };
  const plane = { [all]: Float64Array.of(0, 0, 1, 1), y: Float64Array.of(0, 1, 0, 1) };
  const history = {
    epoch: [25, 50],
    terms: Object.fromEntries(ATTACKS.map((name) => [name, [1, 0.5]])),
    error: [1, 0.1],
  };

  it.each([
    ['of a line', line, 3],
    ['of a plane', plane, 4],
  ] as const)('%s with markup for every name', (_, points, count) => {
    const values = Float64Array.from({ length: count }, (__, k) => k);
    const fields = ATTACKS.map((name) => ({ name, prediction: values, exact: values, relativeError: 0.1 }));
    expect(strange(draw(all, all, points, fields, history))).toEqual([]);
  });

  it('in a page', () => {
    const svg = draw(all, all, line, [], history);
    expect(strange(page(all, [figure(svg, all), `<p>${escaped(all)}</p>`]))).toEqual([]);
  });
});

describe('a report', () => {
  let base = '';
  beforeAll(() => {
    base = mkdtempSync(join(tmpdir(), 'tapir-'));
    const residuals = Object.fromEntries(ATTACKS.map((name) => [name, 'u.x - 1']));
    addSystem(
      defineSystem({
        ...{ name: 'hostile', title: all, coordinates: { x: [0, 1] }, fields: ['u'], parameters: { c: 1 } },
        ...{ coupling: { parameter: 'c', values: [1, 2] }, exact: { u: 'x' }, residuals, points: { interior: 5 } },
        conditions: [{ at: { x: 0 }, residuals: ['u'], term: all }],
      }),
    );
  });
  afterAll(() => rmSync(base, { recursive: true, force: true }));

  it('of a folder in which every text is markup has none of it', async () => {
    const { systemNamed } = await import('../../../systems/index.ts');
    const system = systemNamed('hostile');
    const plan = sweepPlan(presetOver(system, {}), { epochs: 50 });
    const { groups: _, ...rest } = plan;
    const record = { ...rest, format: 1, preset: all, command: all, created: all };
    writeFileSync(join(base, 'sweep.json'), JSON.stringify(record));
    const terms = Object.fromEntries([...ATTACKS, all].map((name) => [name, 0.5]));
    const line = { losses: terms, weights: terms, l2: { u: 0.1 }, mean: 0.1, rmse: 0.1 };
    plan.runs.forEach((run, k) => {
      const folder = join(base, 'runs', run.id);
      mkdirSync(folder, { recursive: true });
      const best = { error: 0.1, mean: 0.1, epoch: 25 };
      const result = {
        final: { error: 0.1, l2: { u: 0.1 }, mean: 0.1, rmse: { u: 0.1 } },
        best,
        losses: terms,
        weights: terms,
      };
      const summary = {
        ...{ format: 2, id: all, system: run.system, params: run.parameters, optimizer: run.optimizer },
        ...{ weighting: run.weighting, score: 'relative', epochs: 50, seed: 42, ...result, msPerStep: 1 },
        ...{ bestLoss: { loss: 1, error: 0.1, epoch: 25 }, stackedWith: 0, dispatchesPerStep: 1, adapter: all },
        ...{ finished: all, kernels: { [all]: all }, stopped: all },
        ...(k === 0 ? { diverged: { epoch: 1, term: all, value: all } } : {}),
      };
      writeFileSync(join(folder, 'summary.json'), JSON.stringify(summary));
      writeFileSync(
        join(folder, 'metrics.jsonl'),
        [25, 50].map((epoch) => `${JSON.stringify({ ...line, epoch })}\n`).join(''),
      );
    });
    expect(reportOf(readRuns(base))).toMatchObject({ done: plan.runs.length, damaged: [] });
    const { html, markdown } = await writeReport(base);
    expect(strange(readFileSync(html, 'utf8'))).toEqual([]);
    expect(strange(readFileSync(markdown, 'utf8').replaceAll('<br>', '').replaceAll(/^> /gm, ''))).toEqual([]);
  });
});
