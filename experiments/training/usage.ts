import { UserError } from '../../engine/index.ts';

/** Something a user typed that cannot be right; the message says what would be. Ends the process with 2. */
export class UsageError extends UserError {
  override readonly name = 'UsageError';
}
