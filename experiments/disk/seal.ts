/** Safetensors files that tell when a bit of them has changed: their metadata holds a checksum of all the rest. */
import { crc32c } from './crc32c.ts';
import { encodeSafetensors, SafetensorsError, type SafetensorsFile } from './safetensors-bytes.ts';

const KEY = 'crc32c';

const checksum = (contents: SafetensorsFile) => crc32c(encodeSafetensors(contents)).toString(16).padStart(8, '0');

export function encodeSealed({ tensors, metadata }: SafetensorsFile): Uint8Array<ArrayBuffer> {
  return encodeSafetensors({ tensors, metadata: { ...metadata, [KEY]: checksum({ tensors, metadata }) } });
}

/**
 * Contents without the checksum. Throws {@link SafetensorsError}, naming `file`, where they are not what was written, or
 * there is metadata by another name than `keys`; files of earlier versions have no checksum, and are taken as they are.
 */
export function unsealed(
  { tensors, metadata }: SafetensorsFile,
  file: string,
  keys: readonly string[],
): SafetensorsFile {
  const { [KEY]: written, ...rest } = metadata;
  const contents = { tensors, metadata: rest };
  if (Object.keys(rest).some((key) => !keys.includes(key)))
    throw new SafetensorsError(`${file}: its header names what is not known: it is damaged`);
  if (written !== undefined && written !== checksum(contents))
    throw new SafetensorsError(`${file}: its checksum does not match: it is damaged`);
  return contents;
}
