/** The command `tapir report`. */
import { Command } from 'commander';
import type { Report } from '../report/data.ts';
import { writeReport } from '../report/write.ts';
import { known } from './known.ts';
import { number, path } from './options.ts';
import { type Global, jsonOption, putJson, say } from './output.ts';

export function reportCommand(): Command {
  return new Command('report')
    .argument('<dir>', 'folder of a sweep, finished or not', path('the folder'))
    .description('compare every result of a sweep with the published one, as Markdown and one HTML page')
    .option('--out <file>', 'FILE.md and FILE.html are written (default: DIR/report)', path('--out'))
    .option('--system <file>', 'of a sweep over a system of your own: its file', path('--system'))
    .option(
      '--coupling <x>',
      'coupling whose histories and fields are drawn (default: the strongest)',
      number('--coupling'),
    )
    .addOption(jsonOption())
    .action(async (path: string, options: Global & { out?: string; system?: string; coupling?: number }) => {
      if (options.system !== undefined) await known(options.system);
      const { report, markdown, html } = await writeReport(path, options.out, options.coupling);
      if (options.json) putJson({ ...report, files: [markdown, html] });
      else say(`${summary(report)}\n${markdown}, ${html}`, options);
    });
}

function summary({ preset, done, planned, far, diverged, systems }: Report): string {
  const cells = systems.flatMap(({ rows }) => rows.flatMap((row) => row.cells));
  const compared = cells.filter(({ ratio }) => ratio !== undefined).length;
  const beside = systems.some((system) => system.beside);
  const lost = diverged.length > 0 ? `, ${diverged.length} diverged` : '';
  const off = beside ? `; ${far.length} of ${compared} cells are off by more than 3x` : '';
  return `${preset}: ${done} of ${planned} runs${lost}${off}`;
}
