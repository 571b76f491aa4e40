/**
 * For `node --import`: a GPU on which something never ends. `ENDLESS_KERNEL`: the dispatch whose label has this in it, on the
 * first device; `ENDLESS_AT`: what comes with so many submissions of the process.
 */
import { globals } from 'webgpu';

const { GPUDevice, GPUQueue } = globals;
const { createShaderModule } = GPUDevice.prototype;
const { submit } = GPUQueue.prototype;
const { ENDLESS_KERNEL, ENDLESS_AT } = process.env;

/** A loop that no compiler can prove to be without end, or without effect. */
const spin = 'loop { atomicOr(&spun, 2u); if (atomicLoad(&spun) == 1u) { break; } }';
const own = `var<workgroup> spun: atomic<u32>;
@compute @workgroup_size(1) fn main() { ${spin} }`;

let first;
if (ENDLESS_KERNEL)
  GPUDevice.prototype.createShaderModule = function (descriptor) {
    first ??= this;
    if (this !== first || !descriptor.label?.includes(ENDLESS_KERNEL)) return createShaderModule.call(this, descriptor);
    const code = descriptor.code.replace(/(fn main\([^)]*(?:\([^)]*\)[^)]*)*\)\s*\{)/, `$1 ${spin}`);
    return createShaderModule.call(this, { ...descriptor, code: `${code}\nvar<workgroup> spun: atomic<u32>;` });
  };

if (ENDLESS_AT) {
  const devices = new WeakMap();
  const { requestDevice } = globals.GPUAdapter.prototype;
  globals.GPUAdapter.prototype.requestDevice = async function (...args) {
    const device = await requestDevice.apply(this, args);
    devices.set(device.queue, device);
    return device;
  };
  let submissions = 0;
  GPUQueue.prototype.submit = function (commands) {
    submissions++;
    if (submissions === Number(ENDLESS_AT)) {
      const device = devices.get(this);
      const module = device.createShaderModule({ code: own });
      const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.dispatchWorkgroups(1);
      pass.end();
      submit.call(this, [encoder.finish()]);
      process.stderr.write('endless: it has begun\n');
    }
    return submit.call(this, commands);
  };
}
