export { activate, type DenseJetParams, denseJet, type JetAdjointParams } from './dense-jet.ts';
export { doubleSingleLibrary } from './double-single.ts';
export { jetGram } from './gram.ts';
export { library } from './library.ts';
export { qr } from './qr.ts';
export { reorder } from './reorder.ts';
