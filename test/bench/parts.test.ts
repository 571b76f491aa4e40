/** Laplacian, stack, turns and Markdown: validated, finite, in order. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BenchResult } from '../../bench/bench.ts';
import { interleaved, ratioOf } from '../../bench/interleave.ts';
import { benchLaplacian, type LaplacianRow, ways } from '../../bench/laplacian.ts';
import { markdown } from '../../bench/markdown.ts';
import { benchStack, type StackRow } from '../../bench/stack.ts';
import { laplacianTable, stackTable, textOf } from '../../bench/tables.ts';
import { type Device, mul, openDevice } from '../../engine/index.ts';
import { library } from '../../kernels/index.ts';

const effort = { budgetMs: 10, least: 2 };

let device: Device;
let laplacian: LaplacianRow[];
let stack: StackRow[];
beforeAll(async () => {
  device = await openDevice();
  const only = ways.filter(({ name }) => name !== 'reverse over reverse, kernels');
  laplacian = await benchLaplacian({ device, library, effort, only });
  stack = await benchStack('thermoelasticity', 'adam', { device, library, effort, heights: [1, 2] });
});
afterAll(() => device?.close());

describe('turns', () => {
  it('are taken one after the other, after a warm-up, as often by each', async () => {
    const order: string[] = [];
    const contestant = (name: string, ns: number) => ({
      name,
      time: async (calls: number) => {
        order.push(`${name}${calls}`);
        return ns;
      },
    });
    const [a, b] = await interleaved([contestant('a', 1e6), contestant('b', 1e7)], { budgetMs: 0, least: 2 });
    expect(order).toEqual(['a1', 'a1', 'b1', 'b1', 'a1', 'b1', 'a1', 'b1']);
    expect(ratioOf(a!, b!)).toEqual({ fastest: 10, medians: 10 });
  });
});

describe('the ways to a Laplacian', () => {
  it('all agree with float64, and are timed', () => {
    expect(laplacian.map(({ way, what }) => `${way}: ${what}`)).toEqual(
      ['u_xx', 'its gradient'].flatMap((what) =>
        ['reverse over reverse', 'jets on the tape', 'fused kernel'].map((way) => `${way}: ${what}`),
      ),
    );
    for (const { error, tolerance, refused, time, slower } of laplacian) {
      expect(refused).toBeUndefined();
      expect(error).toBeLessThanOrEqual(tolerance);
      expect(time!.minNs).toBeGreaterThan(0);
      expect(Number.isFinite(slower!.fastest) && Number.isFinite(slower!.medians)).toBe(true);
    }
  });

  it('take fewer dispatches in the fused kernel', () => {
    const count = (way: string) => laplacian.find((row) => row.way === way && row.what === 'its gradient')!.dispatches;
    expect(count('fused kernel')).toBeLessThan(count('jets on the tape'));
  });

  it('that are wrong by a thousandth are refused, not timed', async () => {
    const fused = ways.find(({ name }) => name === 'fused kernel')!;
    const wrong = {
      ...fused,
      name: 'wrong',
      way: (...of: Parameters<typeof fused.way>) => mul(1.001, fused.way(...of)),
    };
    for (const { refused, time } of await benchLaplacian({ device, library, effort, only: [wrong] })) {
      expect(refused).toMatch(/^error [12]\.0e-3 > /);
      expect(time).toBeUndefined();
    }
  });
});

describe('a stack', () => {
  it('is compared with as many single runs', () => {
    expect(stack.map(({ height }) => height)).toEqual([1, 2]);
    expect(stack[0]!.gain).toEqual({ fastest: 1, medians: 1 });
    expect(stack[1]!.gain.fastest).toBeCloseTo((2 * stack[0]!.time.minNs) / stack[1]!.time.minNs, 9);
    expect(stack[1]!.dispatches).toBe(stack[0]!.dispatches);
    expect(stack[1]!.bytes).toBeGreaterThan(1.5 * stack[0]!.bytes);
    expect(stack[1]!.stepsPerSecond).toBeCloseTo(2e9 / stack[1]!.time.minNs, 6);
  });
});

describe('tables', () => {
  it('have at most 100 columns as text', () => {
    const text = [laplacianTable(laplacian), stackTable(stack)].map(textOf).join('\n');
    expect(text.split('\n').filter((line) => line.length > 100)).toEqual([]);
  });

  it('are Markdown with as many cells in every row', () => {
    const time = { medianNs: 2, minNs: 1, p90Ns: 3, samples: 3 };
    const job = { system: 'symmetric', work: 'gradient', runs: 1 } as const;
    const result: BenchResult = {
      date: '2026-01-01T00:00:00.000Z',
      machine: { adapter: 'llvmpipe', software: true, cpu: 'c', cores: 2, node: 'v20' } as BenchResult['machine'],
      load: 3,
      clock: 'wall clock',
      quick: true,
      dispatch: { empty: time, dependent: time, submission: time },
      laplacian,
      stack,
      peers: { ours: [], rows: [{ peer: 'P', job, variant: '', absent: 'a | b' }] },
    };
    const text = markdown(result);
    expect(text).toContain('# tapir bench on llvmpipe');
    expect(text).toContain('something else was running');
    expect(text).toContain('**P: a \\| b**');
    const blocks = text.split(/\n{2,}/).filter((block) => block.startsWith('|'));
    expect(blocks).toHaveLength(3);
    for (const block of blocks)
      expect(new Set(block.split('\n').map((line) => line.split(/(?<!\\)\|/).length)).size).toBe(1);
  });
});
