/**
 * A mistake that whoever made it can mend: the message says in one line what was wrong, `remedy` what to do instead where
 * the message does not say so already. The command line prints both and ends with `exitCode`; anything else that is
 * thrown there is an internal error.
 */
export abstract class UserError extends Error {
  readonly exitCode: number = 2;
  readonly remedy: string | undefined;
  constructor(message: string, { remedy, cause }: { remedy?: string; cause?: unknown } = {}) {
    super(message, cause === undefined ? {} : { cause });
    this.remedy = remedy;
  }
}

/** A tape that is put together wrongly: values of several tapes, names that collide, lists that do not match. */
export class TapeError extends UserError {
  override readonly name = 'TapeError';
}
