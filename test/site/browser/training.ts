/** The page "Train" as a visitor uses it, and what it hands out. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { readSafetensors } from '../../../experiments/disk/safetensors.ts';
import { type Line, parseLines } from '../../../experiments/training/record.ts';

/** Small enough for a step to take milliseconds. */
export const SMALL = 'index.html#system=thermoelasticity&depth=2&width=16&points=50';

export const ready = (page: Page) =>
  expect.poll(() => page.locator('#status').textContent(), { timeout: 200_000 }).toMatch(/^Ready/);

export const go = (page: Page) => page.getByRole('button', { name: 'Train', exact: true }).click();

/** The row of an optimizer by column. */
async function standing(page: Page, optimizer: string): Promise<Record<string, string>> {
  const head = await page.locator('#readings th').allTextContents();
  const row = page.locator('#readings tbody tr', { hasText: optimizer });
  const cells = (await row.count()) === 0 ? [] : await row.locator('td').allTextContents();
  return Object.fromEntries(head.map((name, k) => [name, cells[k] ?? '']));
}

export const epochOf = async (page: Page, optimizer = 'SOAP') =>
  Number((await standing(page, optimizer))['epoch'] ?? 0);
export const errorOf = async (page: Page, optimizer = 'SOAP') =>
  Number.parseFloat((await standing(page, optimizer))['error'] ?? 'NaN');

/** Waits until an optimizer is beyond an epoch. */
export const beyond = (page: Page, epoch: number, optimizer = 'SOAP') =>
  expect.poll(() => epochOf(page, optimizer), { timeout: 200_000 }).toBeGreaterThan(epoch);

export async function pause(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect.poll(() => page.getByRole('button', { name: 'One step' }).isEnabled(), { timeout: 100_000 }).toBe(true);
}

export interface Saved {
  /** The unpacked run folder. */
  readonly folder: string;
  readonly history: readonly Line[];
  readonly text: (file: string) => string;
  readonly tensors: ReturnType<typeof readSafetensors>['tensors'];
}

/** Downloads the run of an optimizer and unpacks it into a folder. */
export async function save(page: Page, optimizer: string, into: string): Promise<Saved> {
  const [saved] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: `Download ${optimizer}` }).click(),
  ]);
  execFileSync('tar', ['xf', await saved.path(), '-C', into]);
  const folder = join(into, saved.suggestedFilename().replace(/\.tar$/, ''));
  const text = (file: string) => readFileSync(join(folder, file), 'utf8');
  const lines = text('metrics.jsonl').trim().split('\n');
  const history = parseLines(lines.map((line) => JSON.parse(line) as unknown));
  return { folder, history, text, tensors: readSafetensors(join(folder, 'weights.safetensors')).tensors };
}
