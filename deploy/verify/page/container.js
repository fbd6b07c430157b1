/* A bundle: an uncompressed zip (APPNOTE 4.3) or its unpacked files; bounded, no name twice. */

const LIMITS = new Map([
  ["receipt.json", 48 * 2 ** 20],
  ["receipt.dsse.json", 72 * 2 ** 20],
  ["receipt.p7s", 2 ** 20],
  ["chain.pem", 2 ** 18],
  ["receipt.tlog-proof", 2 ** 18],
]);
const REQUIRED = ["chain.pem", "receipt.dsse.json", "receipt.json", "receipt.p7s"];
const MAX_BUNDLE = 128 * 2 ** 20;
const MAX_ENTRIES = 64;

export const isPart = (name) => LIMITS.has(name) || name === "README.txt" || name === "checkpoint.tsr";

/* The parts by name, from `{zip: Blob}` or `{parts: Map of name to Blob}`. */
export async function openBundle(source) {
  const parts = new Map();
  if (source.zip) {
    if (source.zip.size > MAX_BUNDLE) refuse("too-large", "the bundle is too large");
    for (const [name, bytes] of entries(new Uint8Array(await source.zip.arrayBuffer()))) parts.set(name, bytes);
  } else {
    for (const [name, blob] of source.parts) {
      const limit = LIMITS.get(name);
      if (limit === undefined) continue;
      if (blob.size > limit) refuse("too-large", `${name} is larger than ${limit} bytes`);
      parts.set(name, new Uint8Array(await blob.arrayBuffer()));
    }
  }
  const missing = REQUIRED.filter((name) => !parts.has(name));
  if (missing.length) {
    refuse("bundle-incomplete", `the bundle lacks ${missing.join(", ")}`, "fetch it again from the sender");
  }
  return parts;
}

function damaged(why) {
  refuse("bundle-damaged", `the bundle's zip is damaged: ${why}`, "fetch it again");
}

function* entries(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (data.length < 4 || view.getUint32(0) !== 0x504b0304) {
    refuse("bundle-unreadable", "this is no receipt bundle", "choose a *.receipt.zip or its unpacked files");
  }
  const { count, offset, end } = directory(data, view);
  if (count > MAX_ENTRIES) refuse("too-large", `the bundle has more than ${MAX_ENTRIES} entries`);
  const seen = new Set();
  let at = offset;
  const found = [];
  for (let number = 0; number < count; number++) {
    const entry = central(data, view, at, end);
    if (seen.has(entry.name)) damaged("a name stands twice in it");
    seen.add(entry.name);
    found.push(entry);
    at = entry.next;
  }
  if (at !== end) damaged("its directory is longer than it says");
  for (const entry of found) {
    if (LIMITS.has(entry.name)) yield [entry.name, stored(data, view, entry)];
  }
}

function directory(data, view) {
  // Without a comment the end record is the last 22 bytes: our bundles have none.
  const start = data.length - 22;
  if (start < 0 || view.getUint32(start) !== 0x504b0506 || view.getUint16(start + 20, true)) {
    damaged("it does not end as a zip does");
  }
  const count = view.getUint16(start + 10, true);
  const size = view.getUint32(start + 12, true);
  const offset = view.getUint32(start + 16, true);
  if (view.getUint16(start + 8, true) !== count || offset + size !== start) damaged("its directory is elsewhere");
  return { count, offset, end: start };
}

function central(data, view, at, end) {
  if (at + 46 > end || view.getUint32(at) !== 0x504b0102) damaged("its directory is cut short");
  const lengths = [28, 30, 32].map((field) => view.getUint16(at + field, true));
  const next = at + 46 + lengths.reduce((sum, length) => sum + length, 0);
  if (next > end) damaged("its directory is cut short");
  return {
    name: decoded(data.subarray(at + 46, at + 46 + lengths[0])) ?? damaged("a name is no text"),
    flags: view.getUint16(at + 8, true),
    method: view.getUint16(at + 10, true),
    crc: view.getUint32(at + 16, true),
    packed: view.getUint32(at + 20, true),
    size: view.getUint32(at + 24, true),
    offset: view.getUint32(at + 42, true),
    next,
  };
}

function stored(data, view, entry) {
  const limit = LIMITS.get(entry.name);
  if (entry.method !== 0 || entry.packed !== entry.size) damaged("it is compressed; bundles never are");
  if (entry.size > limit) refuse("too-large", `${entry.name} is larger than ${limit} bytes`);
  const at = entry.offset;
  if (at + 30 > data.length || view.getUint32(at) !== 0x504b0304) damaged("an entry is not where it should be");
  const start = at + 30 + view.getUint16(at + 26, true) + view.getUint16(at + 28, true);
  const name = decoded(data.subarray(at + 30, at + 30 + view.getUint16(at + 26, true)));
  if (name !== entry.name || entry.flags & 1) damaged("an entry is encrypted or has two names");
  const bytes = data.subarray(start, start + entry.size);
  if (bytes.length !== entry.size || crc32(bytes) !== entry.crc) damaged("an entry does not match its checksum");
  return bytes.slice();
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}
