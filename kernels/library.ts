/** The kernels of this house. To add one: write its file and its line here. */
import type { Library } from '../engine/index.ts';
import { jet } from './jet.ts';
import { jetAdjoint } from './jet-adjoint.ts';
import { matmul } from './matmul.ts';
import { qrKernel } from './qr.ts';

export const library: Library = [jet, jetAdjoint, matmul, qrKernel];
