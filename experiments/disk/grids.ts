/** Columns of numbers at points as files of other programs: CSV, NumPy's .npy, VTK's .vti and .vtu. */
export type Columns = Readonly<Record<string, Float64Array>>;

export interface Table {
  /** Coordinates, then values; all of one length. */
  readonly coordinates: Columns;
  readonly values: Columns;
  /** Points along each coordinate, the last running fastest, where they are a regular grid. */
  readonly grid?: readonly number[];
}

const lengthOf = ({ coordinates }: Table) => Object.values(coordinates)[0]!.length;

/** A line of names, then a line for each point. */
export function csvText({ coordinates, values }: Table): string {
  const all = { ...coordinates, ...values };
  const columns = Object.values(all);
  const rows = Array.from(columns[0]!, (_, k) => columns.map((column) => column[k]).join(','));
  return [Object.keys(all).join(','), ...rows, ''].join('\n');
}

/** An array [points, columns] of float64, in NumPy's format 1.0. */
export function npyBytes({ coordinates, values }: Table): Uint8Array {
  const columns = [...Object.values(coordinates), ...Object.values(values)];
  const count = columns[0]!.length;
  const head = `{'descr': '<f8', 'fortran_order': False, 'shape': (${count}, ${columns.length}), }`;
  const padded = `${head.padEnd(Math.ceil((10 + head.length + 1) / 64) * 64 - 11)}\n`;
  const bytes = new Uint8Array(10 + padded.length + 8 * count * columns.length);
  bytes.set([0x93, ...Buffer.from('NUMPY'), 1, 0, padded.length & 255, padded.length >> 8]);
  bytes.set(Buffer.from(padded, 'latin1'), 10);
  const view = new DataView(bytes.buffer, 10 + padded.length);
  columns.forEach((column, c) => {
    column.forEach((value, k) => {
      view.setFloat64(8 * (k * columns.length + c), value, true);
    });
  });
  return bytes;
}

const array = (name: string, data: ArrayLike<number>, type = 'Float64', components = 1) =>
  `<DataArray type="${type}" Name="${name}" NumberOfComponents="${components}" format="ascii">${Array.from(data).join(' ')}</DataArray>`;

const file = (type: string, body: string) =>
  `<?xml version="1.0"?>\n<VTKFile type="${type}" version="1.0" byte_order="LittleEndian">\n${body}\n</VTKFile>\n`;

/** A regular grid as VTK's ImageData, whose first coordinate runs fastest. */
export function vtiText(table: Table & { readonly grid: readonly number[] }): string {
  const { coordinates, values, grid } = table;
  const [nx, ny = 1, nz = 1] = grid as [number, number?, number?];
  const sides = Object.values(coordinates).map((column, d) => {
    const [low, high] = [column[0]!, column.at(-1)!];
    return { low, spacing: grid[d]! > 1 ? (high - low) / (grid[d]! - 1) : 1 };
  });
  const three = (of: readonly number[], rest: number) => [0, 1, 2].map((d) => of[d] ?? rest).join(' ');
  const order = Array.from({ length: nx * ny * nz }, (_, k) => {
    const [i, j, l] = [k % nx, Math.floor(k / nx) % ny, Math.floor(k / (nx * ny))];
    return (i * ny + j) * nz + l;
  });
  const extent = `0 ${nx - 1} 0 ${ny - 1} 0 ${nz - 1}`;
  const data = Object.entries(values).map(([name, column]) =>
    array(
      name,
      order.map((k) => column[k]!),
    ),
  );
  const origin = three(
    sides.map(({ low }) => low),
    0,
  );
  const spacing = three(
    sides.map((side) => side.spacing),
    1,
  );
  return file(
    'ImageData',
    `<ImageData WholeExtent="${extent}" Origin="${origin}" Spacing="${spacing}"><Piece Extent="${extent}">
<PointData>${data.join('\n')}</PointData></Piece></ImageData>`,
  );
}

/** Points as VTK's UnstructuredGrid, a vertex each. */
export function vtuText(table: Table): string {
  const { coordinates, values } = table;
  const count = lengthOf(table);
  const columns = Object.values(coordinates);
  const places = Array.from({ length: 3 * count }, (_, k) => columns[k % 3]?.[Math.floor(k / 3)] ?? 0);
  const each = (value: (k: number) => number) => Array.from({ length: count }, (_, k) => value(k));
  return file(
    'UnstructuredGrid',
    `<UnstructuredGrid><Piece NumberOfPoints="${count}" NumberOfCells="${count}">
<Points>${array('points', places, 'Float64', 3)}</Points>
<Cells>${[
      array(
        'connectivity',
        each((k) => k),
        'Int64',
      ),
      array(
        'offsets',
        each((k) => k + 1),
        'Int64',
      ),
      array(
        'types',
        each(() => 1),
        'UInt8',
      ),
    ].join('\n')}</Cells>
<PointData>${Object.entries(values)
      .map(([name, column]) => array(name, column))
      .join('\n')}</PointData></Piece></UnstructuredGrid>`,
  );
}
