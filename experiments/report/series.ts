/** The runs of a sweep, as its report divides them. */
import { isKnown, systemNamed } from '../../systems/index.ts';
import type { SweepRecord } from '../sweep/folder.ts';
import { digestOf } from '../sweep/own.ts';
import type { Preset, RunPlan } from '../sweep/presets.ts';
import { UsageError } from '../training/settings.ts';

/** Throws UsageError where the system is not known, or not as it was when it was swept over. */
export function ownPreset({
  own,
  runs,
}: SweepRecord): Pick<Preset, 'about' | 'own' | 'published'> & { readonly own: string } {
  const [{ system: name }] = runs as [RunPlan];
  if (!isKnown(name)) throw new UsageError(`${name} is a system of your own: name its file with --system`);
  const system = systemNamed(name);
  const now = digestOf(system);
  if (now !== own)
    throw new UsageError(`${system.name} was defined otherwise when it was swept over; name that file with --system`);
  return { about: system.title, published: false, own: now };
}

export interface Series {
  readonly runs: readonly RunPlan[];
  /** What sets it apart from others of its system, in words. */
  readonly label: string;
}

/** Runs of one system that differ in coupling, method and seed alone, together. */
export function seriesOf(all: readonly RunPlan[]): Series[] {
  const others = ({ system, coupling, parameters }: RunPlan) => {
    const { parameter, sets = [parameter] } = systemNamed(system).coupling;
    const moved = coupling.name === parameter ? sets : [coupling.name];
    return Object.entries(parameters).filter(([name]) => !moved.includes(name));
  };
  const byKey = new Map<string, RunPlan[]>();
  for (const run of all) {
    const key = JSON.stringify([run.system, others(run)]);
    byKey.set(key, [...(byKey.get(key) ?? []), run]);
  }
  const groups = [...byKey.values()];
  return groups.map((runs) => {
    const [first] = runs as [RunPlan];
    const siblings = groups.map(([other]) => other!).filter(({ system }) => system === first.system);
    const telling = others(first).filter(([name, value]) =>
      siblings.some(({ parameters }) => parameters[name] !== value),
    );
    return { runs, label: telling.map(([name, value]) => `${name} = ${value}`).join(', ') };
  });
}
