/** Which pieces of work share a dispatch. */
import { BYTES } from './grids.ts';
import type { Capabilities } from './kernel.ts';
import { bindingsOf, type Draft, draftOf, kindOf, ownCode, type Piece, sharedOf, threadsOf } from './shader.ts';
import { strategyFor } from './software.ts';

/** Pieces that share a dispatch: code chooses between those of one kind by nested selections. */
const MOST_PIECES = 64;
/** Dispatches that are still looked at for room, so that the time to pack a step is linear in its bundles. */
const OPEN = 32;

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
  const shared: Shared[] = [];
  const alone: (readonly Piece[])[] = [];
  for (const bundle of bundles.toSorted((a, b) => charactersOf(b) - charactersOf(a))) {
    if (!fits(bundle, device)) alone.push(...bundle.map((piece) => [piece]));
    else if (apart(bundle)) alone.push(bundle);
    else if (!shared.slice(-OPEN).some((dispatch) => dispatch.take(bundle, device, longest)))
      shared.push(new Shared(bundle));
  }
  return [...alone, ...shared.map(({ pieces }) => pieces)].map((pieces) => draftOf(pieces, device.immediates));
}

/** Pieces that share a dispatch, and what they need together. */
class Shared {
  readonly pieces: Piece[] = [];
  readonly #roots = new Set<number>();
  readonly #kinds = new Set<string>();
  /** Pieces that tell all there is of threads and workgroup memory. */
  readonly #samples = new Map<string, Piece>();
  #characters = 0;

  constructor(bundle: readonly Piece[]) {
    this.#add(bundle);
  }

  /** Takes a bundle in, if there is room for it. */
  take(bundle: readonly Piece[], device: Capabilities, longest: number): boolean {
    if (this.pieces.length + bundle.length > MOST_PIECES) return false;
    const roots = new Set(bundle.flatMap(({ bound }) => bound.map(({ root }) => root)));
    let bound = this.#roots.size;
    for (const root of roots) if (!this.#roots.has(root)) bound++;
    if (bound > device.maxStorageBuffers) return false;
    const more = bundle.filter((piece) => !this.#kinds.has(kindOf(piece)));
    if (more.length > 0) {
      if (this.#characters + charactersOf(more) > longest) return false;
      if (!runs([...this.#samples.values(), ...more], device)) return false;
    }
    this.#add(bundle);
    return true;
  }

  #add(bundle: readonly Piece[]): void {
    for (const piece of bundle) {
      this.pieces.push(piece);
      for (const { root } of piece.bound) this.#roots.add(root);
      if (this.#kinds.has(kindOf(piece))) continue;
      this.#kinds.add(kindOf(piece));
      this.#characters += ownCode(piece).characters;
      this.#samples.set(JSON.stringify([piece.threads, piece.barriers, piece.shared]), piece);
    }
  }
}

/** Characters of code, that of each kind once. */
function charactersOf(pieces: readonly Piece[]): number {
  const codes = new Map(pieces.map((piece) => [kindOf(piece), ownCode(piece).characters]));
  return [...codes.values()].reduce((sum, characters) => sum + characters, 0);
}

/** Whether pieces fit one dispatch. */
function fits(pieces: readonly Piece[], device: Capabilities): boolean {
  return bindingsOf(pieces).length <= device.maxStorageBuffers && runs(pieces, device);
}

/** Whether one workgroup can run any of the pieces: memory, and threads of one number or parts of it. */
function runs(pieces: readonly Piece[], { workgroupMemory }: Capabilities): boolean {
  const threads = threadsOf(pieces);
  const memory = sharedOf(pieces).reduce((sum, { of, length }) => sum + length * BYTES[of], 0);
  return (
    memory <= workgroupMemory &&
    pieces.every((piece) => piece.threads === threads || (threads % piece.threads === 0 && !piece.barriers))
  );
}
