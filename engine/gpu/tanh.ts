export const TANH_WGSL = `fn tapir_tanh(x: f32) -> f32 { return tanh(x); }
`;
