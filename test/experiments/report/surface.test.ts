/** Surfaces drawn by the GPU: what is where in the image. Needs an adapter. */
import { inflateSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Device, openDevice } from '../../../engine/index.ts';
import { palette } from '../../../experiments/show/raster.ts';
import { projected, type Size, type Surface, surfaceImage } from '../../../experiments/show/surface.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device?.close());

const size: Size = [150, 100];

/** Red, green and blue at a pixel of a `data:` address. */
function pixelsOf(address: string): (x: number, y: number) => number[] {
  const bytes = Buffer.from(address.split(',')[1]!, 'base64');
  expect([bytes.readUInt32BE(16), bytes.readUInt32BE(20)]).toEqual([...size]);
  const at = bytes.indexOf('IDAT');
  const rows = inflateSync(bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at - 4)));
  return (x, y) => [...rows.subarray((4 * size[0] + 1) * Math.round(y) + 1 + 4 * Math.round(x)).subarray(0, 3)];
}

const draw = async (values: readonly number[], further: Partial<Surface> = {}) =>
  pixelsOf(await surfaceImage(device, { values, nx: 3, ny: 4, range: [0, 1], map: 'viridis', ...further }, size));

const flat = (height: number) => new Array<number>(12).fill(height);

it('is the colour of its height in the middle, white around it', async () => {
  const middle = projected([0.1, 0.1, 0], size);
  const low = await draw(flat(0));
  expect([low(2, 2), low(147, 97)]).toEqual([
    [255, 255, 255],
    [255, 255, 255],
  ]);
  const [dark] = [palette('viridis').subarray(0, 3)];
  low(...middle).forEach((value, k) => {
    expect(value).toBeLessThanOrEqual(dark![k]!);
    expect(value).toBeGreaterThanOrEqual(0.4 * dark![k]!);
  });
  const missing = await draw(flat(Number.NaN));
  expect(missing(...middle)).toEqual(low(...middle));
});

it('rises with its values, x to the right and y to the back', async () => {
  const above = projected([1, 0.05, 0.9], size);
  expect((await draw(flat(0)))(...above)).not.toEqual((await draw(flat(1)))(...above));
  // The column x = 1 alone is high: bright there, dark at x = -1.
  const slope = await draw([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
  const sum = (rgb: number[]) => rgb.reduce((a, b) => a + b, 0);
  const [right, left] = [projected([0.9, 0.05, 0.8], size), projected([-0.7, 0.05, 0], size)];
  expect(sum(slope(...right))).toBeGreaterThan(sum(slope(...left)) + 60);
  const [front, back] = [projected([0, -1, 0], size), projected([0, 1, 0], size)];
  expect(front[1]).toBeGreaterThan(back[1]);
});
