import { UserError } from '../../engine/index.ts';

/** Something a user typed that cannot be right; the message says what would be. Ends the process with 2. */
export class UsageError extends UserError {
  override readonly name = 'UsageError';
}

/** `boundaryWeight` as it is typed: `boundary-weight`. */
export const dashed = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
