/** One run of the benchmark: which parts, on which kernels and systems, and everything that came out. */
import { loadavg } from 'node:os';
import type { Device, Library } from '../engine/index.ts';
import type { Choices } from '../experiments/adapter/choices.ts';
import { type Fingerprint, fingerprint } from '../experiments/adapter/fingerprint.ts';
import { optimizers } from '../experiments/training/hyperparameters.ts';
import { UsageError } from '../experiments/training/settings.ts';
import { systems } from '../systems/index.ts';
import { type DispatchCost, measureDispatch } from './dispatch.ts';
import { benchKernels, type KernelRow } from './kernels.ts';
import { benchLaplacian, type LaplacianRow } from './laplacian.ts';
import { benchPeers, type OursRow, PEER_SYSTEMS, type PeerRow, type PeerSpec } from './peers.ts';
import { measureRoofline, peakAgain, type Roofline, timestampsTell } from './roofline.ts';
import { benchStack, heightsOn, type StackRow } from './stack.ts';
import { benchStep, type StepRow } from './steps.ts';
import { type Clock, type Effort, QUICK, THOROUGH } from './timing.ts';
import { ORIGINS, type Origin, originName, squares, squaresOf, workloads } from './workloads.ts';

export const parts = ['roofline', 'kernels', 'steps', 'laplacian', 'stack', 'peers'] as const;
export type Part = (typeof parts)[number];

/** What to measure. */
export interface Selection {
  readonly parts: readonly Part[];
  readonly library: Library;
  /** Whose calls the kernels are timed at. */
  readonly origins: readonly Origin[];
  /** Whether kernels are timed at large matrices, too. */
  readonly squares: boolean;
  /** Sizes of square matrices to time kernels at instead. */
  readonly sizes?: readonly number[];
  /** Whose training steps are timed. */
  readonly steps: readonly Origin[];
  /** Systems whose runs are stacked. */
  readonly stacks: readonly string[];
  /** Systems at which other programs are compared. */
  readonly peers: readonly string[];
}

export interface BenchResult {
  /** When it began, ISO 8601. */
  readonly date: string;
  readonly machine: Fingerprint;
  /** Load average of the last minute before the run; near 0 on a machine with nothing else to do. Unknown in a browser. */
  readonly load?: number;
  readonly clock: Clock['method'];
  readonly quick: boolean;
  /** Versions that were pinned, by kernel. */
  readonly pins?: Readonly<Record<string, string>>;
  readonly dispatch: DispatchCost;
  readonly roofline?: Roofline;
  /** FLOP/s of the roofline's best register kernel once more, after everything else. */
  readonly peakAtEnd?: number;
  readonly kernels?: readonly KernelRow[];
  readonly steps?: readonly StepRow[];
  readonly laplacian?: readonly LaplacianRow[];
  readonly stack?: readonly StackRow[];
  readonly peers?: { readonly ours: readonly OursRow[]; readonly rows: readonly PeerRow[] };
}

/** Every system once, then many runs of one system together. */
const STEPS: readonly Origin[] = [
  ...systems.map(({ name }) => ({ system: name, runs: 1 })),
  ...ORIGINS.filter(({ runs }) => runs > 1),
];

/** Systems whose runs are stacked, and the one at which derivatives are compared. */
const STACKS: readonly string[] = ['thermoelasticity'];
const REFERENCE = 'thermoelasticity';
/** The parts that a run without names leaves out: they need programs that are not Tapir's. */
const UPON_REQUEST: readonly Part[] = ['peers'];

/**
 * Kernels and systems whose name contains `only`; `quick` leaves out all systems but the first unless `only` names
 * them. `sizes` measures kernels alone, in networks of these widths and at square matrices of these sizes. Throws
 * {@link UsageError} where nothing is left.
 */
export function select(library: Library, { sizes, system, ...what }: Wanted): Selection {
  if (system !== undefined) {
    if (sizes !== undefined) throw new UsageError('--system and --sizes exclude each other');
    return selectedOf(library, system, what);
  }
  if (sizes === undefined) return selected(library, what);
  const other = what.names.find((name) => name !== 'kernels' && name !== 'roofline');
  if (other !== undefined)
    throw new UsageError(`--sizes is for kernels, not for ${other}: tapir bench kernels --sizes 64,128`);
  const selection = selected(library, { ...what, names: ['roofline', 'kernels'] });
  const [first] = selection.origins;
  return {
    ...selection,
    squares: false,
    sizes,
    origins: first === undefined ? [] : sizes.map((width) => ({ ...first, width })),
  };
}

/** What can be measured of one system, built-in or not. */
const OF_SYSTEM: readonly Part[] = ['roofline', 'kernels', 'steps', 'stack'];

function selectedOf(library: Library, system: string, { names, only }: Omit<Wanted, 'sizes' | 'system'>): Selection {
  const other = names.find((name) => !OF_SYSTEM.some((part) => part === name));
  if (other !== undefined) throw new UsageError(`--system is for ${OF_SYSTEM.join(', ')}, not for ${other}`);
  if (only !== undefined) throw new UsageError('--system and --only exclude each other');
  const own = [{ system, runs: 1 }];
  const chosen = OF_SYSTEM.filter((part) => names.length === 0 || names.includes(part));
  return { parts: chosen, library, origins: own, squares: false, steps: own, stacks: [system], peers: [] };
}

interface Wanted {
  /** Everything of this system, instead of some built-in ones. */
  readonly system?: string;
  readonly names: readonly string[];
  readonly only?: string;
  readonly quick: boolean;
  readonly sizes?: readonly number[];
}

function selected(library: Library, { names, only, quick }: Omit<Wanted, 'sizes'>): Selection {
  const unknown = names.find((name) => !parts.some((part) => part === name));
  if (unknown !== undefined)
    throw new UsageError(`there is nothing called ${unknown} to measure; there are ${parts.join(', ')}`);
  const chosen = parts.filter((part) => (names.length === 0 ? !UPON_REQUEST.includes(part) : names.includes(part)));
  const usual = (all: readonly Origin[]) => (quick ? all.slice(0, 1) : all);
  if (only === undefined)
    return {
      parts: chosen,
      library,
      origins: usual(ORIGINS),
      squares: !quick,
      steps: usual(STEPS),
      stacks: STACKS,
      peers: PEER_SYSTEMS,
    };
  const kernels = library.filter(({ name }) => name.includes(only));
  const named = (all: readonly Origin[]) => all.filter((origin) => originName(origin).includes(only));
  const byKernel = kernels.length > 0;
  const reference = !byKernel && REFERENCE.includes(only);
  const peers = byKernel ? [] : PEER_SYSTEMS.filter((name) => name.includes(only));
  const selection: Selection = {
    parts: chosen.filter((part) => (part === 'laplacian' ? reference : part === 'peers' ? peers.length > 0 : true)),
    library: byKernel ? kernels : library,
    origins: byKernel ? usual(ORIGINS) : named(ORIGINS),
    squares: byKernel && !quick,
    steps: byKernel ? [] : named(STEPS),
    stacks: byKernel ? [] : systems.map(({ name }) => name).filter((name) => name.includes(only)),
    peers,
  };
  const measured: Record<Part, boolean> = {
    roofline: true,
    kernels: selection.origins.length > 0,
    steps: selection.steps.length > 0,
    laplacian: true,
    stack: selection.stacks.length > 0,
    peers: true,
  };
  if ((byKernel || named(STEPS).length > 0) && selection.parts.some((part) => measured[part])) return selection;
  const known = [...(chosen.includes('kernels') ? library.map(({ name }) => name) : []), ...STEPS.map(originName)];
  throw new UsageError(`--only ${only} leaves no ${chosen.join(', ')} to measure; there are ${known.join(', ')}`);
}

export interface BenchOptions {
  readonly library: Library;
  readonly selection: Selection;
  readonly quick: boolean;
  /** Kernels also with caches that hold none of their data. */
  readonly cold?: boolean;
  readonly versions: Readonly<Record<string, string>>;
  /** Versions that training steps prefer where none is pinned. */
  readonly choices?: Choices;
  /** Whom to compare with, where the part is selected. */
  readonly peers?: readonly PeerSpec[];
  readonly onStart?: (text: string) => void;
}

export async function bench(device: Device, options: BenchOptions): Promise<BenchResult> {
  const { selection, quick, onStart = () => {} } = options;
  const effort = quick ? QUICK : THOROUGH;
  const [date, load] = [new Date().toISOString(), loadavg()[0]!];
  onStart('dispatches');
  const dispatch = await measureDispatch(device, quick ? 5 : 20);
  const method = (await timestampsTell(device)) ? 'timestamp queries' : 'wall clock';
  const clock: Clock = { method, emptyNs: dispatch.empty.medianNs };
  let result: BenchResult = {
    date,
    machine: fingerprint(device),
    load,
    clock: method,
    quick,
    pins: options.versions,
    dispatch,
  };
  if (selection.parts.some((part) => part === 'roofline' || part === 'kernels')) {
    onStart('roofline');
    result = { ...result, roofline: await measureRoofline(device, clock, effort, quick) };
  }
  if (selection.parts.includes('kernels') && selection.origins.length > 0) {
    const kernels = await benchKernels({
      device,
      roofline: result.roofline!,
      clock,
      effort,
      onStart,
      cold: options.cold ?? false,
      workloads: [
        ...workloads(options.library, device, selection.origins),
        ...(selection.squares ? squares(options.library, device.capabilities) : []),
        ...squaresOf(options.library, selection.sizes ?? []),
      ].filter(({ kernel }) => selection.library.includes(kernel)),
      versions: options.versions,
    });
    result = { ...result, kernels };
  }
  if (selection.parts.includes('steps') && selection.steps.length > 0)
    result = { ...result, steps: await benchSteps(device, options, effort) };
  const { versions, choices = {} } = options;
  const shared = { device, effort, library: options.library, versions, choices, onStart };
  if (selection.parts.includes('laplacian')) result = { ...result, laplacian: await benchLaplacian(shared) };
  if (selection.parts.includes('stack') && selection.stacks.length > 0) {
    const stack: StackRow[] = [];
    for (const system of selection.stacks)
      for (const optimizer of optimizers)
        stack.push(
          ...(await benchStack(system, optimizer, {
            ...shared,
            heights: quick ? [1, 4] : heightsOn(device.capabilities),
          })),
        );
    result = { ...result, stack };
  }
  if (selection.parts.includes('peers'))
    result = { ...result, peers: await benchPeers({ ...shared, quick, peers: peersAt(selection, options) }) };
  const { roofline } = result;
  return roofline ? { ...result, peakAtEnd: await peakAgain(device, roofline, clock, effort) } : result;
}

const peersAt = (selection: Selection, { peers = [] }: BenchOptions) =>
  peers.filter(({ job }) => selection.peers.includes(job.system));

async function benchSteps(device: Device, options: BenchOptions, effort: Effort): Promise<StepRow[]> {
  const rows: StepRow[] = [];
  for (const origin of options.selection.steps)
    for (const optimizer of optimizers) {
      options.onStart?.(`training steps of ${originName(origin)}, ${optimizer}`);
      rows.push(await benchStep(origin, optimizer, { ...options, device, effort }));
    }
  return rows;
}
