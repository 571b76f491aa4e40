/** The visitor's GPU, opened once a page; what to show where there is none. */
import { type Device, NoAdapterError, openDevice } from '../../engine/index.ts';
import { el } from './dom.ts';

let opened: Promise<Device> | undefined;

/** Throws {@link NoAdapterError}. */
export function theDevice(): Promise<Device> {
  opened ??= openDevice();
  return opened;
}

/** The device, or none; then `place` says why, and which browsers have one. */
export async function deviceOr(place: HTMLElement): Promise<Device | undefined> {
  try {
    return await theDevice();
  } catch (error) {
    if (!(error instanceof NoAdapterError)) throw error;
    place.replaceChildren(el('p', { class: 'notice', role: 'status' }, `No GPU for this page: ${error.message}.`));
    return undefined;
  }
}
