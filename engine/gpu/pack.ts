/** Which pieces of work share a dispatch. */
import { BYTES } from './grids.ts';
import type { Capabilities } from './kernel.ts';
import { bindingsOf, type Draft, draftOf, kindOf, ownCode, type Piece, sharedOf, threadsOf } from './shader.ts';
import { strategyFor } from './software.ts';

/**
 * Puts bundles of pieces, none of which depends on another, into few dispatches. A bundle that stands `apart` has one of
 * its own; one that exceeds the adapter's limits is split.
 */
export function pack(
  bundles: readonly (readonly Piece[])[],
  device: Capabilities,
  apart: (bundle: readonly Piece[]) => boolean,
): Draft[] {
  const { longest } = strategyFor(device);
  const shared: Piece[][] = [];
  const alone: (readonly Piece[])[] = [];
  for (const bundle of bundles.toSorted((a, b) => charactersOf(b) - charactersOf(a))) {
    const room = shared.find((pieces) => {
      const all = [...pieces, ...bundle];
      return charactersOf(all) <= longest && fits(all, device);
    });
    if (!fits(bundle, device)) alone.push(...bundle.map((piece) => [piece]));
    else if (apart(bundle)) alone.push(bundle);
    else if (room) room.push(...bundle);
    else shared.push([...bundle]);
  }
  return [...alone, ...shared].map((pieces) => draftOf(pieces, device.immediates));
}

/** Characters of code, that of each kind once. */
function charactersOf(pieces: readonly Piece[]): number {
  const codes = new Map(pieces.map((piece) => [kindOf(piece), ownCode(piece).characters]));
  return [...codes.values()].reduce((sum, characters) => sum + characters, 0);
}

/** Whether pieces fit one dispatch: bindings, workgroup memory, and workgroups of one size or parts of it. */
function fits(pieces: readonly Piece[], { maxStorageBuffers, workgroupMemory }: Capabilities): boolean {
  const threads = threadsOf(pieces);
  const memory = sharedOf(pieces).reduce((sum, { of, length }) => sum + length * BYTES[of], 0);
  return (
    bindingsOf(pieces).length <= maxStorageBuffers &&
    memory <= workgroupMemory &&
    pieces.every((piece) => piece.threads === threads || (threads % piece.threads === 0 && !piece.barriers))
  );
}
