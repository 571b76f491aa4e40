/**
 * Steps of a trainer, handed to the device block by block: losses and errors are noted there and read back once a block.
 * The state after each block stays on the device, so that a run that is lost can go back though the host has read no state.
 */
import { type Device, type Program, Recorder, SavedValues, type Sequence } from '../../engine/index.ts';
import { eigenvectors, REFRESH_EVERY } from '../../optim/index.ts';
import { LEARNED, learnedValues } from '../../systems/index.ts';
import type { Block, Reading, Snapshot } from './loop.ts';
import type { TrainingPlans } from './plans.ts';
import { errorsFrom, finiteOnes, type Programs } from './programs.ts';
import { hasFiniteState } from './recorder.ts';
import { movesAt, pointInputs, resample } from './resampling.ts';
import { CAUSALITY, soapPlans, type TrainerOptions } from './tapes.ts';

/** States that are kept: after the block under way, after the one that is looked at, and before it. */
const KEPT = 3;

type Note = 'started' | 'losses' | 'weights' | 'learned' | 'lr' | 'causality' | 'relative' | 'rmse';
type Noted = Readonly<Partial<Record<Note, Float32Array>>>;
/** Notes of a look that the facts of a reading are made of, by run. */
const PER_RUN = ['lr', 'causality'] as const;

interface Kept {
  readonly epoch: number;
  readonly values: SavedValues;
}

/** What a stepper works with. */
export interface Machine {
  readonly device: Device;
  readonly options: TrainerOptions;
  readonly compiled: TrainingPlans;
  readonly programs: Programs;
}

export class Stepper {
  /** Steps handed over so far. */
  epoch = 0;
  /** Inputs of the step that hold parameters, optimizer state and loss weights. */
  readonly stateNames: readonly string[];
  readonly #machine: Machine;
  readonly #recorder: Recorder<Note>;
  /** What is noted at a look. */
  readonly #noted: readonly Note[];
  /** The oldest first. */
  #kept: Kept[] = [];

  private constructor(machine: Machine, recorder: Recorder<Note>) {
    this.#machine = machine;
    this.#recorder = recorder;
    const { step, refresh } = machine.programs;
    const state = { ...step.plan.state, ...refresh?.plan.state };
    this.stateNames = [...new Set([...Object.keys(state), 'weights', ...pointInputs(machine)])];
    this.#noted = (Object.keys(noting(machine)) as Note[]).filter((name) => name !== 'losses' && name !== 'started');
  }

  static async create(machine: Machine): Promise<Stepper> {
    const recorder = await Recorder.create<Note>(machine.device, noting(machine));
    return new Stepper(machine, recorder);
  }

  /** Takes `steps` steps. Returns the unweighted loss terms before each, [steps,R,K]. */
  async run(steps: number): Promise<Float32Array> {
    const until = this.epoch + steps;
    const { system } = this.#machine.options.problem;
    const every = system.resampling?.every ?? Number.POSITIVE_INFINITY;
    const parts = [steps > 0 ? await this.#start() : undefined];
    do {
      if (steps > 0 && movesAt(system, this.epoch)) await resample(this.#machine, this.epoch);
      const end = Math.min(until, this.epoch + every - (this.epoch % every));
      const sequence = this.#recorder.begin({ losses: end - this.epoch });
      this.#append(sequence, end);
      parts.push((await sequence.finish()).losses);
    } while (this.epoch < until);
    return joined(parts);
  }

  /** Hands over the steps up to each of these epochs, in ascending order, and what is to be known there. */
  async ahead(looks: readonly number[]): Promise<Block> {
    if (this.#kept.length === 0) await this.#keepNow();
    if (this.#machine.options.problem.system.resampling) return this.#inTurn(looks);
    const from = this.epoch;
    const started = performance.now();
    const first = await this.#start();
    const sequence = this.#recorder.begin({ losses: looks.at(-1)! - this.epoch, ...this.#noting(looks.length) });
    for (const look of looks) {
      this.#append(sequence, look);
      this.#note(sequence);
    }
    this.#keep(sequence);
    const done = sequence.finish().then((noted) => {
      const finished = performance.now();
      return { finished, readings: this.#readings(from, looks, { ...noted, losses: joined([first, noted.losses]) }) };
    });
    return { started, done };
  }

  /** The same, waited for: points that move are written between steps. */
  async #inTurn(looks: readonly number[]): Promise<Block> {
    const started = performance.now();
    const readings: Reading[] = [];
    for (const look of looks) {
      const from = this.epoch;
      const losses = await this.run(look - from);
      const sequence = this.#recorder.begin(this.#noting(1));
      this.#note(sequence);
      if (look === looks.at(-1)) this.#keep(sequence);
      readings.push(...this.#readings(from, [look], { ...(await sequence.finish()), losses }));
    }
    return { started, done: Promise.resolve({ finished: performance.now(), readings }) };
  }

  /** What is noted at looks, once at each. */
  #noting(looks: number): Partial<Record<Note, number>> {
    return Object.fromEntries(this.#noted.map((name) => [name, looks]));
  }

  #note(sequence: Sequence<Note>): void {
    sequence.run(this.#machine.programs.error);
    for (const name of this.#noted) sequence.note(name);
  }

  /** The state after an epoch, where it is kept: after the last look of each of the latest blocks it is. */
  async stateAt(epoch: number): Promise<Snapshot | undefined> {
    const kept = this.#kept.find((each) => each.epoch === epoch);
    return kept && { epoch, values: await kept.values.read() };
  }

  /** Goes back to the last of these epochs after which every number was finite; false where none is within reach. */
  async goBack(epochs: readonly number[]): Promise<boolean> {
    for (const epoch of epochs.toReversed()) {
      const from = this.#kept.findLast((kept) => kept.epoch <= epoch);
      if (!from) return false;
      from.values.restore();
      this.#setEpoch(from.epoch);
      await this.run(epoch - from.epoch);
      if (hasFiniteState(await this.snapshot())) return true;
    }
    return false;
  }

  async snapshot(): Promise<Snapshot> {
    const { step } = this.#machine.programs;
    const values = await Promise.all(this.stateNames.map((name) => step.read(name)));
    return { epoch: this.epoch, values: Object.fromEntries(this.stateNames.map((name, k) => [name, values[k]!])) };
  }

  restore({ epoch, values }: Snapshot): void {
    for (const name of this.stateNames) this.#machine.programs.step.write(name, values[name]!);
    this.#setEpoch(epoch);
    this.#forget();
  }

  destroy(): void {
    this.#forget();
  }

  /** So many steps are taken, says the program of the learning rate as well. */
  #setEpoch(epoch: number): void {
    this.epoch = epoch;
    this.#machine.programs.rate?.write('step', [epoch]);
  }

  /** Appends the steps up to an epoch. */
  #append(sequence: Sequence<Note>, until: number): void {
    const { step, refresh, rate } = this.#machine.programs;
    const { preconditionFrequency = REFRESH_EVERY } = this.#machine.options.soap ?? {};
    for (; this.epoch < until; this.epoch++) {
      this.#appendWeighting(sequence);
      if (rate) sequence.run(rate);
      sequence.run(step);
      // SOAP counts its steps from the second epoch on.
      if (refresh && this.epoch % preconditionFrequency === 0) sequence.run(refresh);
      sequence.note('losses');
    }
  }

  #appendWeighting(sequence: Sequence<Note>): void {
    const { weighting } = this.#machine.programs;
    if (weighting && this.epoch % this.#machine.options.updateEvery === 0) sequence.run(weighting);
  }

  /** SOAP's first epoch: factors from the first gradient, their eigenvectors by the CPU. Nothing at any other epoch. */
  async #start(): Promise<Float32Array | undefined> {
    const { programs, options } = this.#machine;
    if (this.epoch > 0 || !programs.start) return undefined;
    const sequence = this.#recorder.begin({ started: 1 });
    this.#appendWeighting(sequence);
    sequence.run(programs.start);
    sequence.note('started');
    const { started } = await sequence.finish();
    for (const [theta, { factors }] of soapPlans(options.problem, options.soap)) {
      for (const { size, count } of factors) {
        const matrices = finiteOnes(await programs.step.read(`${theta}.L.${size}`), size);
        programs.step.write(`${theta}.Q.${size}`, eigenvectors(matrices, count, size));
      }
    }
    this.#setEpoch(1);
    return started;
  }

  async #keepNow(): Promise<void> {
    const sequence = this.#recorder.begin({});
    this.#keep(sequence);
    await sequence.finish();
  }

  /** Keeps the state at the end of a sequence, in place of the oldest where there are enough. */
  #keep(sequence: Sequence<Note>): void {
    const { device, programs } = this.#machine;
    const values =
      this.#kept.length < KEPT ? new SavedValues(device, programs.step, this.stateNames) : this.#kept.shift()!.values;
    sequence.save(values);
    this.#kept.push({ epoch: this.epoch, values });
  }

  #forget(): void {
    for (const { values } of this.#kept) values.destroy();
    this.#kept = [];
  }

  #readings(from: number, looks: readonly number[], noted: Noted): Reading[] {
    const { fields, terms } = this.#machine.compiled;
    const { problem } = this.#machine.options;
    const R = problem.runs.length;
    const row = (name: Note, k: number) => {
      const values = noted[name];
      return values?.subarray((k * values.length) / looks.length, ((k + 1) * values.length) / looks.length);
    };
    // SOAP's first epoch takes no step, so there is no rate of it and no weight.
    const stepped = (epoch: number) => epoch > 1 || !this.#machine.programs.start;
    return looks.map((epoch, k) => {
      const before = k === 0 ? from : looks[k - 1]!;
      const [begin, end] = [before - from, epoch - from].map((steps) => steps * R * terms.length);
      const learned = row('learned', k);
      const perRun = stepped(epoch)
        ? PER_RUN.flatMap((name) => (noted[name] ? [[name, [...row(name, k)!]] as const] : []))
        : [];
      return {
        ...{ from: before, epoch },
        losses: noted.losses!.subarray(begin, end),
        weights: row('weights', k)!,
        errors: errorsFrom(row('relative', k), row('rmse', k), fields, R),
        facts: { ...Object.fromEntries(perRun), ...(learned ? learnedValues(problem, learned) : {}) },
      };
    });
  }
}

/** What is noted, and of which program. */
function noting({
  programs,
  compiled,
}: Machine): Partial<Record<Note, { readonly program: Program; readonly name: string }>> {
  const { step, start, error, rate } = programs;
  const of = (program: Program, name: string) => ({ program, name });
  return {
    losses: of(step, 'losses'),
    weights: of(step, 'weights'),
    ...(LEARNED in step.plan.inputs ? { learned: of(step, LEARNED) } : {}),
    ...(rate ? { lr: of(step, 'lr') } : {}),
    ...(CAUSALITY in step.plan.outputs ? { causality: of(step, CAUSALITY) } : {}),
    ...(start ? { started: of(start, 'losses') } : {}),
    ...(compiled.fields.length > 0 ? { relative: of(error, 'relative'), rmse: of(error, 'rmse') } : {}),
  };
}

function joined(given: readonly (Float32Array | undefined)[]): Float32Array {
  const parts = given.flatMap((part) => (part ? [part] : []));
  if (parts.length === 1) return parts[0]!;
  const all = new Float32Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
