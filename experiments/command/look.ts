/** Commands that look: verify, check, list. */
import { extname } from 'node:path';
import { Command } from 'commander';
import type { Library } from '../../engine/index.ts';
import { doubleSingleLibrary, library } from '../../kernels/index.ts';
import { type System, systemNamed, systems } from '../../systems/index.ts';
import { holdsSystem, isSystemFile } from '../disk/system-file.ts';
import { table } from '../show/table.ts';
import { UsageError } from '../training/settings.ts';
import { readGolden, verify } from '../verify/golden-file.ts';
import { arithmeticOf, type CheckResult, casesOf, check } from '../verify/kernels.ts';
import { verifySystem } from '../verify/own.ts';
import type { CaseResult } from '../verify/system.ts';
import { known } from './known.ts';
import { type Global, jsonOption, pinOption, putJson, say, withDevice } from './output.ts';

export function verifyCommand(): Command {
  return new Command('verify')
    .argument('<case...>', 'golden cases, NAME.json with NAME.safetensors beside it; or systems, by name or as files')
    .description('compare Tapir with reference data, or a system with itself, on the GPU and in float64')
    .addOption(pinOption())
    .addOption(jsonOption())
    .action(async (paths: string[], { json, kernel }: Global) => {
      const subjects: { readonly path: string; readonly system?: System }[] = [];
      for (const path of paths) subjects.push({ path, ...(await systemAt(path)) });
      const cases = await withDevice(async (device) => {
        const results: CaseResult[] = [];
        const backend = { device, library, versions: kernel ?? {} };
        for (const { path, system } of subjects) {
          const result = system ? await verifySystem(system, path, backend) : await verify(path, backend);
          say(caseText(result), { json: json ?? false });
          results.push(result);
        }
        return results;
      });
      const ok = cases.every((each) => each.ok);
      if (json) putJson({ ok, cases });
      if (!ok) process.exitCode = 1;
    });
}

/** The system that is named or lies in a file; nothing where it is a golden case. Throws GoldenError where it is neither. */
async function systemAt(path: string): Promise<{ readonly system?: System }> {
  const built = systems.find(({ name }) => name === path);
  if (built) return { system: built };
  if (isSystemFile(path) && (extname(path) !== '.json' || holdsSystem(path)))
    return { system: systemNamed(await known(path)) };
  readGolden(path);
  return {};
}

function caseText({ file, ok, quantities }: CaseResult): string {
  const rows = quantities.map(({ name, relativeError, tolerance, ok: good, note }) => [
    good ? 'ok' : 'FAILED',
    name,
    relativeError.toExponential(1),
    tolerance.toExponential(0),
    note ?? '',
  ]);
  return `${file}: ${ok ? 'ok' : 'FAILED'}\n${table(['', 'quantity', 'error', 'tolerance', ''], rows, [2, 3])}\n`;
}

export function checkCommand(): Command {
  return new Command('check')
    .description('check every version of every kernel on this adapter against its float64 meaning')
    .option('--only <name>', 'kernels whose name contains this')
    .option('--least', 'once more on a device with the least that WebGPU promises')
    .addOption(jsonOption())
    .action(async ({ json = false, only, least = false }: Global & { only?: string; least?: boolean }) => {
      const chosen = library.filter(({ name }) => name.includes(only ?? ''));
      if (chosen.length === 0)
        throw new UsageError(`no kernel is called ${only}; there are ${library.map(({ name }) => name).join(', ')}`);
      const full = await checkOn(chosen, { json });
      const results = least ? [...full.results, ...(await checkOn(chosen, { json, least })).results] : full.results;
      const ok = results.every((result) => result.ok);
      if (json) putJson({ ok, adapter: full.adapter, results });
      if (!ok) process.exitCode = 1;
    });
}

/** Checks kernels on a device with all that the adapter offers, or with the least that WebGPU promises. */
async function checkOn(
  kernels: Library,
  { json, least = false }: { json: boolean; least?: boolean },
): Promise<{ adapter: string; results: (CheckResult & { limits: 'adapter' | 'least' })[] }> {
  const limits = least ? 'least' : 'adapter';
  return withDevice(
    async (device) => {
      const results = [];
      const names = kernels.map(({ name }) => name);
      const double = await arithmeticOf(device);
      const inDouble = doubleSingleLibrary.filter(({ name }) => names.includes(name));
      if ('refused' in double) say(double.refused, { json });
      const cases = [
        ...[...casesOf(kernels)].map((one) => ({ ...one, arithmetic: undefined })),
        ...('refused' in double ? [] : [...casesOf(inDouble)].map((one) => ({ ...one, ...double }))),
      ];
      for (const { kernel, version, which, arithmetic } of cases) {
        const result = await check(device, kernel, version, which, arithmetic);
        results.push({ ...result, limits } as const);
        const { error, tolerance } = result;
        if (!result.ok)
          say(
            `FAILED ${kernel.name}.${version.name} ${result.case}: ${error.toExponential(1)} > ${tolerance.toExponential(1)}`,
            { json },
          );
      }
      const adapter = device.info.name;
      say(checkTable(results, least ? `${adapter}, at the least limits of WebGPU` : adapter), { json });
      return { adapter, results };
    },
    { least },
  );
}

function checkTable(results: readonly CheckResult[], adapter: string): string {
  const keys = [...new Set(results.map(({ kernel, version }) => `${kernel} ${version}`))];
  const rows = keys.map((key) => {
    const all = results.filter(({ kernel, version }) => `${kernel} ${version}` === key);
    const run = all.filter(({ skipped }) => !skipped);
    const failed = run.filter((result) => !result.ok).length;
    const worst = Math.max(0, ...run.map(({ error, tolerance }) => error / tolerance));
    return [
      all[0]!.kernel,
      all[0]!.version,
      String(run.length),
      String(all.length - run.length),
      failed === 0 ? 'ok' : `${failed} FAILED`,
      worst.toFixed(2),
    ];
  });
  return `${table(['kernel', 'version', 'cases', 'unsupported', '', 'worst error / tolerance'], rows, [2, 3, 5])}\non ${adapter}`;
}

export function listCommand(): Command {
  return new Command('list')
    .description('systems and kernels')
    .addOption(jsonOption())
    .action(({ json }: Global) => {
      if (json) {
        const shown = systems.map(({ name, title, coordinates, networks, parameters, coupling }) => ({
          name,
          title,
          coordinates,
          networks,
          parameters,
          coupling,
        }));
        putJson({
          systems: shown,
          kernels: library.map(({ name, versions }) => ({
            name,
            versions: versions.map((v) => ({ name: v.name, why: v.why })),
          })),
        });
        return;
      }
      const rows = systems.map(({ name, title, coupling, parameters }) => [
        name,
        title,
        `${coupling.parameter} = ${coupling.values.join(', ')}`,
        Object.entries(parameters)
          .map(([key, { value }]) => `${key} = ${value}`)
          .join(', '),
      ]);
      say(table(['system', '', 'published couplings', 'parameters'], rows), {});
      const kernels = library.flatMap(({ name, versions }) =>
        versions.map((v, k) => [k === 0 ? name : '', v.name, v.why]),
      );
      say(`\n${table(['kernel', 'version', 'why'], kernels)}`, {});
    });
}
