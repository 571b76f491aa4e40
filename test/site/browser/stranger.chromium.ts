/** What visitors do that nobody expects: the page stays whole, and says what it does. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launch, visit, WITHOUT_GPU } from './chromium.ts';
import { beyond, epochOf, go, pause, ready, SMALL } from './training.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());

const ADAM = `${SMALL}&optimizer=adam`;
const status = (page: Page) => page.locator('#status').textContent();
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

/** Presses buttons faster than a hand can, whatever state they are in. */
const press = (page: Page, names: readonly string[]) =>
  page.evaluate((wanted) => {
    for (const name of wanted)
      [...document.querySelectorAll('button')].find(({ textContent }) => textContent === name)?.click();
  }, names);

/** Counts the frames of the page from now on. */
async function frames(page: Page): Promise<() => Promise<number>> {
  await page.evaluate(() => {
    const counted = Object.assign(globalThis, { frames: 0 });
    const frame = () => {
      counted.frames++;
      requestAnimationFrame(frame);
    };
    frame();
  });
  return () => page.evaluate('frames');
}

describe('Train', () => {
  it('does what its buttons say, however fast they are pressed', () =>
    visit(browser, ADAM, async (page) => {
      await ready(page);
      await press(page, ['One step', 'One step', 'Train', 'One step', 'Train', 'Pause']);
      await expect.poll(() => epochOf(page, 'Adam'), { timeout: 60_000 }).toBe(1);
      await expect.poll(() => button(page, 'Train').isEnabled()).toBe(true);
      await press(page, ['Train', 'Pause', 'Train', 'One step', 'Pause', 'Pause']);
      await expect.poll(() => button(page, 'One step').isEnabled(), { timeout: 60_000 }).toBe(true);
      const epoch = await epochOf(page, 'Adam');
      await page.waitForTimeout(500);
      expect(await epochOf(page, 'Adam')).toBe(epoch);
      await press(page, ['Reset', 'Train', 'Reset', 'One step', 'Reset']);
      await ready(page);
      expect(await page.locator('#readings').textContent()).toBe('');
      await go(page);
      await beyond(page, 5, 'Adam');
      await pause(page);
    }));

  it('compiles what is chosen last, and stays responsive meanwhile', () =>
    visit(browser, 'index.html#depth=6&width=128&optimizer=adam,soap', async (page) => {
      await expect.poll(() => status(page), { timeout: 60_000 }).toMatch(/^Working: compiling/);
      const counted = await frames(page);
      await expect.poll(counted, { timeout: 60_000 }).toBeGreaterThan(10);
      await page.getByText('Edit the equations').click();
      expect(await page.getByRole('textbox', { name: /^RT = 0/ }).isVisible()).toBe(true);
      expect(await status(page)).toMatch(/^Working: compiling thermoelasticity/);
      const seen = new Set<string>();
      for (const system of ['reaction-diffusion', 'hartmann', 'electroosmotic-flow', 'symmetric', 'thermoelasticity']) {
        await page.locator('#system').selectOption(system);
        seen.add((await status(page)) ?? '');
      }
      await page.getByLabel('Optimizer').selectOption('adam');
      await page.getByLabel('Hidden layers').fill('1');
      await page.getByLabel('Width').fill('16');
      await expect
        .poll(
          async () => {
            seen.add((await status(page)) ?? '');
            return status(page);
          },
          { timeout: 200_000, interval: 20 },
        )
        .toMatch(/^Ready/);
      expect([...seen].filter((text) => /reaction|hartmann|electro|symmetric/.test(text))).toEqual([]);
      expect(await page.locator('#fields h3').allTextContents()).toEqual([
        'T: reference dashed',
        'u: reference dashed',
      ]);
      await go(page);
      await beyond(page, 5, 'Adam');
    }));

  it('goes on in a window that is minimized, and in a page that was frozen', () =>
    visit(browser, ADAM, async (page) => {
      await ready(page);
      const counted = await frames(page);
      await go(page);
      await beyond(page, 5, 'Adam');
      const session = await page.context().newCDPSession(page);
      const { windowId } = await session.send('Browser.getWindowForTarget');
      const be = (windowState: 'minimized' | 'normal') =>
        session.send('Browser.setWindowBounds', { windowId, bounds: { windowState } });
      await be('minimized');
      await page.waitForTimeout(500);
      const [shown, reached] = [await counted(), await epochOf(page, 'Adam')];
      await page.waitForTimeout(2000);
      expect((await counted()) - shown).toBeLessThan(10);
      await beyond(page, reached + 20, 'Adam');
      await be('normal');
      await expect.poll(counted).toBeGreaterThan(shown + 20);

      await session.send('Page.setWebLifecycleState', { state: 'frozen' });
      await page.waitForTimeout(1000);
      await session.send('Page.setWebLifecycleState', { state: 'active' });
      await beyond(page, (await epochOf(page, 'Adam')) + 20, 'Adam');
      await pause(page);
      const epoch = await epochOf(page, 'Adam');
      await button(page, 'One step').click();
      await expect.poll(() => epochOf(page, 'Adam'), { timeout: 60_000 }).toBe(epoch + 1);
    }));

  it('takes no harm from a link that is none, and puts none of it into the page', () => {
    const equation = encodeURIComponent('<img src=x onerror="document.title=1">*T');
    const others = 'coupling=1e999&depth=-3&width=NaN&seed=%00&r.toString=1&r.__proto__=1&__proto__=1&points=5';
    return visit(browser, `index.html#system=thermoelasticity&r.RT=${equation}&${others}`, async (page) => {
      await expect.poll(() => status(page), { timeout: 60_000 }).toMatch(/^Stopped: cannot read/);
      expect(await page.locator('#mistake-RT').textContent()).toContain('cannot read');
      expect(await page.locator('#mistake-RT').isVisible()).toBe(true);
      expect(await page.locator('main img').count()).toBe(0);
      expect(await page.title()).toBe('Train · Tapir');
      expect(await button(page, 'Train').isDisabled()).toBe(true);
      const own = page.getByRole('textbox', { name: /^RT = 0/ });
      await own.fill('-kappa*T.xx - f_T');
      await own.press('Enter');
      await ready(page);
      expect(await page.locator('#mistake-RT').textContent()).toBe('');
      expect(await own.evaluate((field) => field === document.activeElement)).toBe(true);
      expect(new URL(page.url()).hash).not.toContain('img');
    });
  });

  it('shows the coupling that it trains, a published one or not', () =>
    visit(browser, `${ADAM}&coupling=7`, async (page) => {
      await ready(page);
      const slider = page.getByLabel('Coupling');
      const shown = () => page.locator('output[for=coupling]').textContent();
      expect(await shown()).toBe('gamma = 7');
      await slider.press('ArrowRight');
      expect(await shown()).toBe('gamma = 10');
      await slider.press('ArrowLeft');
      expect(new URL(page.url()).hash).toContain('coupling=5');
    }));

  it('keeps its state when content is skipped to, and when the visitor comes back', () =>
    visit(browser, `${ADAM}&seed=7`, async (page) => {
      await ready(page);
      await page.keyboard.press('Tab');
      await page.keyboard.press('Enter');
      expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
      expect(await page.getByLabel('Seed').inputValue()).toBe('7');
      expect(await status(page)).toMatch(/^Ready/);
      await page.getByRole('link', { name: 'Look inside' }).click();
      await expect.poll(() => page.title()).toContain('Look inside');
      await page.goBack();
      expect(await page.getByLabel('Seed').inputValue()).toBe('7');
      expect(await page.getByLabel('Optimizer').inputValue()).toBe('adam');
      await ready(page);
      await page.evaluate(() => {
        location.hash = '#system=thermoelasticity&depth=1&width=16&seed=8&optimizer=adam';
      });
      await expect.poll(() => page.getByLabel('Seed').inputValue()).toBe('8');
    }));

  it('draws its charts as wide as a window becomes', () =>
    visit(browser, ADAM, async (page) => {
      await ready(page);
      await button(page, 'One step').click();
      await expect.poll(() => epochOf(page, 'Adam'), { timeout: 60_000 }).toBe(1);
      for (const width of [420, 1300]) {
        await page.setViewportSize({ width, height: 800 });
        const widths = () =>
          page
            .locator('canvas')
            .evaluateAll((all) => all.map((canvas) => [canvas.clientWidth, (canvas as HTMLCanvasElement).width]));
        await expect
          .poll(async () => (await widths()).every(([shown, drawn]) => shown === drawn), { timeout: 10_000 })
          .toBe(true);
        expect((await widths()).length).toBeGreaterThan(4);
      }
    }));
});

it('moves nothing where less motion is asked for', async () => {
  for (const [reducedMotion, moves] of [
    ['reduce', false],
    ['no-preference', true],
  ] as const)
    await visit(
      browser,
      'look.html',
      async (page) => {
        const row = page.locator('.code .row').first();
        const duration = await row.evaluate((element) =>
          Number.parseFloat(getComputedStyle(element).transitionDuration),
        );
        expect(duration > 0).toBe(moves);
      },
      { reducedMotion },
    );
});

it('Look inside takes a step of the tour that a link changed for no step', () =>
  visit(browser, 'look.html#tour=3.1&f=x%5E4&d=grad,grad', async (page) => {
    expect(await page.getByRole('combobox', { name: 'Guided tour' }).inputValue()).toBe('');
    expect(await page.locator('#outputs tbody tr').count()).toBe(3);
  }));

it('Look inside takes a link and a formula that make no sense', () =>
  visit(browser, 'look.html#f=%3Cimg%20src%3Dx%3E&d=grad,toString&at.x=1e999&tour=9.9', async (page) => {
    const mistake = page.locator('#mistake');
    expect(await mistake.textContent()).toContain('cannot read');
    expect(await page.locator('main img').count()).toBe(0);
    const formula = page.getByRole('textbox', { name: 'Formula' });
    for (const text of [
      'toString(x)',
      '__proto__*x',
      'x**2',
      'x^1e9',
      'nobody:x',
      'thermoelasticity:constructor',
      '',
    ]) {
      await formula.fill(text);
      expect(await mistake.textContent(), text).not.toBe('');
    }
    await formula.fill('x*1e999');
    await expect.poll(() => page.locator('#outputs tbody td').nth(2).textContent()).toBe('Infinity');
    await formula.fill('x^2');
    expect(await mistake.textContent()).toBe('');
    await expect
      .poll(() => page.locator('#outputs tbody td').nth(3).textContent(), { timeout: 30_000 })
      .toMatch(/^0\.25/);
  }));

it('without WebGPU, choosing another system leaves the recorded results', async () => {
  const plain = await launch(WITHOUT_GPU);
  try {
    await visit(plain, 'index.html', async (page) => {
      await expect.poll(() => status(page)).toContain('use Chrome');
      await page.locator('#system').selectOption('hartmann');
      expect(await status(page)).toContain('use Chrome');
      expect(new URL(page.url()).hash).toContain('hartmann');
    });
  } finally {
    await plain.close();
  }
});
