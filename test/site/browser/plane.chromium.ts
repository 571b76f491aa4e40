/** Pictures in the plane: every pixel is the colour of what the networks say there. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { evaluate, graphOf, newTape, type Var } from '../../../engine/index.ts';
import type { Tensor } from '../../../experiments/disk/safetensors-bytes.ts';
import { colourOf } from '../../../site/train/colours.ts';
import { rangeOf } from '../../../site/train/range.ts';
import { problemOfSpec, specOf } from '../../../site/train/spec.ts';
import {
  countOf,
  EVALUATION,
  errorModel,
  inputValues,
  knownValues,
  lossModel,
  type Problem,
  shareThetas,
} from '../../../systems/index.ts';
import { flatten } from '../../../systems/initialise.ts';
import { launch, PRESENTING, visit } from './chromium.ts';
import { beyond, go, pause, ready, type Saved, save } from './training.ts';

let browser: Browser;
let folder: string;
beforeAll(async () => {
  browser = await launch(PRESENTING);
  folder = mkdtempSync(join(tmpdir(), 'tapir-plane-'));
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const STATE = 'system=helmholtz&depth=1&width=8&points=20&optimizer=adam';
const SIDE = 400;

/** The pixels of a picture, row by row from the top, four bytes each. */
async function pixelsOf(page: Page, key: string): Promise<Uint8Array> {
  const text = await page.locator(`canvas[data-key="${key}"]`).evaluate((picture) => {
    const copy = document.createElement('canvas');
    const { width, height } = picture as HTMLCanvasElement;
    Object.assign(copy, { width, height });
    const context = copy.getContext('2d')!;
    context.drawImage(picture as HTMLCanvasElement, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    return btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(''));
  });
  return Buffer.from(text, 'base64');
}

/** The networks of a run as the trainer takes them. */
function thetasOf({ tensors }: Saved, problem: Problem): Record<string, Float64Array> {
  const rows = problem.system.networks.map(({ name }) => {
    const layers = Array.from({ length: problem.shape.hidden + 1 }, (_, k) => {
      const [W, b] = [tensors.get(`${name}/W${k}`)!, tensors.get(`${name}/b${k}`)!];
      const [outputs, inputs] = [W.shape[0]!, W.shape[1]!];
      return { W: numbers(W), b: numbers(b), inputs, outputs };
    });
    return [name, flatten({ name, layers })] as const;
  });
  return shareThetas(problem, [Object.fromEntries(rows)]);
}

const numbers = ({ data }: Tensor) => Float64Array.from([...data], Number);

function numbersOf(result: Var, inputs: Readonly<Record<string, Var>>, values: Record<string, Float64Array>) {
  return evaluate(
    graphOf(Object.values(inputs), [result]),
    Object.keys(inputs).map((name) => values[name] ?? [1, 1]),
  )[0]!;
}

/** How far a pixel's channels are from the colour of a value, of 255. */
function distance(pixels: Uint8Array, [x, y]: readonly [number, number], value: number, scale: Scale): number {
  const colour = colourOf((value - scale[0]) / (scale[1] - scale[0]));
  const at = 4 * (y * SIDE + x);
  return Math.max(...colour.map((channel, c) => Math.abs(pixels[at + c]! - channel)));
}
type Scale = readonly [number, number];

it('are those of the fields, their references and the residuals, as training goes on', () =>
  visit(browser, `index.html#${STATE}`, async (page) => {
    await ready(page);
    const field = () => pixelsOf(page, 'field u adam');
    await expect.poll(async () => new Set(await field()).size, { timeout: 100_000 }).toBeGreaterThan(50);
    const before = await field();
    await go(page);
    await beyond(page, 20, 'Adam');
    await pause(page);
    const saved = await save(page, 'Adam', folder);

    const problem = problemOfSpec(specOf(new URLSearchParams(STATE)));
    const { system, runs } = problem;
    const [run] = runs as [(typeof runs)[number]];
    const evaluation = system.evaluation();
    const exact = knownValues(system, 'u_exact', run.parameters, evaluation);
    const thetas = thetasOf(saved, problem);
    const model = errorModel(newTape(), problem, countOf(evaluation));
    const there = inputValues({ system, runs: [{ ...run, points: { [EVALUATION]: evaluation } }] }, model.data);
    const predictions = numbersOf(model.predictions, model.inputs, { ...there, ...thetas });

    const [pixels, reference] = [await field(), await pixelsOf(page, 'field u reference')];
    const scale = rangeOf(exact);
    let [worst, worstReference, moved] = [0, 0, 0];
    for (let y = 0; y < SIDE; y += 7)
      for (let x = 0; x < SIDE; x += 7) {
        const k = Math.floor((x * 100) / SIDE) * 100 + Math.floor(((SIDE - 1 - y) * 100) / SIDE);
        worst = Math.max(worst, distance(pixels, [x, y], predictions[k]!, scale));
        worstReference = Math.max(worstReference, distance(reference, [x, y], exact[k]!, scale));
        moved = Math.max(moved, Math.abs(pixels[4 * (y * SIDE + x)]! - before[4 * (y * SIDE + x)]!));
      }
    expect(worstReference).toBeLessThan(2);
    expect(worst).toBeLessThan(2);
    expect(moved).toBeGreaterThan(4);

    const losses = lossModel(newTape(), problem);
    const { value } = losses.residuals.find(({ name }) => name === 'Helmholtz')!;
    const residuals = numbersOf(value, losses.inputs, { ...inputValues(problem, losses.data), ...thetas });
    const largest = Math.max(...residuals.map(Math.abs));
    const interior = run.points['interior']!;
    // The last point lies above all others.
    const last = countOf(interior) - 1;
    const half = 1 / Math.sqrt(last + 1);
    const pixel = (share: number) => Math.floor(((1 - half) * (2 * share - 1) + 1) * 0.5 * SIDE);
    const at = [pixel((interior['x']![last]! + 1) / 2), SIDE - 1 - pixel((interior['y']![last]! + 1) / 2)] as const;
    const shown = await pixelsOf(page, 'residual Helmholtz adam');
    expect(distance(shown, at, residuals[last]!, [-largest, largest])).toBeLessThan(2);
  }));
