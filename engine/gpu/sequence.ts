/**
 * Programs one after the other, handed to the queue without waiting for any of them. What values are in between is noted
 * in device memory by a dispatch in the same compute pass, and read back once, at the end.
 */
import { Commands } from './commands.ts';
import type { Device } from './device.ts';
import { pipelineOf } from './pipeline.ts';
import { highs, type Place, type Program } from './program.ts';
import { mapped, stagingBuffer } from './read-back.ts';
import type { SavedValues } from './saved.ts';

/** A value that is noted: an input or output of a program. */
export interface Noted {
  readonly program: Program;
  readonly name: string;
}

/** Dispatches of one submission: bounds its command buffer. */
const DISPATCHES_PER_SUBMIT = 2500;
/** Invocations that note a value; it is small. */
const THREADS = 64;

/** What can be noted of some programs, ready to be used in any number of sequences. */
export class Recorder<Key extends string> {
  readonly #device: Device;
  readonly #notes: Readonly<Partial<Record<Key, Note>>>;

  private constructor(device: Device, notes: Readonly<Partial<Record<Key, Note>>>) {
    this.#device = device;
    this.#notes = notes;
  }

  static async create<Key extends string>(
    device: Device,
    values: Readonly<Partial<Record<Key, Noted>>>,
  ): Promise<Recorder<Key>> {
    const notes = await Promise.all(
      (Object.entries(values) as [Key, Noted][]).map(async ([key, { program, name }]) => {
        const place = program.placeOf(name);
        const pipeline = await device.scoped('create recorder', () =>
          pipelineOf(device.gpu, noteDispatch(name, place)),
        );
        return [key, { place, pipeline }] as const;
      }),
    );
    return new Recorder<Key>(device, Object.fromEntries(notes) as Partial<Record<Key, Note>>);
  }

  /** A sequence in which each value is noted as often as stated, not at all where nothing is. */
  begin(times: Readonly<Partial<Record<Key, number>>>): Sequence<Key> {
    return new Sequence(this.#device, this.#notes, times);
  }
}

interface Note {
  readonly place: Place;
  readonly pipeline: GPUComputePipeline;
}

interface History {
  readonly key: string;
  readonly note: Note;
  readonly buffer: GPUBuffer;
  readonly group: GPUBindGroup;
  readonly bytes: number;
}

export class Sequence<Key extends string> {
  readonly #device: Device;
  readonly #histories: ReadonlyMap<Key, History>;
  readonly #commands: Commands;
  readonly #submitted: Promise<void>[] = [];

  /** @internal {@link Recorder.begin} makes one. */
  constructor(
    device: Device,
    notes: Readonly<Partial<Record<Key, Note>>>,
    times: Readonly<Partial<Record<Key, number>>>,
  ) {
    this.#device = device;
    this.#commands = new Commands(device, 'run sequence');
    const { gpu } = device;
    const keys = (Object.keys(notes) as Key[]).filter((key) => (times[key] ?? 0) > 0);
    const history = (key: Key): History => {
      const note = notes[key]!;
      const bytes = note.place.bytes * times[key]!;
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;
      const buffer = gpu.createBuffer({ label: `history of ${key}`, size: 4 + bytes, usage });
      const group = gpu.createBindGroup({
        layout: note.pipeline.getBindGroupLayout(0),
        entries: [note.place.buffer, buffer].map((each, binding) => ({ binding, resource: { buffer: each } })),
      });
      return { key, note, buffer, group, bytes };
    };
    this.#histories = new Map(keys.map((key) => [key, history(key)]));
  }

  /** Appends a program. */
  run(program: Program): void {
    this.#follow(this.#commands.run(program));
    if (this.#commands.dispatches >= DISPATCHES_PER_SUBMIT) this.#follow(this.#commands.submit());
  }

  /** Notes a value as it is now. */
  note(key: Key): void {
    const history = this.#histories.get(key);
    if (!history) throw new RangeError(`this sequence was not begun to note ${key}`);
    const pass = this.#commands.pass();
    pass.setPipeline(history.note.pipeline);
    pass.setBindGroup(0, history.group);
    pass.dispatchWorkgroups(1);
    this.#commands.dispatches++;
  }

  /** Copies values as they are now, on the device. */
  save(into: SavedValues): void {
    into.save(this.#commands.encoder());
  }

  /** Hands over what is left, and waits for all of it. Returns what was noted, [times, ...shape] each. */
  async finish(): Promise<Readonly<Partial<Record<Key, Float32Array>>>> {
    const { gpu } = this.#device;
    const encoder = this.#commands.encoder();
    const histories = [...this.#histories.values()];
    const total = histories.reduce((sum, { bytes }) => sum + bytes, 0);
    const staging = stagingBuffer(gpu, total);
    let at = 0;
    const parts = histories.map(({ key, note, buffer, bytes }) => {
      encoder.copyBufferToBuffer(buffer, 4, staging, at, bytes);
      at += bytes;
      return { key, words: note.place.words, from: (at - bytes) / 4, to: at / 4 };
    });
    this.#follow(this.#commands.submit());
    try {
      const [data] = await Promise.all([mapped(this.#device, staging, total), ...this.#submitted]);
      const values = parts.map(({ key, words, from, to }) => {
        const own = data.slice(from, to);
        return [key, words === 2 ? highs(own) : own];
      });
      return Object.fromEntries(values);
    } finally {
      for (const { buffer } of histories) buffer.destroy();
      staging.destroy();
    }
  }

  /** What was handed over is waited for at the end. */
  #follow(submitted: Promise<void> | undefined): void {
    if (!submitted) return;
    submitted.catch(() => {});
    this.#submitted.push(submitted);
  }
}

/** Appends a value to a history: its first word counts the words that are there. */
function noteDispatch(name: string, { at, bytes }: Place) {
  const [from, count] = [at / 4, bytes / 4];
  const code = `struct History { count: u32, values: array<u32> }
@group(0) @binding(0) var<storage, read> value: array<u32>;
@group(0) @binding(1) var<storage, read_write> history: History;
@compute @workgroup_size(${THREADS})
fn main(@builtin(local_invocation_index) thread: u32) {
  let end = history.count;
  storageBarrier();
  for (var k = thread; k < ${count}u; k += ${THREADS}u) { history.values[end + k] = value[${from}u + k]; }
  if (thread == 0u) { history.count = end + ${count}u; }
}
`;
  const bindings = [{ access: 'read' as const }, { access: 'read_write' as const }];
  return { kernel: 'note', scope: name, code, offsets: [], immediate: false, bindings };
}
