/** What a run is asked, and what became of it: the types of config.json, metrics.jsonl and summary.json. */
import type { NetworkShape } from '../../systems/index.ts';
import type { Hyperparameters, SquaresHyperparameters, Trainable, WeightingName } from './hyperparameters.ts';

/** Of config.json and summary.json; files without it are of the first format, where train and sweep differed. */
export const FORMAT = 2;

/** Which error a run is judged by: mean over the fields of relative L2, or of absolute RMSE. */
export const scores = ['relative', 'rmse'] as const;
export type Score = (typeof scores)[number];
/** What of a system is changed: nothing; one boundary loss term for each field; that, and one network for all fields. */
export const variants = ['paper', 'split', 'shared'] as const;
export type Variant = (typeof variants)[number];

/** Numbers by name; null where one is not finite. */
export type Named = Readonly<Record<string, number | null>>;

/** What config.json holds whatever the optimizer. */
export interface Asked {
  readonly system: string;
  readonly variant: Variant;
  readonly parameters: Readonly<Record<string, number>>;
  readonly network: NetworkShape;
  readonly epochs: number;
  /** Of the initial weights and random points: runs that are trained together. */
  readonly seeds: readonly number[];
  readonly score: Score;
  /** The folder of the run whose weights it began with. */
  readonly start?: string | undefined;
  /** Training ends once the error of every run is at most this. */
  readonly targetError?: number | undefined;
  /** The version that serves each kernel call. */
  readonly kernels?: Readonly<Record<string, string>> | undefined;
  /** Of a run of a sweep: its name, what set its coupling, the stack it was trained in. */
  readonly id?: string | undefined;
  readonly coupling?: { readonly name: string; readonly value: number } | undefined;
  readonly group?: string | undefined;
}

/** Everything resolved: what config.json holds besides its format. */
export type FirstOrderSettings = Asked & Omit<Hyperparameters, 'weightMemory'>;
export type TrainSettings = FirstOrderSettings | (Asked & SquaresHyperparameters);
export type Config = TrainSettings & { readonly format: typeof FORMAT };

/** A line of metrics.jsonl: one look at one run. */
export interface Line {
  readonly epoch: number;
  /** Where several runs share a folder. */
  readonly seed?: number | undefined;
  /** Unweighted loss terms of the epoch, before its step. */
  readonly losses: Named;
  readonly weights: Named;
  /** After the epoch's step: relative L2 error by field, its mean, and the mean RMSE. */
  readonly l2: Named;
  readonly mean: number | null;
  readonly rmse: number | null;
  /** What the optimizer has to say, such as its damping; parameters that are learned. */
  readonly facts?: Named | undefined;
}

/** Where a run was lost: the epoch, and the loss term, or `error`, that was no number. */
export interface Lost {
  readonly epoch: number;
  readonly term: string;
  readonly value: string;
}

/** The smallest error seen, an oracle's, in the measure of the score, and the mean relative error with it. */
export interface Best {
  readonly error: number | null;
  readonly mean: number | null;
  readonly epoch: number;
}

/** At the smallest sum of unweighted loss terms seen. */
export interface BestLoss {
  readonly loss: number | null;
  readonly error: number | null;
  readonly epoch: number;
}

/** What is remembered of a run under way; it grows with every look. */
export interface RunRecord {
  readonly history: Line[];
  best: Best;
  bestLoss: BestLoss;
  diverged?: Lost | undefined;
}

/** What became of one run. */
export interface Result {
  readonly seed: number;
  /** After the last epoch, at the evaluation points; `error` is in the measure of the score. Null where the run was lost. */
  readonly final: {
    readonly error: number | null;
    readonly l2: Named;
    readonly mean: number | null;
    readonly rmse: Named;
  };
  readonly best: Best;
  readonly bestLoss: BestLoss;
  readonly losses: Named;
  readonly weights: Named;
  /** Parameters that were learned. */
  readonly learned?: Named | undefined;
  readonly diverged?: Lost | undefined;
}

/** Bytes of device memory by what they hold. */
export interface Memory {
  readonly total: number;
  readonly parameters: number;
  /** What an update or a refresh carries to the next, where that is not done in place its next value too. */
  readonly optimizerState: number;
  /** Temporaries: what the layers keep for the backward pass, cotangents, gradients. */
  readonly activations: number;
  /** Points, known values, settings, loss weights, results. */
  readonly data: number;
}

/** summary.json: what became of the runs of a folder; the results at the top are those of the first. */
export interface Summary extends Result {
  readonly format: typeof FORMAT;
  readonly id?: string | undefined;
  readonly system: string;
  readonly coupling?: { readonly name: string; readonly value: number } | undefined;
  readonly params: Readonly<Record<string, number>>;
  readonly optimizer: Trainable;
  readonly weighting: WeightingName;
  readonly score: Score;
  readonly epochs: number;
  /** Of a step of all runs that were trained together, milliseconds; null where this process took none. */
  readonly msPerStep: number | null;
  readonly stackedWith: number;
  readonly dispatchesPerStep: number;
  readonly memory?: Memory | undefined;
  readonly adapter: string;
  readonly kernels?: Readonly<Record<string, string>> | undefined;
  /** ISO 8601; unknown of runs of the first format of train. */
  readonly finished?: string | undefined;
  readonly out?: string | undefined;
  /** Where the target error was reached: the epoch, and the largest error of the runs. */
  readonly reached?: { readonly epoch: number; readonly error: number } | undefined;
  /** Why the run ended before its time, if it did. */
  readonly stopped?: string | undefined;
  /** Where several runs share a folder: each of them. */
  readonly runs?: readonly Result[] | undefined;
}
