export function pellet(phi: number, beta: number, gamma: number, N?: number): (x: number) => number;
