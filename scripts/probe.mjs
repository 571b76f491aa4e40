import { writeSync } from 'node:fs';

function report(result) {
  writeSync(1, `${JSON.stringify(result)}\n`);
  process.exit(0);
}

const message = (error) => String(error?.message ?? error).split('\n')[0];

const { create } = await import('webgpu').catch((error) => report({ failure: 'load', message: message(error) }));
try {
  const adapter = await create([]).requestAdapter();
  if (!adapter) report({ failure: 'adapter', message: 'Dawn offers no adapter' });
  const { vendor, architecture, device, description } = adapter.info;
  report({ name: description || device || vendor || 'unnamed', vendor, architecture, device });
} catch (error) {
  report({ failure: 'adapter', message: message(error) });
}
