/** Pages in Chromium with SwiftShader's WebGPU. Whatever a page reports as an error fails the test. */
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect, inject } from 'vitest';

const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--disable-background-networking',
  '--no-first-run',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
];
/** What makes canvases show what SwiftShader draws: the whole of Chromium draws with it. */
export const PRESENTING = [
  ...FLAGS,
  '--use-gl=angle',
  '--use-angle=vulkan',
  '--use-vulkan=swiftshader',
  '--enable-features=Vulkan',
  '--enable-unsafe-swiftshader',
  '--ignore-gpu-blocklist',
];
/** What hides WebGPU from pages. */
export const WITHOUT_GPU = ['--no-sandbox', '--disable-features=WebGPU,WebGPUService', '--disable-gpu'];

export function launch(args: readonly string[] = FLAGS): Promise<Browser> {
  const executablePath = process.env['CHROMIUM'];
  if (!executablePath) throw new Error('run: npm run test:site');
  return chromium.launch({ executablePath, args: [...args] });
}

/** Opens a page of the site, hands it to `use` and closes it. */
export async function visit(
  browser: Browser,
  path: string,
  use: (page: Page) => Promise<void>,
  options: BrowserContextOptions = {},
): Promise<void> {
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  try {
    await page.goto(`${inject('address')}${path}`);
    await use(page);
    expect(errors).toEqual([]);
  } finally {
    await context.close();
  }
}

/** The lines of a listing, as shown. */
export const linesOf = (page: Page, name: string): Promise<string[]> =>
  page.getByRole('listbox', { name, exact: true }).locator('.row').allTextContents();
