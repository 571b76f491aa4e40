/** Trains beside the page, a slice of time for each contestant in turn; orders are heard between the slices. */
import { type Device, openDevice } from '../../engine/index.ts';
import type { Optimizer } from '../../systems/index.ts';
import { Contestant } from './contestant.ts';
import type { Order, Report } from './messages.ts';

const tell = (report: Report) => postMessage(report);

let opened: Promise<Device> | undefined;
let contestants: Contestant[] = [];
let running = false;
/** Whether slices are being trained; one order to go too many starts no second round of them. */
let training = false;
/** Orders one after the other: none begins before the one before has ended. */
let queue: Promise<void> = Promise.resolve();

addEventListener('message', ({ data }: MessageEvent<Order>) => {
  if (data.do === 'pause' || data.do === 'prepare') running = false;
  queue = queue.then(() => obey(data)).catch(fail);
});

function fail(error: Error): void {
  running = false;
  tell({ kind: 'failed', message: error.message });
}

async function obey(order: Order): Promise<void> {
  switch (order.do) {
    case 'prepare':
      return prepare(order);
    case 'go':
      running = true;
      if (!training) void keepGoing();
      return;
    case 'pause':
      tell({ kind: 'paused' });
      return;
    case 'step':
      for (const contestant of contestants) tell({ kind: 'standing', standing: await contestant.advance(1) });
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

async function prepare({ spec }: Extract<Order, { do: 'prepare' }>): Promise<void> {
  for (const contestant of contestants) contestant.destroy();
  contestants = [];
  opened ??= openDevice();
  const device = await opened;
  for (const optimizer of spec.optimizers.split(',') as Optimizer[]) {
    tell({ kind: 'doing', text: `compiling ${spec.system} with ${optimizer}` });
    contestants.push(await Contestant.create(device, spec, optimizer));
  }
  const [first] = contestants;
  const { trainer, problem } = first!;
  tell({
    kind: 'prepared',
    adapter: device.info.name,
    optimizers: contestants.map(({ optimizer }) => optimizer),
    evaluation: trainer.evaluation,
    exact: trainer.exact(0),
    interior: problem.runs[0]!.points['interior']!,
    dispatchesPerStep: trainer.dispatchesPerStep,
  });
}

/** Slices in turn; each goes through the queue, so that orders come between. */
async function keepGoing(): Promise<void> {
  training = true;
  while (running) {
    for (const contestant of contestants) {
      if (!running) break;
      queue = queue
        .then(async () => {
          if (running) tell({ kind: 'standing', standing: await contestant.advance() });
        })
        .catch(fail);
      await queue;
      // A message is heard only in a turn of the event loop of its own.
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }
  training = false;
}
