type Field = (x: number, y: number) => number;
export function cavity(viscosity: number, n?: number): { u: Field; v: Field };
