export function burgers(nu: number, x: number, t: number, nodes?: number): number;
