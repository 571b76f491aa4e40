/** What the command line says of errors: a remedy for what a user can mend, an internal error for all else. */
import { expect, it } from 'vitest';
import { UserError } from '../../../engine/index.ts';
import { errorText } from '../../../experiments/command/main.ts';
import { DivergenceError } from '../../../experiments/training/recorder.ts';
import { UsageError } from '../../../experiments/training/settings.ts';

it('a mistake is one line with its remedy', () => {
  expect(errorText(new UsageError('--width must be a whole number,\n  not x'))).toBe(
    '--width must be a whole number, not x',
  );
  expect(errorText(new UsageError('no adapter', { remedy: 'run: npm run setup' }))).toBe(
    'no adapter; run: npm run setup',
  );
});

it('anything else is an internal error, and says how to see more', () => {
  const text = errorText(new TypeError("Cannot read properties of undefined (reading 'x')"));
  expect(text).toBe(
    "internal error: Cannot read properties of undefined (reading 'x'); TAPIR_DEBUG=1 shows where; please report it",
  );
  expect(errorText(new RangeError('far'), true)).toBe('internal error: far');
});

it('a run that diverges can be mended, but was not typed wrong', () => {
  const error = new DivergenceError('loss term RT is NaN at epoch 3');
  expect([error instanceof UserError, error.exitCode]).toEqual([true, 1]);
  expect(errorText(error)).toBe('loss term RT is NaN at epoch 3; a smaller --lr may do better');
});
