/**
 * jax-js as a peer of `tapir bench peers`: the loss of thermoelasticity and its gradient on one backend, `wasm` or
 * `webgpu` (the last argument). The package is taken from the user's project, the folder this runs in. The protocol is
 * that of protocol.py: one JSON document per line, in on stdin and out on stdout.
 */
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const backend = process.argv.at(-1);
const answer = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
console.log = console.info = console.debug = console.warn = console.error;

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const given = JSON.parse((await lines.next()).value);

async function load() {
  const { require, version } = installed();
  const agent = { userAgent: 'Node', hardwareConcurrency: given.cores };
  if (backend === 'webgpu') {
    process.env.XDG_RUNTIME_DIR ??= tmpdir();
    const { create, globals } = await import('webgpu');
    Object.assign(globalThis, globals);
    globalThis.OffscreenCanvas ??= NoCanvas;
    agent.gpu = create([]);
    const { info } = await agent.gpu.requestAdapter({ powerPreference: 'high-performance' });
    agent.adapter = info.description || info.device || info.vendor;
  }
  Object.defineProperty(globalThis, 'navigator', { value: agent, configurable: true });
  const jax = require('@jax-js/jax');
  if (!(await jax.init(backend)).includes(backend)) throw new Error(`it offers no ${backend} here`);
  jax.defaultDevice(backend);
  return { jax, name: `jax-js ${version} ${backend === 'wasm' ? 'Wasm' : `WebGPU on ${agent.adapter}`}` };
}

/** jax-js asks for a canvas in places that this work never reaches. */
class NoCanvas {
  getContext() {
    return null;
  }
}

function installed() {
  const require = createRequire(join(process.cwd(), 'package.json'));
  try {
    const { version } = require(join(require.resolve('@jax-js/jax'), '..', '..', 'package.json'));
    return { require, version };
  } catch {
    answer({ missing: 'jax-js is not installed in this folder; npm install --no-save @jax-js/jax' });
    process.exit(0);
  }
}

/** Problem and variants: {eager, jit}, each a function of the parameters that gives [[total, losses], gradient]. */
function problem({ numpy: np, jvp, jit, valueAndGrad }) {
  const { hidden, width, parameters: p, points } = given;
  const widths = [1, ...new Array(hidden).fill(width), 1];
  const array = (values, shape) => np.array(Float32Array.from(values)).reshape(shape);
  const column = (values) => array(values, [values.length, 1]);
  const thetas = given.theta.map((theta) => {
    let at = 0;
    const take = (shape) => {
      const size = shape.reduce((a, b) => a * b, 1);
      at += size;
      return array(theta.slice(at - size, at), shape);
    };
    return widths.slice(1).flatMap((out, k) => [take([out, widths[k]]), take([out])]);
  });
  const data = Object.fromEntries(Object.entries(given.data).map(([name, values]) => [name, column(values)]));
  const fixed = { x: column(points.interior.x), ends: column(points.ends.x), ...data };

  /** u at x; takes x, borrows the network. */
  const network = (net, x) => {
    let y = x.mul(2).sub(1);
    for (let k = 0; k < net.length; k += 2) {
      const z = np.matmul(y, np.transpose(net[k].ref)).add(net[k + 1].ref);
      y = k < net.length - 2 ? np.tanh(z) : z;
    }
    return y;
  };
  /** [u_x, u_xx] at x, forward over forward; borrows both. */
  const derivatives = (net, x) => {
    const along = (f) => (x) => {
      const ones = np.onesLike(x.ref);
      const [value, tangent] = jvp(f, [x], [ones]);
      value.dispose();
      return tangent;
    };
    const first = along((x) => network(net, x));
    return jvp(first, [x.ref], [np.onesLike(x.ref)]);
  };
  const square = (v) => v.ref.mul(v);

  const total = ([T, u], c) => {
    const [T_x, T_xx] = derivatives(T, c.x);
    const [u_x, u_xx] = derivatives(u, c.x);
    u_x.dispose();
    const RT = T_xx.mul(-p.kappa).sub(c['interior.f_T'].ref);
    const Ru = u_xx.mul(-p.E).add(T_x.mul(p.gamma)).sub(c['interior.f_u'].ref);
    const atEnds = (net, exact) => np.sum(square(network(net, c.ends.ref).sub(exact.ref)));
    const ends = atEnds(T, c['ends.T_exact']).add(atEnds(u, c['ends.u_exact']));
    const losses = np.stack([np.mean(square(RT)), np.mean(square(Ru)), ends]);
    for (const v of [...T, ...u, ...Object.values(c)]) v.dispose();
    return [np.sum(losses.ref), losses];
  };
  const eager = valueAndGrad(total, { hasAux: true });
  const variants = { eager, jit: jit(eager) };
  const lend = (function_) =>
    function_(
      thetas.map((net) => net.map((v) => v.ref)),
      Object.fromEntries(Object.entries(fixed).map(([name, v]) => [name, v.ref])),
    );
  return Object.fromEntries(Object.entries(variants).map(([name, function_]) => [name, () => lend(function_)]));
}

const leaves = ([[total, losses], gradient]) => [total, losses, ...gradient.flat()];

async function check(call) {
  const from = performance.now();
  const [[total, losses], gradient] = call();
  total.dispose();
  const values = await losses.data();
  const flat = [];
  for (const v of gradient.flat()) flat.push(...(await v.data()));
  return { losses: [...values], gradient: flat, firstNs: 1e6 * (performance.now() - from) };
}

/** Waits for the results of every call, frees them outside the time of the next only where that is free of charge. */
async function time(call, calls, jax) {
  const [from, before] = [performance.now(), process.cpuUsage()];
  for (let k = 0; k < calls; k++) {
    const all = leaves(call());
    await jax.blockUntilReady(all);
    for (const v of all) v.dispose();
  }
  const { user, system } = process.cpuUsage(before);
  return { ns: (1e6 * (performance.now() - from)) / calls, cpuNs: (1e3 * (user + system)) / calls };
}

let loaded;
try {
  loaded = await load();
} catch (error) {
  answer({ missing: `jax-js ${backend} does not start: ${String(error.message).split('\n')[0]}` });
  process.exit(0);
}
const variants = problem(loaded.jax);
answer({ name: loaded.name, variants: Object.keys(variants) });
for await (const line of lines) {
  const asked = JSON.parse(line);
  try {
    const call = variants[asked.check ?? asked.time];
    answer(asked.check ? await check(call) : await time(call, asked.calls, loaded.jax));
  } catch (error) {
    if (process.env.TAPIR_DEBUG) process.stderr.write(`${error.stack}\n`);
    answer({ failed: String(error.message).split('\n')[0] });
  }
}
process.exit(0);
