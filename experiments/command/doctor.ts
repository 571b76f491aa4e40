/** The command `tapir doctor`: what this machine offers, and whether it computes correctly. */
import { Command } from 'commander';
import { adapterNames, type Device } from '../../engine/index.ts';
import { computes, type Fingerprint, fingerprint } from '../adapter/fingerprint.ts';
import { readCache, type TuneCache } from '../adapter/tune-cache.ts';
import { table } from '../show/table.ts';
import { type Global, jsonOption, putJson, say, withDevice } from './output.ts';

interface Diagnosis {
  readonly works: boolean;
  readonly print: Fingerprint;
  readonly tuned: TuneCache;
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('what this machine offers, and whether it computes correctly')
    .option('--all', 'every adapter there is, a line each')
    .addOption(jsonOption())
    .action(async ({ json, all }: Global & { all?: boolean }) => {
      const names = all ? await adapterNames() : [];
      const found: Diagnosis[] = [];
      if (names.length === 0) found.push(await withDevice(diagnose));
      for (const adapter of names) found.push(await withDevice(diagnose, { adapter }));
      if (json) putJson(all ? found.map(documentOf) : documentOf(found[0]!));
      else say(all ? allText(found) : oneText(found[0]!), {});
      if (found.some(({ works }) => !works)) process.exitCode = 1;
    });
}

async function diagnose(device: Device): Promise<Diagnosis> {
  return { works: await computes(device), print: fingerprint(device), tuned: readCache(device) };
}

const documentOf = ({ works, print, tuned }: Diagnosis) => ({
  ok: works,
  ...print,
  tuned: Object.keys(tuned).length,
});

const worksText = (works: boolean) => (works ? 'yes' : 'NO: a doubled number came back wrong');

function oneText({ works, print, tuned }: Diagnosis): string {
  const rows = Object.entries(print).map(([name, value]) => [
    name,
    typeof value === 'object' && !Array.isArray(value)
      ? Object.entries(value)
          .map(([k, v]) => `${k} ${v}`)
          .join(', ')
      : [value].flat().join(', '),
  ]);
  const more = [
    ['tuned', tunedText(tuned)],
    ['computes', worksText(works)],
  ];
  return table(['', ''], [...rows, ...more]).trimStart();
}

function allText(found: readonly Diagnosis[]): string {
  const rows = found.map(({ works, print, tuned }) => [
    print.adapter,
    print.software ? 'software' : 'GPU',
    print.subgroupSize.join('..'),
    String(print.immediates),
    String(Object.keys(tuned).length),
    worksText(works),
  ]);
  return table(['adapter', '', 'subgroup', 'immediates', 'tuned calls', 'computes'], rows, [3, 4]);
}

function tunedText(cache: TuneCache): string {
  const days = Object.values(cache).map(({ measured }) => measured.slice(0, 10));
  return days.length === 0 ? 'no: see tapir tune' : `${days.length} kernel calls, last on ${days.sort().at(-1)}`;
}
