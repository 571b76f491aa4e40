import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readGolden } from '../../experiments/verify/golden-file.ts';
import { NetworkError, parameterCount } from '../../systems/architecture.ts';
import { flatten, initialise, layerShapes, unflatten } from '../../systems/initialise.ts';

const torchInit = readGolden('test/golden/torch-init.json');
const net = { name: 'u', inputs: 1, outputs: 1, hidden: 4, width: 64 };

describe('initialise', () => {
  const cases = torchInit.kind === 'torch-init' ? torchInit.cases : [];
  it('has golden cases with one and two coordinates and a network of three outputs', () => {
    expect(new Set(cases.map(({ inputs }) => inputs))).toEqual(new Set([1, 2]));
    expect(cases.flatMap(({ nets }) => nets.map(({ layers }) => layers.at(-1)!.shape[0]))).toContain(3);
  });

  it.each(cases)("equals PyTorch's weights exactly: seed $seed, $hidden x $width, $inputs inputs", (golden) => {
    const { seed, inputs, hidden, width } = golden;
    const nets = golden.nets.map(({ name, layers }) => ({
      name,
      inputs,
      hidden,
      width,
      outputs: layers.at(-1)!.shape[0],
    }));
    const networks = initialise({ nets, seed });
    expect(networks.map(({ name }) => name)).toEqual(golden.nets.map(({ name }) => name));
    for (const [n, { layers }] of networks.entries())
      for (const [i, layer] of layers.entries()) {
        const expected = golden.nets[n]!.layers[i]!;
        expect([layer.outputs, layer.inputs]).toEqual(expected.shape);
        expect([...layer.W.subarray(0, 4)]).toEqual(expected.first4);
        expect([...layer.W.subarray(-2)]).toEqual(expected.last2);
        expect(Math.abs(Math.hypot(...layer.W) / expected.l2 - 1)).toBeLessThan(1e-13);
        expect(layer.b).toEqual(new Float32Array(layer.outputs));
      }
  });

  it("equals PyTorch 1.13's four networks of electroosmotic-flow at seed 123 in every bit, by their SHA-256", () => {
    const shape = { inputs: 2, hidden: 5, width: 128 };
    const nets = ['phi', 'cp', 'cm', 'flow'].map((name) => ({ name, outputs: name === 'flow' ? 3 : 1, ...shape }));
    const hash = createHash('sha256');
    for (const network of initialise({ nets, seed: 123 })) hash.update(new Uint8Array(flatten(network).buffer));
    expect(hash.digest('hex')).toBe('f546d349e1f639831dda7da1efd12aca19e256ec6880c4520d0892a8074ed7a0');
  });

  it("equals PyTorch's second of two networks, 2 -> 5 -> 5 -> 1 and 2 -> 5 -> 5 -> 3 at seed 456", () => {
    const shape = { inputs: 2, hidden: 2, width: 5 };
    const nets = [1, 3].map((outputs) => ({ name: `${outputs}`, outputs, ...shape }));
    const { layers } = initialise({ nets, seed: 456 })[1]!;
    expect([...layers[0]!.W]).toEqual([
      -0.22244052588939667, -0.5788995623588562, 0.8861398696899414, -0.29504260420799255, -0.5256650447845459,
      -0.05339115858078003, 0.6101112961769104, -0.32440170645713806, 0.6070355176925659, -0.8493442535400391,
    ]);
    expect([...layers[2]!.W.subarray(-3)]).toEqual([0.2717275619506836, -0.6763414740562439, -0.5939611792564392]);
  });

  it('stays within the Xavier bound', () => {
    for (const { W, inputs, outputs } of initialise({ nets: [net], seed: 3 })[0]!.layers) {
      const bound = Math.fround(Math.sqrt(6 / (inputs + outputs)));
      expect(W.every((weight) => Math.abs(weight) <= bound)).toBe(true);
    }
  });
});

describe('parameter rows', () => {
  it('counts 12,673 parameters in a 4 x 64 network, as the Jacobian of the paper has columns', () => {
    expect(parameterCount(net)).toBe(12673);
    expect(layerShapes(net).map(({ inputs, outputs }) => [outputs, inputs])).toEqual([
      [64, 1],
      [64, 64],
      [64, 64],
      [64, 64],
      [1, 64],
    ]);
  });

  it('lay layers out in order, W then b, in the precision of the weights', () => {
    const small = { name: 'n', inputs: 2, outputs: 1, hidden: 1, width: 2 };
    const theta = Float64Array.from({ length: 9 }, (_, i) => i + 0.1);
    const network = unflatten(small, theta);
    expect(network.layers.map(({ W, b }) => [[...W], [...b]])).toEqual([
      [
        [0.1, 1.1, 2.1, 3.1],
        [4.1, 5.1],
      ],
      [[6.1, 7.1], [8.1]],
    ]);
    expect(flatten(network)).toEqual(theta);
    const single = initialise({ nets: [net], seed: 1 })[0]!;
    expect(unflatten(net, flatten(single))).toEqual(single);
  });

  it('refuse a vector of another length and sizes that make no network', () => {
    expect(() => unflatten(net, new Float32Array(12672))).toThrow(
      new NetworkError('network u has 12673 parameters, the vector given holds 12672'),
    );
    for (const [size, value] of [
      ['width', 0],
      ['hidden', 1.5],
      ['inputs', Number.NaN],
      ['outputs', -1],
    ] as const)
      expect(() => initialise({ nets: [{ ...net, [size]: value }], seed: 1 })).toThrow(
        new NetworkError(`network u: ${size} is ${value}, it must be a positive integer`),
      );
  });
});
