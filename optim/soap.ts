/**
 * SOAP (Vyas et al. 2024): Adam in the slowly turning eigenbasis of Shampoo's preconditioner, as tape operations.
 *
 * For a weight matrix W [O,K] with gradient G: factors L and R are moving averages of G G^T and G^T G, Q_L and Q_R their
 * eigenvectors, and Adam runs on Q_L^T G Q_R. Everything else (biases) gets Adam. Both moments live in the eigenbasis, so
 * one projection of the gradient serves both: where that is nothing but rounding, m / sqrt(v) is that rounding over its own
 * size, and the first update is at most the learning rate in every entry. Projected each by itself, m and G would divide two
 * roundings that have nothing to do with each other. When a basis is refreshed, m is turned with it; v is only permuted.
 *
 * Matrices of one shape are stacked, and so are all factors of one size, whichever layer, network, run and side they
 * come from: a handful of dispatches serves them all. A side of extent 1 keeps Q = 1 and needs no factor.
 */
import {
  add,
  concat,
  div,
  index,
  input,
  matmul,
  mul,
  reshape,
  slice,
  sqrt,
  square,
  sub,
  sum,
  transpose,
  type Var,
} from '../engine/index.ts';
import { qr, reorder } from '../kernels/index.ts';
import { movingAverage, type Update } from './adam.ts';
import { type FactorStack, gather, MAX_PRECOND_DIM, type SoapPlan, scatter } from './soap-plan.ts';

/** Steps between refreshes of the eigenbases, unless stated. */
export const REFRESH_EVERY = 2;
export const SOAP_EPSILON = 1e-8;

/** What SOAP takes besides Adam's settings, under the names of its published code. */
export interface SoapOptions {
  /** Steps between refreshes of the eigenbases. */
  readonly preconditionFrequency: number;
  /** Share of the old factors in their averages. */
  readonly shampooBeta: number;
  /** Share of the weights, times the learning rate, that a step takes away after its update. */
  readonly weightDecay: number;
  /** Sides of matrices that are longer keep the identity for a basis. */
  readonly maxPrecondDim: number;
}

/** How far {@link SoapOptions} are stated; the rest as in this project, whose published runs have no weight decay. */
export const soapOptions = (betas: readonly [number, number], given: Partial<SoapOptions> = {}): SoapOptions => ({
  preconditionFrequency: REFRESH_EVERY,
  shampooBeta: betas[1],
  weightDecay: 0,
  maxPrecondDim: MAX_PRECOND_DIM,
  ...given,
});

/** What the optimizer's pieces share: theta's name and shape, the plan. */
interface Stack {
  readonly name: string;
  readonly theta: Var;
  readonly plan: SoapPlan;
}

interface Context extends Stack {
  /** [3]: beta1, beta2, epsilon; or [5]: then Shampoo's beta and the weight decay. */
  readonly settings: Var;
}

/** The first moment's name says where it lives: what once was kept as `name.m` cannot be taken for it. */
const firstMoment = ({ name, theta }: Stack) => input(theta.tape, `${name}.mQ`, theta.shape);

const setting = ({ settings }: Context, k: number) => index(settings, 0, k);
const [SHAMPOO_BETA, WEIGHT_DECAY] = [3, 4];
/** Whether the settings say what Shampoo's beta and the weight decay are: beta2 and none, unless they do. */
const isLong = ({ settings }: Context) => settings.shape[0]! > SHAMPOO_BETA;
const factorInput = ({ name, theta }: Stack, kind: 'L' | 'Q', { size, count }: FactorStack) =>
  input(theta.tape, `${name}.${kind}.${size}`, [count, size, size]);

/** What belongs to the two sides of a group's matrices; a side of extent 1 has nothing. */
interface Sides {
  readonly left?: Var;
  readonly right?: Var;
}

/** The parts of factor stacks (bases [count,n,n], estimates [count,1,n]) that belong to a group, [B,blocks,..]. */
function sidesOf({ plan }: Stack, group: number, stacks: readonly Var[]): Sides {
  const found = (which: 'left' | 'right') => {
    for (const [k, { sides }] of plan.factors.entries()) {
      const side = sides.find((each) => each.group === group && each.side === which);
      const { length } = plan.groups[group]!.blocks;
      if (side)
        return reshape(slice(stacks[k]!, 0, side.from, side.from + side.count), [
          side.count / length,
          length,
          ...stacks[k]!.shape.slice(1),
        ]);
    }
    return undefined;
  };
  const [left, right] = [found('left'), found('right')];
  return { ...(left ? { left } : {}), ...(right ? { right } : {}) };
}

/** Q_L^T X Q_R for X [.., rows, columns]. */
function project(X: Var, { left, right }: Sides): Var {
  const half = left ? matmul(left, X, { ta: true }) : X;
  return right ? matmul(half, right) : half;
}

/** Q_L X Q_R^T. */
function unproject(X: Var, { left, right }: Sides): Var {
  const half = left ? matmul(left, X) : X;
  return right ? matmul(half, right, { tb: true }) : half;
}

/** L <- b L + (1-b) G G^T, R <- b R + (1-b) G^T G with Shampoo's beta, for every factor stack; `gradients` by group. */
function averagedFactors(context: Context, factors: readonly Var[], gradients: readonly Var[]): Var[] {
  const beta = setting(context, isLong(context) ? SHAMPOO_BETA : 1);
  return context.plan.factors.map(({ sides, size }, k) => {
    const products = sides.map(({ group, side, count }) => {
      const G = gradients[group]!;
      const product = side === 'left' ? matmul(G, G, { tb: true }) : matmul(G, G, { ta: true });
      return reshape(product, [count, size, size]);
    });
    return movingAverage(beta, factors[k]!, concat(products, 0));
  });
}

function namedUpdate(context: Stack, kind: 'L' | 'Q', inputs: readonly Var[], values: readonly Var[]): Update {
  const { name, plan } = context;
  const names = plan.factors.map(({ size }) => `${name}.${kind}.${size}`);
  return {
    inputs: Object.fromEntries(names.map((own, k) => [own, inputs[k]!])),
    outputs: Object.fromEntries(names.map((own, k) => [`${own}'`, values[k]!])),
    state: Object.fromEntries(names.map((own) => [own, `${own}'`])),
  };
}

export function mergeUpdates(...updates: readonly Update[]): Update {
  const all = <T>(pick: (update: Update) => Readonly<Record<string, T>>): Record<string, T> =>
    Object.assign({}, ...updates.map(pick));
  return { inputs: all((u) => u.inputs), outputs: all((u) => u.outputs), state: all((u) => u.state) };
}

/**
 * The first call for theta [B,P] with gradient g: averages start, nothing moves. The eigenvectors of the factors are to
 * be written to `name.Q.SIZE` afterwards, in order of falling eigenvalues.
 */
export function soapStart(name: string, theta: Var, g: Var, settings: Var, plan: SoapPlan): Update {
  const context: Context = { name, theta, plan, settings };
  return theta.tape.scope('soap start', () => {
    const factors = plan.factors.map((each) => factorInput(context, 'L', each));
    const gradients = plan.groups.map((group) => gather(g, group));
    return namedUpdate(context, 'L', factors, averagedFactors(context, factors, gradients));
  });
}

/**
 * A later call: theta <- theta - lr sqrt(1-b2^t)/(1-b1^t) Q_L [m / (sqrt(v) + eps)] Q_R^T, then the factors' averages.
 * `lr` broadcasts to [B,P]. A weight decay d ends the step with theta <- theta - lr d theta. State, zero at first: mQ, v [B,P]
 * in the eigenbasis, c [2] (1-b1^t, 1-b2^t) and the factors `name.L.SIZE`; the bases `name.Q.SIZE` are inputs, turned by {@link soapRefresh}.
 */
export function soap(name: string, theta: Var, g: Var, lr: Var, settings: Var, plan: SoapPlan): Update {
  const context: Context = { name, theta, plan, settings };
  const { tape, shape } = theta;
  return tape.scope('soap', () => {
    const [m, v] = [firstMoment(context), input(tape, `${name}.v`, shape)];
    const c = input(tape, `${name}.c`, [2]);
    const factors = plan.factors.map((each) => factorInput(context, 'L', each));
    const bases = plan.factors.map((each) => factorInput(context, 'Q', each));
    const [beta1, beta2, epsilon] = [0, 1, 2].map((k) => setting(context, k)) as [Var, Var, Var];
    const nextC = movingAverage(slice(settings, 0, 0, 2), c, 1);
    const gradients = plan.groups.map((group) => gather(g, group));
    const turned = tape.scope('project', () => {
      const matrices = gradients.map((G, k) => project(G, sidesOf(context, k, bases)));
      return scatter(matrices, plan.groups, g);
    });
    const nextM = movingAverage(beta1, m, turned);
    const nextV = movingAverage(beta2, v, square(turned));
    const direction = div(nextM, add(sqrt(nextV), epsilon));
    const back = tape.scope('unproject', () =>
      plan.groups.map((group, k) => unproject(gather(direction, group), sidesOf(context, k, bases))),
    );
    const rate = mul(lr, div(sqrt(index(nextC, 0, 1)), index(nextC, 0, 0)));
    const updated = sub(theta, mul(rate, scatter(back, plan.groups, direction)));
    const decay = isLong(context) ? mul(lr, setting(context, WEIGHT_DECAY)) : undefined;
    const moved = decay ? sub(updated, mul(decay, updated)) : updated;
    const averages = tape.scope('factors', () => averagedFactors(context, factors, gradients));
    const own: Update = {
      inputs: {
        [`${name}.mQ`]: m,
        [`${name}.v`]: v,
        [`${name}.c`]: c,
        ...Object.fromEntries(plan.factors.map(({ size }, k) => [`${name}.Q.${size}`, bases[k]!])),
      },
      outputs: { [`${name}'`]: moved, [`${name}.mQ'`]: nextM, [`${name}.v'`]: nextV, [`${name}.c'`]: nextC },
      state: {
        [name]: `${name}'`,
        ...Object.fromEntries(['mQ', 'v', 'c'].map((s) => [`${name}.${s}`, `${name}.${s}'`])),
      },
    };
    return mergeUpdates(own, namedUpdate(context, 'L', factors, averages));
  });
}

/**
 * Refresh of the bases after a step: columns of each Q in order of falling diag(Q^T M Q), v in the same order along that
 * side, then Q <- qr(M Q), and m is turned from the old bases to the new ones.
 */
export function soapRefresh(name: string, theta: Var, plan: SoapPlan): Update {
  const context = { name, theta, plan };
  const { tape, shape } = theta;
  return tape.scope('refresh', () => {
    const [m, v] = [firstMoment(context), input(tape, `${name}.v`, shape)];
    const factors = plan.factors.map((each) => factorInput(context, 'L', each));
    const bases = plan.factors.map((each) => factorInput(context, 'Q', each));
    const products = factors.map((factor, k) => matmul(factor, bases[k]!));
    const estimates = bases.map((basis, k) => sum(mul(basis, products[k]!), [1]));
    const turned = products.map((product, k) => qr(reorder(estimates[k]!, product)));
    const ordered = plan.groups.map((group, k) => reorderSides(gather(v, group), sidesOf(context, k, estimates)));
    const moments = plan.groups.map((group, k) => {
      const original = unproject(gather(m, group), sidesOf(context, k, bases));
      return project(original, sidesOf(context, k, turned));
    });
    const update = namedUpdate(context, 'Q', bases, turned);
    const factorInputs = Object.fromEntries(plan.factors.map(({ size }, k) => [`${name}.L.${size}`, factors[k]!]));
    return mergeUpdates(update, {
      inputs: { [`${name}.mQ`]: m, [`${name}.v`]: v, ...factorInputs },
      outputs: {
        [`${name}.mQ'`]: scatter(moments, plan.groups, m),
        [`${name}.v'`]: scatter(ordered, plan.groups, v),
      },
      state: { [`${name}.mQ`]: `${name}.mQ'`, [`${name}.v`]: `${name}.v'` },
    });
  });
}

/** Rows of X [B,blocks,rows,columns] in the order of the left side's estimates, columns in that of the right side's. */
function reorderSides(X: Var, { left, right }: Sides): Var {
  const columns = right ? reorder(right, X) : X;
  return left ? transpose(reorder(left, transpose(columns, [0, 1, 3, 2])), [0, 1, 3, 2]) : columns;
}
