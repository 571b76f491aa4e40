/** The kernels of this house. To add one: write its file and its line here. */
import type { Library } from '../engine/index.ts';
import { gram } from './gram.ts';
import { jet } from './jet.ts';
import { jetAdjoint } from './jet-adjoint.ts';
import { matmul } from './matmul.ts';
import { qrKernel } from './qr.ts';
import { reorderKernel } from './reorder.ts';

export const library: Library = [jet, jetAdjoint, matmul, qrKernel, reorderKernel, gram];
