/** summary.json of the runs that a trainer trains together, as they stand. */
import type { Device } from '../../engine/index.ts';
import { msPerStep, type Outcome } from './loop.ts';
import { byTerm, ofRun, resultOf } from './recorder.ts';
import { FORMAT, type Memory, type Result, type RunRecord, type Summary, type TrainSettings } from './results.ts';
import type { RunTrainer } from './trainer.ts';

export interface Trained {
  readonly settings: TrainSettings;
  readonly device: Device;
  /** One a run. */
  readonly records: readonly RunRecord[];
  readonly pace: Outcome['pace'];
  /** Why the runs ended before their time, if they did. */
  readonly stopped?: string | undefined;
}

export async function summaryOf(
  trainer: RunTrainer,
  { settings, device, records, pace, stopped }: Trained,
): Promise<Summary & { readonly memory: Memory }> {
  const { runs } = trainer.options.problem;
  const errors = await trainer.errors();
  const weights = await trainer.weights();
  const learned = (await trainer.learned?.()) ?? {};
  const results = runs.map(({ seed }, r): Result => {
    const now = { errors: errors[r]!, weights: byTerm(trainer.terms, weights, r), learned: ofRun(learned, r) };
    return resultOf(seed, records[r]!, settings.score, now, trainer.fields);
  });
  const { optimizer, weighting, score, parameters: params } = settings;
  return {
    ...{ format: FORMAT, system: settings.system, params, optimizer, weighting, score, epochs: trainer.epoch },
    ...results[0]!,
    msPerStep: msPerStep(pace),
    stackedWith: runs.length - 1,
    dispatchesPerStep: trainer.dispatchesPerStep,
    memory: trainer.memory,
    adapter: device.info.name,
    finished: new Date().toISOString(),
    ...(stopped === undefined ? {} : { stopped }),
    ...(runs.length > 1 ? { runs: results } : {}),
  };
}
