/** Cotangents of W and b in the adjoint of a layer with jets: one version each for every version of the kernel. */
import { type Call, type Capabilities, element, type Grid } from '../engine/index.ts';
import { activate, affineBar, eachRow, layoutsOf, loadChannels, range, sizesOf, wrtOf } from './jet-parts.ts';

function weightOperands(call: Call): Pick<Grid, 'label' | 'reads' | 'writes'> {
  const wrt = wrtOf(call);
  const target = (name: string, k: number) => (wrt.includes(k) ? { [name]: { output: wrt.indexOf(k) } } : {});
  return {
    label: 'weights',
    reads: { S: { input: 0 }, ...(sizesOf(call).to === 'tanh' ? { result: { input: 3 } } : {}), bar: { input: 4 } },
    writes: { ...target('Wbar', 1), ...target('bbar', 2) },
  };
}

const storeWeight = (call: Call, o: string, k: string, value: string) =>
  wrtOf(call).includes(1)
    ? `${element('Wbar', call.outputs[wrtOf(call).indexOf(1)]!, ['batch', o, k])} = ${value};`
    : '';
const storeBias = (call: Call, o: string, value: string) =>
  wrtOf(call).includes(2) ? `${element('bbar', call.outputs[wrtOf(call).indexOf(2)]!, ['batch', o])} = ${value};` : '';

export function weightsPerElement(call: Call): Grid | null {
  const wrt = wrtOf(call);
  if (!wrt.includes(1) && !wrt.includes(2)) return null;
  const sizes = sizesOf(call);
  const { B, C, K, O, N } = sizes;
  const layouts = layoutsOf(call);
  const code = `
  let element = group.x * 64u + thread;
  let o = element / ${K}u;
  let k = element % ${K}u;
  let batch = group.z;
  if (o >= ${O}u) { return; }
  var a = 0.0;
  var b = 0.0;
  for (var n = 0u; n < ${N}u; n++) {
    ${loadChannels('s', C, 'S', layouts.S, ['batch', 'k', 'n'])}
    ${activate('y', 's', sizes)}
    ${range(C)
      .map((c) => `let z${c} = ${affineBar(c, layouts, sizes, 'o', 'n')};`)
      .join(' ')}
    a += ${range(C)
      .map((c) => `z${c} * y${c}`)
      .join(' + ')};
    b += z0;
  }
  ${storeWeight(call, 'o', 'k', 'a')}
  if (k == 0u) { ${storeBias(call, 'o', 'b')} }`;
  return { ...weightOperands(call), code, threads: 64, groups: [Math.ceil((O * K) / 64), 1, B] };
}

/** Points staged at a time. */
const CHUNK = 16;
/** Rows of W in one invocation's registers. */
const ROWS = 16;

export function weightsStaged(call: Call, device: Capabilities): Grid | null {
  const wrt = wrtOf(call);
  if (!wrt.includes(1) && !wrt.includes(2)) return null;
  const sizes = sizesOf(call);
  const { B, C, K, O, N } = sizes;
  const layouts = layoutsOf(call);
  const rows = Math.min(ROWS, Math.ceil(O / 4) * 4);
  const columns = Math.min(
    64,
    Math.ceil(K / Math.max(device.subgroupMaxSize, 8)) * Math.max(device.subgroupMaxSize, 8),
  );
  const quads = range(rows / 4);
  const code = `
  let column = group.x * ${columns}u;
  let row = group.y * ${rows}u;
  let batch = group.z;
  ${quads.map((q) => `var a${q} = vec4f(); var b${q} = vec4f();`).join(' ')}
  for (var start = 0u; start < ${N}u; start += ${CHUNK}u) {
    for (var i = thread; i < ${CHUNK * columns}u; i += ${columns}u) {
      let p = i % ${CHUNK}u;
      let n = min(start + p, ${N - 1}u);
      let k = min(column + i / ${CHUNK}u, ${K - 1}u);
      ${loadChannels('s', C, 'S', layouts.S, ['batch', 'k', 'n'])}
      ${activate('v', 's', sizes)}
      ${range(C)
        .map((c) => `y[(${c}u * ${CHUNK}u + p) * ${columns}u + i / ${CHUNK}u] = v${c};`)
        .join(' ')}
    }
    for (var i = thread; i < ${CHUNK * rows}u; i += ${columns}u) {
      let p = i % ${CHUNK}u;
      let j = i / ${CHUNK}u;
      let n = min(start + p, ${N - 1}u);
      let o = min(row + j, ${O - 1}u);
      let inside = select(0.0, 1.0, start + p < ${N}u);
      ${range(C)
        .map(
          (c) =>
            `z[(${c}u * ${CHUNK}u + p) * ${rows / 4}u + j / 4u][j % 4u] = inside * ${affineBar(c, layouts, sizes, 'o', 'n')};`,
        )
        .join(' ')}
    }
    workgroupBarrier();
    for (var p = 0u; p < ${CHUNK}u; p++) {
      ${range(C)
        .map((c) => `let y${c} = y[(${c}u * ${CHUNK}u + p) * ${columns}u + thread];`)
        .join(' ')}
      ${quads.map((q) => `let z${q} = z[p * ${rows / 4}u + ${q}u]; a${q} = fma(z${q}, vec4f(y0), a${q}); b${q} += z${q};`).join('\n      ')}
      ${range(C)
        .slice(1)
        .flatMap((c) =>
          quads.map((q) => `a${q} = fma(z[(${c}u * ${CHUNK}u + p) * ${rows / 4}u + ${q}u], vec4f(y${c}), a${q});`),
        )
        .join('\n      ')}
    }
    workgroupBarrier();
  }
  let k = column + thread;
  if (k >= ${K}u) { return; }
  ${range(rows)
    .map((j) => {
      const o = `(row + ${j}u)`;
      const text = `${storeWeight(call, o, 'k', `a${j >> 2}[${j & 3}]`)} if (k == 0u) { ${storeBias(call, o, `b${j >> 2}[${j & 3}]`)} }`;
      return O % rows === 0 ? text : `if (row + ${j}u < ${O}u) { ${text} }`;
    })
    .join('\n  ')}`;
  const groups = [Math.ceil(K / columns), Math.ceil(O / rows), B] as const;
  const y = { of: 'f32', length: C * CHUNK * columns } as const;
  const z = { of: 'vec4f', length: (C * CHUNK * rows) / 4 } as const;
  return { ...weightOperands(call), code, threads: columns, groups, shared: { y, z } };
}

/** Vectors of rows and of columns that one subgroup accumulates. */
const ROW_VECTORS = 2;
const COLUMN_VECTORS = 2;

/** One column of W per lane and vector, rows broadcast: the outer products of all points, summed in registers. */
export function weightsAcrossLanes(call: Call, L: number): Grid | null {
  const wrt = wrtOf(call);
  if (!wrt.includes(1) && !wrt.includes(2)) return null;
  const sizes = sizesOf(call);
  const { B, C, K, O, N } = sizes;
  const layouts = layoutsOf(call);
  const rowVectors = range(Math.min(ROW_VECTORS, Math.ceil(O / L)));
  const columnVectors = range(Math.min(COLUMN_VECTORS, Math.ceil(K / L)));
  const [rows, columns] = [rowVectors.length * L, columnVectors.length * L];
  const code = `
  let batch = group.z;
  ${rowVectors.map((v) => `let r${v} = group.y * ${rows}u + ${v * L}u + lane; let o${v} = min(r${v}, ${O - 1}u); var b${v} = 0.0;`).join(' ')}
  ${columnVectors.map((v) => `let q${v} = group.x * ${columns}u + ${v * L}u + lane; let k${v} = min(q${v}, ${K - 1}u);`).join(' ')}
  ${range(rows)
    .map((i) => columnVectors.map((v) => `var a${v}_${i} = 0.0;`).join(' '))
    .join(' ')}
  for (var n = 0u; n < ${N}u; n++) {
    ${columnVectors.map((v) => `${loadChannels(`s${v}_`, C, 'S', layouts.S, ['batch', `k${v}`, 'n'])} ${activate(`y${v}_`, `s${v}_`, sizes)}`).join('\n    ')}
    ${rowVectors
      .map(
        (v) =>
          `${range(C)
            .map((c) => `let z${v}_${c} = ${affineBar(c, layouts, sizes, `o${v}`, 'n')};`)
            .join(' ')} b${v} += z${v}_0;`,
      )
      .join('\n    ')}
    ${range(rows)
      .flatMap((i) =>
        range(C).map(
          (c) =>
            `{ let u = subgroupBroadcast(z${Math.floor(i / L)}_${c}, ${i % L}u); ${columnVectors.map((v) => `a${v}_${i} = fma(u, y${v}_${c}, a${v}_${i});`).join(' ')} }`,
        ),
      )
      .join('\n    ')}
  }
  let first = group.y * ${rows}u;
  ${eachRow(
    rows,
    `${O}u - first`,
    columnVectors.map((v) => `a${v}`),
    (j) =>
      columnVectors
        .map(
          (v) =>
            `${K % columns === 0 ? '' : `if (q${v} < ${K}u) `}{ ${storeWeight(call, `(first + ${j})`, `q${v}`, `a${v}_0`)} }`,
        )
        .join(' '),
  )}
  if (group.x == 0u) { ${rowVectors.map((v) => `if (r${v} < ${O}u) { ${storeBias(call, `r${v}`, `b${v}`)} }`).join(' ')} }`;
  return {
    ...weightOperands(call),
    code,
    threads: L,
    groups: [Math.ceil(K / columns), Math.ceil(O / rows), B],
    subgroups: true,
    uniforms: { rows },
  };
}
