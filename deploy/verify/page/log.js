/* Layer L: the receipt's leaf is in a log whose key the trust box names (C2SP tlog-proof, signed-note; RFC 9162). */

const ED25519 = 1, MLDSA44 = 6;
const KEY_BYTES = new Map([[ED25519, 32], [MLDSA44, 1312]]);
const MAX_LEAF = 65535, MAX_PATH = 63, MAX_NOTE_LINES = 64;

/* Lines of a *.vkey file: `name+keyid+base64(type ‖ key)`. */
export async function logKeys(bytes) {
  const bad = () => refuse("trust-unreadable", "a *.vkey file holds no verifier key");
  const keys = [];
  for (const line of (decoded(bytes) ?? bad()).split(/\r?\n/).filter(Boolean)) {
    const [name, id, ...rest] = line.split("+");
    const data = base64(rest.join("+"));
    if (!name || /\s/.test(name) || !data?.length || !/^[0-9a-f]{8}$/i.test(id ?? "")) bad();
    if (id.toLowerCase() !== hex((await sha256(joined(utf8(name), [10], data))).subarray(0, 4))) bad();
    if ((KEY_BYTES.get(data[0]) ?? data.length - 1) !== data.length - 1) bad();
    keys.push({ name, id: id.toLowerCase(), kind: data[0], key: data.subarray(1) });
  }
  return keys;
}

/* Whether this browser can check a log's own signature. */
export async function knowsEd25519() {
  try {
    await crypto.subtle.importKey("raw", new Uint8Array(32), "Ed25519", false, ["verify"]);
    return true;
  } catch {
    return false;
  }
}

/* Refuses with `log-proof`, `log-leaf`, `log-signature`. */
export async function checkLogged(bytes, receipt, signer, keys) {
  const proof = parseProof(bytes);
  checkLeaf(proof, receipt, signer);
  const root = await walkUp(await sha256(joined([0], proof.leaf)), proof);
  if (!root || !same(root, proof.root)) {
    refuse("log-proof", "the log's proof does not lead to the root that it names", "ask for the original");
  }
  await checkNote(proof, keys);
}

function parseProof(bytes) {
  const bad = () => refuse("log-proof", "receipt.tlog-proof is no proof of a log");
  const text = decoded(bytes) ?? bad();
  const split = text.indexOf("\n\n");
  const note = text.slice(split + 2);
  const end = note.lastIndexOf("\n\n");
  if (split < 0 || end < 0 || !note.endsWith("\n")) bad();
  const [magic, extra, index, ...path] = text.slice(0, split).split("\n");
  const [origin, size, root] = note.slice(0, end).split("\n");
  const lines = note.slice(end + 2, -1).split("\n");
  if (magic !== "c2sp.org/tlog-proof@v1" || !extra?.startsWith("extra ") || !index?.startsWith("index ")) bad();
  if (!origin || /\s/.test(origin) || path.length > MAX_PATH || lines.length > MAX_NOTE_LINES) bad();
  if (/[\0-\t\v-\x1f]/.test(note)) bad();
  const number = (digits) => (/^(0|[1-9][0-9]{0,18})$/.test(digits ?? "") ? BigInt(digits) : bad());
  const hash = (line) => {
    const data = base64(line ?? "*");
    return data?.length === 32 ? data : bad();
  };
  const proof = {
    leaf: base64(extra.slice(6)) ?? bad(),
    index: number(index.slice(6)),
    path: path.map(hash),
    text: note.slice(0, end + 1),
    origin,
    size: number(size),
    root: hash(root),
    signatures: lines.map((line) => signatureLine(line) ?? bad()),
  };
  if (proof.leaf.length > MAX_LEAF || proof.index >= proof.size) bad();
  return proof;
}

function signatureLine(line) {
  const found = /^\u2014 ([^ +]+) ([^ ]+)$/.exec(line);
  const data = found && base64(found[2]);
  return data && data.length >= 5 ? { name: found[1], id: hex(data.subarray(0, 4)), signature: data.subarray(4) } : null;
}

function checkLeaf(proof, receipt, signer) {
  let fields;
  try {
    fields = parseObject(proof.leaf, "the leaf");
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    refuse("log-leaf", "the leaf is not canonical JSON");
  }
  if (!same(utf8(canonical(fields)), proof.leaf)) refuse("log-leaf", "the leaf is not canonical JSON");
  if (fields.kind !== "receipt.issued" || typeof fields.seq !== "number" || BigInt(fields.seq) !== proof.index) {
    refuse("log-leaf", "the leaf is none of an issued receipt");
  }
  const { receiptId, edition, stage, paeSha256 } = receipt;
  const expected = { receipt: receiptId, edition, stage, paeSha256, signer };
  if (!isObject(fields.obj) || Object.entries(expected).some(([name, value]) => fields.obj[name] !== value)) {
    refuse("log-leaf", "the leaf is of another receipt, edition or signer", "ask for the original");
  }
}

/* RFC 9162, 2.1.3.2; null when the path has not the length that index and size ask for. */
async function walkUp(current, { index, size, path }) {
  let [first, last] = [index, size - 1n];
  for (const sibling of path) {
    if (last === 0n) return null;
    if (first & 1n || first === last) {
      current = await sha256(joined([1], sibling, current));
      while (first && !(first & 1n)) [first, last] = [first >> 1n, last >> 1n];
    } else current = await sha256(joined([1], current, sibling));
    [first, last] = [first >> 1n, last >> 1n];
  }
  return last === 0n ? current : null;
}

async function checkNote(proof, keys) {
  let signed = false;
  for (const { name, id, signature } of proof.signatures) {
    const key = keys.find((one) => one.name === name && one.id === id && KEY_BYTES.has(one.kind));
    if (!key) continue;
    const holds = key.kind === ED25519 ? await ed25519(key, signature, proof) : cosigned(key, signature, proof);
    if (!holds) refuse("log-signature", "a known key's signature is not of this checkpoint: it was changed");
    signed ||= key.kind === ED25519 && name === proof.origin;
  }
  if (!signed) {
    refuse("log-signature", "no log key in the trust folder signed the checkpoint",
      "put the sending site's *.vkey into the trust box, compared by telephone");
  }
}

async function ed25519({ key }, signature, { text }) {
  const imported = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", imported, signature, utf8(text));
}

/* C2SP tlog-cosignature: a timestamp, then the signature over the subtree from leaf 0. */
function cosigned({ name, key }, signature, { origin, size, root }) {
  const [cosigner, log] = [utf8(name), utf8(origin)];
  if (cosigner.length > 255 || log.length > 255 || signature.length < 8) return false;
  const numbers = new Uint8Array(16);
  new DataView(numbers.buffer).setBigUint64(8, size);
  const message = joined(
    ascii("subtree/v1\n\0"), [cosigner.length], cosigner, signature.subarray(0, 8), [log.length], log, numbers, root);
  return mldsa44(key, message, signature.subarray(8));
}
