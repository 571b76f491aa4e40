/** What a sweep does in which order: runs of one shape in groups, and which of them one process takes. */
import { countOf, parameterCount, stacksOf } from '../../systems/index.ts';
import { UsageError } from '../training/settings.ts';
import { type Overrides, type Preset, planOf, type RunPlan, systemOf } from './presets.ts';
import { methodName } from './published.ts';

/** Runs that are trained in one stack, as few programs. */
export interface Group {
  readonly id: string;
  readonly runs: readonly RunPlan[];
}

export interface SweepPlan {
  readonly preset: string;
  /** Of a sweep over one system: a digest of its definition. */
  readonly own?: string;
  readonly overrides: Overrides;
  /** The most runs in a group. */
  readonly stack: number;
  readonly runs: readonly RunPlan[];
  readonly groups: readonly Group[];
}

export const DEFAULT_STACK = 15;

export function sweepPlan(preset: Preset, overrides: Overrides = {}, stack = DEFAULT_STACK): SweepPlan {
  const runs = planOf(preset, overrides);
  const groups = groupsOf(runs, stack);
  // A network that makes no sense is refused here, before a folder is made.
  for (const [run] of groups.map((group) => group.runs)) stacksOf(systemOf(run!), run!.network);
  const own = preset.own === undefined ? {} : { own: preset.own };
  return { preset: preset.name, ...own, overrides, stack, runs, groups };
}

/** Runs that share a shape, in the plan's order, at most `stack` together. Every run is in exactly one group. */
export function groupsOf(runs: readonly RunPlan[], stack: number): Group[] {
  const byShape = new Map<string, RunPlan[]>();
  for (const run of runs) {
    const key = shapeOf(run);
    byShape.set(key, [...(byShape.get(key) ?? []), run]);
  }
  const parts = [...byShape.values()].flatMap((own) =>
    Array.from({ length: Math.ceil(own.length / stack) }, (_, k) => own.slice(k * stack, (k + 1) * stack)),
  );
  const digits = String(parts.length).length;
  return parts.map((own, k) => {
    const { system, optimizer, weighting } = own[0]!;
    return { id: `${String(k + 1).padStart(digits, '0')}-${system}-${optimizer}-${weighting}`, runs: own };
  });
}

/** Whatever must be equal for runs to share programs. */
function shapeOf(run: RunPlan): string {
  const { id: _, coupling, parameters, seed, ...shared } = run;
  const counts = Object.values(systemOf(run).points(parameters, seed)).map(countOf);
  return JSON.stringify([shared, coupling.name, counts]);
}

/** Roughly the multiply-adds of one epoch of a run, to weigh its share of the work. */
export function costOf(run: RunPlan): number {
  const system = systemOf(run);
  const points = Object.values(system.points(run.parameters, run.seed)).reduce((sum, each) => sum + countOf(each), 0);
  const channels = system.coordinates.length + 2;
  const parameters = stacksOf(system, run.network).reduce(
    (sum, { networks, architecture }) => sum + networks.length * parameterCount(architecture),
    0,
  );
  return points * channels * parameters * (run.optimizer === 'gauss-newton' ? GAUSS_NEWTON_STEP : 1);
}

/** About how many steps of Adam or SOAP one of Gauss-Newton takes the time of. */
const GAUSS_NEWTON_STEP = 25;

/** Roughly the multiply-adds of a group. */
export const workOf = ({ runs }: Group): number => runs.reduce((sum, run) => sum + costOf(run) * run.epochs, 0);

const keys = ['system', 'optimizer', 'weighting', 'method', 'seed', 'coupling'] as const;

/** What `--only` may ask of a run, as text by key. */
function traits(run: RunPlan): ReadonlyMap<string, string> {
  const { system, optimizer, weighting, seed, coupling } = run;
  const value = String(coupling.value);
  const own = { system, optimizer, weighting, method: methodName(run), seed: String(seed), coupling: value };
  const parameters = Object.fromEntries(Object.entries(run.parameters).map(([name, each]) => [name, String(each)]));
  return new Map(Object.entries({ ...parameters, ...own, [coupling.name]: value }));
}

const normal = (text: string) => (text.trim() !== '' && Number.isFinite(Number(text)) ? String(Number(text)) : text);

/**
 * Runs that `key=value` conditions leave: values of one key (repeated, or parted by commas) are alternatives, keys add up.
 * Throws {@link UsageError} on a key or value that the plan does not have.
 */
export function onlyRuns(runs: readonly RunPlan[], conditions: readonly string[]): RunPlan[] {
  const wanted = new Map<string, string[]>();
  for (const condition of conditions) {
    const [, key = '', values = ''] = /^([A-Za-z]\w*)=(.+)$/.exec(condition) ?? [];
    if (!key) throw new UsageError(`--only takes key=value, not ${condition}`);
    wanted.set(key, [...(wanted.get(key) ?? []), ...values.split(',').map(normal)]);
  }
  const all = runs.map((run) => ({ run, own: traits(run) }));
  for (const [key, values] of wanted) {
    const known = [...new Set(all.flatMap(({ own }) => own.get(key) ?? []))];
    if (known.length === 0) throw new UsageError(`--only knows no ${key} here; it knows ${couplingKeys(runs)}`);
    const unknown = values.find((value) => !known.includes(value));
    if (unknown !== undefined)
      throw new UsageError(`no run of this plan has ${key}=${unknown}; there are ${known.join(', ')}`);
  }
  const left = all.filter(({ own }) => [...wanted].every(([key, values]) => values.includes(own.get(key) ?? '')));
  if (left.length === 0) throw new UsageError(`no run of this plan has ${conditions.join(' and ')}`);
  return left.map(({ run }) => run);
}

/** What there is to choose by, parameters as far as they vary. */
function couplingKeys(runs: readonly RunPlan[]): string {
  const [first] = runs;
  const varied = Object.keys(first?.parameters ?? {}).filter((name) =>
    runs.some((run) => run.parameters[name] !== first!.parameters[name]),
  );
  return [...new Set([...keys, ...runs.map(({ coupling }) => coupling.name), ...varied])].join(', ');
}

/** One of `count` parts of the work, counted from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** Parses `i/n`. Throws {@link UsageError}. */
export function shardOf(text: string): Shard {
  const [, index = 0, count = 0] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  if (index < 1 || index > count)
    throw new UsageError(`--shard takes i/n with i from 1 to n, such as 1/4, not ${text}`);
  return { index, count };
}

/** Groups of one shard, with the runs that were selected. Shards of one selection share no run and leave none out. */
export function selectGroups(
  { groups, runs }: SweepPlan,
  only: readonly string[] = [],
  { index, count }: Shard = { index: 1, count: 1 },
): Group[] {
  const wanted = new Set(onlyRuns(runs, only).map(({ id }) => id));
  const selected = groups
    .map((group) => ({ ...group, runs: group.runs.filter(({ id }) => wanted.has(id)) }))
    .filter((group) => group.runs.length > 0);
  if (count === 1) return selected;
  const own = balanced(selected, count)[index - 1]!;
  return selected.filter(({ id }) => own.has(id));
}

/** Ids of groups in parts of about equal work: the dearest first, each to the part that has least so far. */
function balanced(groups: readonly Group[], count: number): ReadonlySet<string>[] {
  const parts = Array.from({ length: count }, () => ({ work: 0, ids: new Set<string>() }));
  const works = groups.map((group) => ({ id: group.id, work: workOf(group) }));
  for (const { id, work } of works.toSorted((a, b) => b.work - a.work)) {
    const least = parts.reduce((a, b) => (b.work < a.work ? b : a));
    least.work += work;
    least.ids.add(id);
  }
  return parts.map(({ ids }) => ids);
}

/** What a group trains, in words: `thermoelasticity SOAP+GN x15`. */
export function groupTitle({ runs }: Group): string {
  const [first] = runs;
  return `${first!.system} ${methodName(first!)}${runs.length > 1 ? ` x${runs.length}` : ''}`;
}
