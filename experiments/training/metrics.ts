/** What metrics.jsonl of a run folder says. */
import { z } from 'zod';
import { RunFolderError } from '../disk/atomic.ts';
import type { RunFolder } from '../disk/run-folder.ts';
import { parseLines } from './record.ts';
import type { Line } from './results.ts';

/** Throws {@link RunFolderError} where a line is no look at a run. */
export function looksIn(folder: Pick<RunFolder, 'path' | 'readMetrics'>): Line[] {
  try {
    return parseLines(folder.readMetrics());
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const [line, ...key] = error.issues[0]!.path;
    throw new RunFolderError(
      `${folder.path}/metrics.jsonl: look ${Number(line) + 1} has no right ${key.join('.')}; mend it or choose another --out`,
    );
  }
}
