export function allenCahn(d: number, modes?: number, step?: number): (x: number, t: number) => number;
