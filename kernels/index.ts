export { type ActivationName, activationNames, activations } from './activation.ts';
export { activate, affineBar, type DenseJetParams, denseJet, type JetAdjointParams } from './dense-jet.ts';
export { doubleSingleLibrary } from './double-single.ts';
export { jetGram } from './gram.ts';
export { qr } from './householder.ts';
export { library } from './library.ts';
export { reorder } from './reorder.ts';
export { type Carried, channelsOf, type JetSlot, secondOf, type Term } from './slots.ts';
