/** Cotangents of S in the adjoint of a layer with jets: which way the product is taken is up to the version. */
import { type Call, element, type Grid } from '../engine/index.ts';
import { activateAdjoint, affineBar, layoutsOf, loadChannels, range, sizesOf, wrtOf } from './jet-parts.ts';
import type { Body, JetProduct } from './jet-product.ts';

/** Stores the cotangent of row `k` of S at point `n` from the cotangent `values` of the activated row. */
function storeInput(call: Call, k: string, values: readonly string[]): string {
  const sizes = sizesOf(call);
  const out = call.outputs[wrtOf(call).indexOf(0)]!;
  const { before, channels } = activateAdjoint('g', 's', sizes);
  const load = sizes.from === 'tanh' ? loadChannels('s', sizes.C, 'S', call.inputs[0]!, ['batch', k, 'n']) : '';
  const given = values.map((value, c) => `let g${c} = ${value};`).join(' ');
  const lines = channels.map((value, c) => `${element('Sbar', out, ['batch', `${c}u`, k, 'n'])} = ${value};`);
  return `{ ${given} ${load} ${before} ${lines.join(' ')} }`;
}

function inputOperands(call: Call): Pick<Grid, 'label' | 'reads' | 'writes'> {
  const { from, to } = sizesOf(call);
  return {
    label: 'input',
    reads: {
      ...(from === 'tanh' ? { S: { input: 0 } } : {}),
      W: { input: 1 },
      ...(to === 'tanh' ? { result: { input: 3 } } : {}),
      bar: { input: 4 },
    },
    writes: { Sbar: { output: wrtOf(call).indexOf(0) } },
  };
}

function productOf(call: Call): JetProduct {
  const sizes = sizesOf(call);
  const { B, C, K, O, N } = sizes;
  const layouts = layoutsOf(call);
  const loads = range(C).map((c) => `let v${c} = ${affineBar(c, layouts, sizes, 'd', 'n')};`);
  return {
    B,
    C,
    N,
    rows: K,
    depth: O,
    weight: (row, d) => element('W', layouts.W, ['batch', d, row]),
    depthFirst: false,
    load: loads.join(' '),
    store: (row, channels) => storeInput(call, row, channels),
  };
}

type Way = (product: JetProduct) => Body;

/** The grid for the cotangent of S, or null where it is not asked for. */
export function inputCotangent(call: Call, way: Way): Grid | null {
  return wrtOf(call).includes(0) ? { ...inputOperands(call), ...way(productOf(call)) } : null;
}
