/** A strict reader of TensorBoard's event files that shares no code with their writer: TFRecord and protocol buffers by their definitions. */

/** CRC-32C bit by bit, from its polynomial. */
function crc(bytes: Uint8Array): number {
  let rest = 0xffffffff;
  for (const byte of bytes)
    for (let bit = 0; bit < 8; bit++) {
      const out = (rest ^ (byte >> bit)) & 1;
      rest = (rest >>> 1) ^ (out ? 0x82f63b78 : 0);
    }
  return ~rest >>> 0;
}

const masked = (bytes: Uint8Array) => {
  const own = BigInt(crc(bytes));
  return Number((((own >> 15n) | (own << 17n)) + 0xa282ead8n) & 0xffffffffn);
};

type Field = number | Uint8Array;

/** Fields of a message in order; throws where bytes are left over or a wire type is not one of those in use. */
function fieldsOf(bytes: Uint8Array): [field: number, value: Field][] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = () => {
    let [value, shift] = [0n, 0n];
    for (;;) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error('a number ends early');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(value);
      shift += 7n;
    }
  };
  const fields: [number, Field][] = [];
  while (at < bytes.length) {
    const key = varint();
    const field = key >> 3;
    switch (key & 7) {
      case 0:
        fields.push([field, varint()]);
        break;
      case 1:
        fields.push([field, view.getFloat64(at, true)]);
        at += 8;
        break;
      case 2: {
        const size = varint();
        if (at + size > bytes.length) throw new Error('a field ends early');
        fields.push([field, bytes.subarray(at, at + size)]);
        at += size;
        break;
      }
      case 5:
        fields.push([field, view.getFloat32(at, true)]);
        at += 4;
        break;
      default:
        throw new Error(`wire type ${key & 7}`);
    }
  }
  return fields;
}

export interface ReadEvent {
  readonly wallTime: number;
  readonly step: number;
  readonly version?: string;
  readonly scalars: Readonly<Record<string, number>>;
}

const text = (value: Field | undefined) => new TextDecoder('utf-8', { fatal: true }).decode(value as Uint8Array);

/** Every event of a file. Throws where a length or a checksum is wrong. */
export function eventsIn(bytes: Uint8Array): ReadEvent[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const events: ReadEvent[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = Number(view.getBigUint64(at, true));
    const data = bytes.subarray(at + 12, at + 12 + size);
    if (data.length !== size) throw new Error('a record ends early');
    if (view.getUint32(at + 8, true) !== masked(bytes.subarray(at, at + 8))) throw new Error('checksum of a length');
    if (view.getUint32(at + 12 + size, true) !== masked(data)) throw new Error('checksum of a record');
    at += size + 16;
    const fields = fieldsOf(data);
    const one = (field: number) => fields.find(([own]) => own === field)?.[1];
    const values = fields
      .filter(([field]) => field === 5)
      .flatMap(([, summary]) =>
        fieldsOf(summary as Uint8Array).map(([, value]) => new Map(fieldsOf(value as Uint8Array))),
      );
    events.push({
      wallTime: one(1) as number,
      step: (one(2) ?? 0) as number,
      ...(one(3) === undefined ? {} : { version: text(one(3)) }),
      scalars: Object.fromEntries(values.map((value) => [text(value.get(1)), value.get(2) as number])),
    });
  }
  return events;
}
