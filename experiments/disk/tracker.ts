/** Scalars of a run in the layouts of DVCLive and TensorBoard, beside Tapir's own files: what is there is added to. */
import { appendFileSync, existsSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { attempt, replaceFile } from './atomic.ts';
import { encodeEvent, fileHeader, keptUntil } from './event-file.ts';
import { readBytes, readText } from './files.ts';
import { yamlOf } from './yaml.ts';

export const trackings = ['dvc', 'tensorboard'] as const;
export type Tracking = (typeof trackings)[number];

/** Where each lies in a run folder. */
const FOLDERS: Readonly<Record<Tracking, string>> = { dvc: 'dvclive', tensorboard: 'tensorboard' };

/** Every method throws RunFolderError where the disk refuses. */
export interface Tracker {
  /** The last step that is noted there already, of one of several runs where it has a name. */
  lastStep(run: string | undefined): number;
  /** Notes values by name, as `losses/RT`; of a step that is there already, nothing. */
  add(run: string | undefined, step: number, scalars: Readonly<Record<string, number>>): void;
}

/** Kinds of tracking that a run folder has. */
export const trackingsIn = (folder: string): Tracking[] =>
  trackings.filter((kind) => existsSync(join(folder, FOLDERS[kind])));

/** Goes on in a run folder with what is noted up to `epoch`; `params` are the run's settings. */
export function openTracker(kind: Tracking, folder: string, epoch: number, params: object): Tracker {
  const place = join(folder, FOLDERS[kind]);
  return attempt(place, () => {
    mkdirSync(place, { recursive: true });
    return kind === 'dvc' ? dvcLive(place, epoch, params) : tensorBoard(place, epoch);
  });
}

/** Names as parts of a path: a loss term may be called anything. */
const safe = (name: string) => name.replaceAll(/[^\w+ -]/g, '_').slice(0, 100);
const pathOf = (run: string | undefined, name: string) =>
  [...(run === undefined ? [] : [run]), ...name.split('/')].map(safe).join('/');

function dvcLive(place: string, epoch: number, params: object): Tracker {
  const plots = join(place, 'plots/metrics');
  const files = existsSync(plots) ? readdirSync(plots, { recursive: true, encoding: 'utf8' }) : [];
  const last = new Map<string, number>();
  for (const name of files.filter((each) => each.endsWith('.tsv'))) {
    // Behind the last line break is what a killed process left of a row.
    const [head = '', ...rows] = (readText(join(plots, name)) ?? '').split('\n').slice(0, -1);
    const kept = rows.filter((row) => Number.parseInt(row, 10) <= epoch);
    replaceFile(join(plots, name), [head, ...kept].map((line) => `${line}\n`).join(''));
    last.set(name.slice(0, -'.tsv'.length), Number.parseInt(kept.at(-1) ?? '0', 10));
  }
  replaceFile(join(place, 'params.yaml'), yamlOf(params));
  const newest: Record<string, number> = {};
  const lastStep = (run: string | undefined) =>
    Math.max(
      0,
      ...[...last].flatMap(([name, step]) => (run === undefined || name.startsWith(`${safe(run)}/`) ? [step] : [])),
    );
  return {
    lastStep,
    add: (run, step, scalars) =>
      attempt(place, () => {
        for (const [name, value] of Object.entries(scalars)) {
          const path = pathOf(run, name);
          if (step <= (last.get(path) ?? 0)) continue;
          const file = join(plots, `${path}.tsv`);
          mkdirSync(dirname(file), { recursive: true });
          if (!existsSync(file)) writeFileSync(file, `step\t${path.split('/').at(-1)}\n`);
          appendFileSync(file, `${step}\t${value}\n`);
          last.set(path, step);
          newest[path] = value;
        }
        replaceFile(join(place, 'metrics.json'), `${JSON.stringify({ ...nested(newest), step }, null, 4)}\n`);
      }),
  };
}

/** `{ 'a/b': 1 }` as `{ a: { b: 1 } }`. */
function nested(values: Readonly<Record<string, number>>): Record<string, unknown> {
  const groups = new Map<string, Record<string, number>>();
  const own: Record<string, unknown> = {};
  for (const [path, value] of Object.entries(values)) {
    const slash = path.indexOf('/');
    if (slash < 0) own[path] = value;
    else groups.set(path.slice(0, slash), { ...groups.get(path.slice(0, slash)), [path.slice(slash + 1)]: value });
  }
  return { ...own, ...Object.fromEntries([...groups].map(([name, inner]) => [name, nested(inner)])) };
}

const FILE = 'events.out.tfevents.0.tapir';

function tensorBoard(place: string, epoch: number): Tracker {
  const last = new Map<string | undefined, number>();
  const fileOf = (run: string | undefined) => join(place, ...(run === undefined ? [] : [safe(run)]), FILE);
  /** Cuts what is there to what is kept, or begins it. */
  const open = (run: string | undefined): number => {
    const known = last.get(run);
    if (known !== undefined) return known;
    const file = fileOf(run);
    mkdirSync(dirname(file), { recursive: true });
    const { length, lastStep } = existsSync(file) ? keptUntil(readBytes(file), epoch) : { length: 0, lastStep: 0 };
    if (length > 0) truncateSync(file, length);
    else writeFileSync(file, fileHeader(Date.now() / 1000));
    last.set(run, lastStep);
    return lastStep;
  };
  return {
    lastStep: (run) => attempt(place, () => open(run)),
    add: (run, step, scalars) =>
      attempt(place, () => {
        if (step <= open(run)) return;
        appendFileSync(fileOf(run), encodeEvent({ wallTime: Date.now() / 1000, step, scalars }));
        last.set(run, step);
      }),
  };
}
