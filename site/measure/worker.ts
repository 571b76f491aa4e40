/** Measures and verifies beside the page, so that the page stays responsive whatever a shader or a reference takes. */
import type { BenchResult } from '../../bench/bench.ts';
import { measureDispatch } from '../../bench/dispatch.ts';
import { benchKernels, type KernelRow } from '../../bench/kernels.ts';
import { measureRoofline, peakAgain, timestampsTell } from '../../bench/roofline.ts';
import { type Clock, QUICK, THOROUGH } from '../../bench/timing.ts';
import { ORIGINS, squares, workloads } from '../../bench/workloads.ts';
import { type Device, DeviceLostError, NoAdapterError, openDevice } from '../../engine/index.ts';
import { parseGolden } from '../../experiments/verify/golden.ts';
import { verifyCase } from '../../experiments/verify/system.ts';
import { library } from '../../kernels/index.ts';
import type { GoldenFile, Order, Report } from './messages.ts';

const tell = (report: Report) => postMessage(report);
const doing = (text: string) => tell({ kind: 'doing', text });

let opened: Promise<Device> | undefined;

addEventListener('message', ({ data }: MessageEvent<Order>) => {
  opened ??= openDevice();
  opened
    .then((device) => (data.do === 'verify' ? verifyAll(device) : measure(device, data.quick)))
    .catch((error: Error) => {
      if (error instanceof DeviceLostError || error instanceof NoAdapterError) opened = undefined;
      tell({ kind: 'failed', message: error.message });
    });
});

async function measure(device: Device, quick: boolean): Promise<void> {
  const effort = quick ? QUICK : THOROUGH;
  const date = new Date().toISOString();
  doing('what a dispatch costs');
  const dispatch = await measureDispatch(device, quick ? 5 : 20);
  const method = (await timestampsTell(device)) ? 'timestamp queries' : 'wall clock';
  const clock: Clock = { method, emptyNs: dispatch.empty.medianNs };
  doing('the roofline');
  const roofline = await measureRoofline(device, clock, effort, quick);
  tell({ kind: 'roofline', adapter: device.info.name, roofline });
  const all = [
    ...workloads(library, device, quick ? ORIGINS.slice(0, 1) : ORIGINS),
    ...(quick ? [] : squares(library, device.capabilities)),
  ];
  const kernels: KernelRow[] = [];
  for (const workload of all) {
    const rows = await benchKernels({ device, roofline, clock, effort, workloads: [workload], onStart: doing });
    kernels.push(...rows);
    tell({ kind: 'kernels', rows });
  }
  doing('the peak once more');
  const peakAtEnd = await peakAgain(device, roofline, clock, effort);
  const machine = machineOf(device);
  const result: BenchResult = { date, machine, clock: method, quick, dispatch, roofline, kernels, peakAtEnd };
  tell({ kind: 'measured', result });
}

function machineOf({ info }: Device): BenchResult['machine'] {
  const { userAgent, hardwareConcurrency } = navigator;
  const [browser = 'browser'] = /(?:Firefox|Edg|Chrome|Version)\/[\d.]+/.exec(userAgent) ?? [];
  const [, platform = 'unknown'] = /\(([^)]*)\)/.exec(userAgent) ?? [];
  return {
    adapter: info.name,
    vendor: info.vendor,
    architecture: info.architecture,
    software: info.software,
    features: info.features,
    limits: info.limits,
    subgroupSize: [info.subgroupMinSize, info.subgroupMaxSize],
    cpu: 'as the browser tells: unknown',
    cores: hardwareConcurrency,
    memoryGiB: 0,
    browser: browser.replace('/', ' '),
    platform,
  };
}

async function verifyAll(device: Device): Promise<void> {
  const text = async (file: string) => new TextDecoder().decode(await fetched(file));
  const cases = JSON.parse(await text('cases.json')) as readonly GoldenFile[];
  for (const { name, tensors } of cases) {
    doing(`golden case ${name}`);
    const bytes = tensors ? await fetched(`${name}.safetensors`) : new Uint8Array();
    const golden = parseGolden(`${name}.json`, await text(`${name}.json`), () => bytes);
    tell({ kind: 'case', result: await verifyCase(golden, { device, library }) });
  }
  tell({ kind: 'verified' });
}

async function fetched(file: string): Promise<Uint8Array> {
  const response = await fetch(new URL(`../golden/${file}`, import.meta.url));
  if (!response.ok) throw new Error(`${file} is not on this server: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
