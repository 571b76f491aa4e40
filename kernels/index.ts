export { activate, type DenseJetParams, denseJet, type JetAdjointParams } from './dense-jet.ts';
export { doubleSingleLibrary } from './double-single.ts';
export { jetGram } from './gram.ts';
export { qr } from './householder.ts';
export { library } from './library.ts';
export { reorder } from './reorder.ts';
