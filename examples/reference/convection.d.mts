type Field = (x: number, y: number) => number;
export function convection(Ra: number, Pr: number, N?: number): { u: Field; v: Field; p: Field; T: Field };
