/* Reading DICOM files, as little as possible, a slice at a time: PS3.10, 7.1, and the walk of PS3.5, 7. */

const IMPLICIT = "1.2.840.10008.1.2", BIG_ENDIAN = "1.2.840.10008.1.2.2", DEFLATED = "1.2.840.10008.1.2.1.99";
const CHUNK = 2 ** 22, MAX_META = 2 ** 20, MAX_ELEMENTS = 2_000_000, MAX_NESTED = 1024, MAX_INFLATED = 2 ** 31;
const UNDEFINED = 0xffffffff;
const LONG_VRS = new Set(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]);
const ITEM = 0xfffee000, ITEM_END = 0xfffee00d, SEQUENCE_END = 0xfffee0dd, SOP_INSTANCE = 0x00080018;
const PIXELS = new Set([0x7fe00008, 0x7fe00009, 0x7fe00010]);

const unreadable = (why) => refuse("file-unreadable", why);

/* Digest of the data set after the file meta; null for what is no Part 10 file. Never holds a whole file. */
export async function digestFile(blob) {
  const head = await bytesOf(blob, 0, 144);
  if (head.length < 132 || decoded(head.subarray(128, 132)) !== "DICM") return null;
  if (head.length < 144 || !same(head.subarray(132, 140), [2, 0, 0, 0, 0x55, 0x4c, 4, 0])) {
    unreadable("its file meta has no group length");
  }
  const length = new DataView(head.buffer).getUint32(140, true);
  if (length > MAX_META) unreadable("its file meta is too long");
  const meta = await bytesOf(blob, 144, 144 + length);
  if (meta.length !== length) unreadable("it is cut short");
  const offset = 144 + length;
  const values = await metaValues(meta);
  return { sha256: await digest(blob, offset), syntax: values.get(0x00020010) ?? "", metaUid: values.get(0x00020003) ?? "", offset };
}

const bytesOf = async (blob, start, end) => new Uint8Array(await blob.slice(start, end).arrayBuffer());

async function digest(blob, offset) {
  if (blob.size - offset <= CHUNK) return hex(await sha256(await bytesOf(blob, offset, blob.size)));
  const hash = new Sha256();
  for (let at = offset; at < blob.size; at += CHUNK) hash.update(await bytesOf(blob, at, at + CHUNK));
  return hex(hash.digest());
}

async function metaValues(meta) {
  const walk = new Walk(new Blob([meta]), 0, "");
  const values = new Map();
  for (let element; (element = await walk.element()); ) {
    const value = await walk.take(element.length);
    if (element.vr === "UI") values.set(element.tag, uidOf(value));
  }
  return values;
}

const uidOf = (value) => String.fromCharCode(...value).replace(/[\0 ]+$/, "");

/* A file's SOP Instance UID, and the digest of its pixel data, "" without any. */
export async function walkFile(blob, { offset, syntax }) {
  if (syntax !== DEFLATED) return new Walk(blob, offset, syntax).content();
  return new Walk(await inflated(blob.slice(offset)), 0, syntax).content();
}

async function inflated(blob) {
  const reader = blob.stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const parts = [];
  let total = 0;
  try {
    for (let piece; !(piece = await reader.read()).done; ) {
      total += piece.value.length;
      if (total > MAX_INFLATED) unreadable("it inflates to too much");
      parts.push(piece.value);
    }
  } catch (error) {
    // A padding byte behind the stream is how an odd length is made even (PS3.5, A.5): what came before counts.
    if (error instanceof VerificationError) throw error;
    if (!/Trailing|trailing|Junk/.test(error.message)) unreadable("it cannot be read");
  }
  return new Blob(parts);
}

class Walk {
  constructor(blob, offset, syntax) {
    this.blob = blob;
    this.at = offset;
    this.explicit = syntax !== IMPLICIT;
    this.little = syntax !== BIG_ENDIAN;
    this.elements = 0;
    this.window = new Uint8Array();
    this.from = offset;
  }

  async read(length) {
    if (this.at < this.from || this.at + length > this.from + this.window.length) {
      this.window = await bytesOf(this.blob, this.at, this.at + Math.max(length, 65536));
      this.from = this.at;
    }
    const found = this.window.subarray(this.at - this.from, this.at - this.from + length);
    this.at += found.length;
    return found;
  }

  async take(length) {
    const found = await this.read(Math.min(length, MAX_META));
    if (found.length !== length) unreadable("it is cut short");
    return found;
  }

  skip(length) {
    this.at += length;
    if (this.at > this.blob.size) unreadable("it is cut short");
  }

  number(bytes) {
    return (this.little ? [...bytes].reverse() : [...bytes]).reduce((sum, byte) => sum * 256 + byte, 0);
  }

  async element() {
    const head = await this.read(8);
    if (!head.length) return null;
    if (head.length < 8) unreadable("it is cut short");
    if (++this.elements > MAX_ELEMENTS) unreadable("it has too many elements");
    const tag = this.number(head.subarray(0, 2)) * 65536 + this.number(head.subarray(2, 4));
    const vr = String.fromCharCode(head[4], head[5]);
    const [length, short] = [this.number(head.subarray(4, 8)), this.number(head.subarray(6, 8))];
    if (!this.explicit || Math.floor(tag / 65536) === 0xfffe) return { tag, vr: "", length };
    if (LONG_VRS.has(vr)) return { tag, vr, length: this.number(await this.take(4)) };
    return { tag, vr, length: short };
  }

  async content() {
    let uid = "", pixels = "";
    for (let element; (element = await this.element()); ) {
      const { tag, vr, length } = element;
      if (PIXELS.has(tag)) pixels = await this.pixels(length);
      else if (tag === SOP_INSTANCE && length <= 128) uid = uidOf(await this.take(length));
      else if (length === UNDEFINED) await this.nested(vr);
      else this.skip(length);
    }
    return { uid, pixels };
  }

  /* Skips a value of undefined length: sequences, items and encapsulated fragments alike. */
  async nested(vr) {
    const levels = [this.explicit];
    // PS3.5, 6.2.2 note: an undefined-length UN is a sequence in implicit VR little endian.
    this.explicit = this.explicit && vr !== "UN";
    while (levels.length) {
      const element = await this.element();
      if (!element) unreadable("a sequence does not end");
      if (element.tag === ITEM_END || element.tag === SEQUENCE_END) this.explicit = levels.pop();
      else if (element.length === UNDEFINED) {
        if (levels.length === MAX_NESTED) unreadable("it is nested too deeply");
        levels.push(this.explicit);
        this.explicit = this.explicit && element.vr !== "UN";
      } else this.skip(element.length);
    }
  }

  async pixels(length) {
    const hash = new Sha256();
    if (length !== UNDEFINED) {
      await this.feed(hash, length);
      return hex(hash.digest());
    }
    // PS3.5, A.4: the first item is the basic offset table, which is no pixel data.
    for (let first = true, element; (element = await this.element()); first = false) {
      if (element.tag === SEQUENCE_END) return hex(hash.digest());
      if (element.tag !== ITEM) unreadable("its pixel fragments cannot be followed");
      if (first) this.skip(element.length);
      else await this.feed(hash, element.length);
    }
    unreadable("its pixel data does not end");
  }

  async feed(hash, length) {
    for (let left = length; left; ) {
      const piece = await bytesOf(this.blob, this.at, this.at + Math.min(left, CHUNK));
      if (!piece.length) unreadable("it is cut short");
      hash.update(piece);
      this.at += piece.length;
      left -= piece.length;
    }
  }
}
