/** Trains beside the page, a slice of time for each contestant in turn; orders are heard between the slices. */
import { ArithmeticError, type Device, DeviceLostError, NoAdapterError, openDevice } from '../../engine/index.ts';
import { Contestant } from './contestant.ts';
import type { News, Order, Report } from './messages.ts';
import { type Pictures, picturesOf } from './pictures.ts';
import { Painter } from './plane.ts';
import { contests } from './spec.ts';

/** The run that reports are about. */
let run = 0;
const tell = (news: News) => postMessage({ ...news, run } satisfies Report);

let opened: Promise<Device> | undefined;
let painter: Painter | undefined;
let contestants: Contestant[] = [];
let pictures: Pictures = new Map();
let running = false;
/** Whether slices are being trained; one order to go too many starts no second round of them. */
let training = false;
/** The run that the page wants: one that it wants no longer is not compiled to its end. */
let wanted = 0;
/** Orders one after the other: none begins before the one before has ended. */
let queue: Promise<void> = Promise.resolve();

addEventListener('message', ({ data }: MessageEvent<Order>) => {
  if (data.do === 'pause' || data.do === 'prepare') running = false;
  if (data.do === 'prepare') wanted = data.run;
  queue = queue.then(() => obey(data)).catch(fail);
});

function fail(error: Error): void {
  running = false;
  if (error instanceof DeviceLostError || error instanceof NoAdapterError) {
    opened = undefined;
    painter = undefined;
    forget();
  }
  const remedy = error instanceof ArithmeticError ? `; ${error.remedy}` : '';
  tell({ kind: 'failed', message: `${error.message}${remedy}`, lost: contestants.length === 0 });
}

async function obey(order: Order): Promise<void> {
  switch (order.do) {
    case 'prepare':
      return prepare(order);
    case 'draw':
      return startDrawing(order);
    case 'go':
      running = contestants.length > 0;
      if (running && !training) void keepGoing();
      return;
    case 'pause':
      tell({ kind: 'paused' });
      return;
    case 'step':
      for (const contestant of contestants) await advance(contestant, 1);
      tell({ kind: 'paused' });
      return;
    case 'save': {
      const contestant = contestants.find(({ optimizer }) => optimizer === order.optimizer);
      if (!contestant) return;
      const name = `${contestant.problem.system.name}-${order.optimizer}`;
      tell({ kind: 'saved', name: `${name}.tar`, bytes: await contestant.save(name) });
    }
  }
}

function forget(): void {
  for (const contestant of contestants) contestant.destroy();
  contestants = [];
  pictures = new Map();
  painter?.clear();
}

async function prepare(order: Extract<Order, { do: 'prepare' }>): Promise<void> {
  const { spec } = order;
  run = order.run;
  forget();
  opened ??= openDevice();
  const device = await opened;
  try {
    for (const optimizer of contests[spec.optimizers]) {
      if (run !== wanted) return forget();
      tell({ kind: 'doing', text: `compiling ${spec.system} with ${optimizer}` });
      contestants.push(await Contestant.create(device, spec, optimizer));
    }
  } catch (error) {
    forget();
    throw error;
  }
  const [{ trainer, problem, residuals }] = contestants as [Contestant];
  tell({
    kind: 'prepared',
    adapter: device.info.name,
    optimizers: contestants.map(({ optimizer }) => optimizer),
    evaluation: trainer.evaluation,
    fields: trainer.predicted,
    exact: trainer.exact(0),
    residuals: residuals.names,
    interior: problem.runs[0]!.points['interior']!,
    dispatchesPerStep: trainer.dispatchesPerStep,
  });
}

/** Draws the plane as it is before the first step. */
async function startDrawing(order: Extract<Order, { do: 'draw' }>): Promise<void> {
  if (!opened || contestants.length === 0 || order.run !== run) return;
  painter ??= await Painter.create(await opened);
  pictures = picturesOf(painter, contestants, order.canvases);
  for (const contestant of contestants) {
    await contestant.update();
    draw(contestant);
  }
}

function draw(contestant: Contestant): void {
  for (const picture of pictures.get(contestant) ?? []) picture();
}

async function advance(contestant: Contestant, steps?: number): Promise<void> {
  const standing = await contestant.advance(steps);
  draw(contestant);
  tell({ kind: 'standing', standing });
}

/** Slices in turn; each goes through the queue, so that orders come between. */
async function keepGoing(): Promise<void> {
  training = true;
  while (running) {
    for (const contestant of contestants) {
      if (!running) break;
      queue = queue.then(() => (running ? advance(contestant) : undefined)).catch(fail);
      await queue;
      await nextTurn();
    }
  }
  training = false;
}

const turns = new MessageChannel();

/** A message is heard only in a turn of the event loop of its own. A timer of 0 would wait for milliseconds. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    turns.port1.onmessage = () => resolve();
    turns.port2.postMessage(undefined);
  });
}
