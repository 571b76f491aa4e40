/** A sweep beside the paper, as Markdown and as one HTML page. */
import { basename, dirname, extname, join } from 'node:path';
import { type Device, NoAdapterError, openDevice } from '../../engine/index.ts';
import { attempt, writeFiles } from '../disk/atomic.ts';
import { checkPlaces } from '../disk/run-folder.ts';
import { systemOf } from '../sweep/presets.ts';
import { UsageError } from '../training/settings.ts';
import { type Reading, readingsOf } from './analysis.ts';
import { type Found, type Report, readRuns, reportOf, type SystemReport } from './data.ts';
import { couplingFigure, describeRun, fieldFigure, fieldRuns, fieldsOfRun, historyFigure } from './figures.ts';
import { type Figures, htmlOf } from './html.ts';
import { markdownOf } from './markdown.ts';
import { neutralReading } from './neutral.ts';
import { surfacesFigure } from './surfaces.ts';

export interface Written {
  readonly report: Report;
  readonly markdown: string;
  readonly html: string;
}

/** Writes FILE.md and FILE.html, histories and fields at a coupling, the strongest unless stated. Throws {@link UsageError} where `path` holds no sweep, RunFolderError where the disk refuses. */
export async function writeReport(path: string, out = join(path, 'report'), coupling?: number): Promise<Written> {
  const known = ['.md', '.html', ''];
  const extension = extname(out);
  if (!known.includes(extension)) throw new UsageError(`--out takes a name that ends in .md or .html, not ${out}`);
  const stem = extension ? out.slice(0, -extension.length) : out;
  const [markdown, html] = [`${stem}.md`, `${stem}.html`];
  const found = readRuns(path);
  checkPlaces(dirname(stem), [basename(markdown), basename(html)]);
  const report = reportOf(found);
  demandCoupling(report, coupling);
  const readings = new Map(report.systems.map((system) => [system, readingsOfRuns(path, system, found)]));
  const page = htmlOf(
    report,
    await withSurfaces((device) => figuresOf(path, found, report, device, coupling)),
    readings,
  );
  const files = new Map([
    [basename(markdown), markdownOf(report, basename(html), readings)],
    [basename(html), page],
  ]);
  attempt(stem, () => writeFiles(dirname(stem), files));
  return { report, markdown, html };
}

function readingsOfRuns(path: string, system: SystemReport, found: Found): Reading[] {
  const neutral = neutralReading(path, system, found);
  return [...readingsOf(system, found), ...(neutral ? [neutral] : [])];
}

/** Throws {@link UsageError} where no system of the report has this coupling. */
function demandCoupling({ systems }: Report, coupling: number | undefined): void {
  if (coupling === undefined || systems.some(({ couplings }) => couplings.includes(coupling))) return;
  const there = systems.map(({ system, couplings }) => `${system} ${couplings.join(', ')}`);
  throw new UsageError(`--coupling ${coupling} is in no system of this sweep: ${there.join('; ')}`);
}

async function figuresOf(
  path: string,
  found: Found,
  report: Report,
  device: () => Promise<Device | undefined>,
  coupling: number | undefined,
): Promise<Map<SystemReport, Figures>> {
  const all = new Map<SystemReport, Figures>();
  for (const system of report.systems) {
    const history = historyFigure(found, system, coupling);
    const fields: string[] = [];
    for (const run of fieldRuns(found, system, coupling)) {
      const pictures = fieldsOfRun(path, found, run);
      if (!pictures) continue;
      fields.push(fieldFigure(found, run, pictures));
      const trained = systemOf(run);
      const known = pictures.flatMap((picture) => ('exact' in picture ? [picture] : []));
      const gpu = trained.coordinates.length === 2 && known.length > 0 ? await device() : undefined;
      if (gpu) fields.push(await surfacesFigure(gpu, trained.title, describeRun(run), trained.evaluation(), known));
    }
    all.set(system, { coupling: couplingFigure(system), fields, ...(history ? { history } : {}) });
  }
  return all;
}

/** A device that is opened when first asked for; without an adapter there are no surfaces, and a line says so. */
async function withSurfaces<T>(use: (device: () => Promise<Device | undefined>) => Promise<T>): Promise<T> {
  let opened: Promise<Device | undefined> | undefined;
  const open = () =>
    openDevice().catch((error: Error) => {
      if (!(error instanceof NoAdapterError)) throw error;
      process.stderr.write('no adapter: the page has no surfaces\n');
      return undefined;
    });
  try {
    return await use(() => (opened ??= open()));
  } finally {
    await (await opened)?.close();
  }
}
