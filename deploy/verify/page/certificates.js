/* Certificates (RFC 5280): reading them, and checking a signature by the key in one. */

const CURVES = new Map([
  ["1.2.840.10045.3.1.7", ["P-256", 32]],
  ["1.3.132.0.34", ["P-384", 48]],
  ["1.3.132.0.35", ["P-521", 66]],
]);
const ECDSA = new Map([
  ["1.2.840.10045.4.3.2", "SHA-256"],
  ["1.2.840.10045.4.3.3", "SHA-384"],
  ["1.2.840.10045.4.3.4", "SHA-512"],
]);
const RSA = new Map([
  ["1.2.840.113549.1.1.11", "SHA-256"],
  ["1.2.840.113549.1.1.12", "SHA-384"],
  ["1.2.840.113549.1.1.13", "SHA-512"],
]);
const EC_KEY = "1.2.840.10045.2.1";
const [SUBJECT_KEY, KEY_USAGE, CONSTRAINTS, PURPOSES] = ["2.5.29.14", "2.5.29.15", "2.5.29.19", "2.5.29.37"];
const KNOWN_EXTENSIONS = new Set([SUBJECT_KEY, KEY_USAGE, CONSTRAINTS, PURPOSES, "2.5.29.35", "2.5.29.17"]);
const ORGANISATION = "2.5.4.10", COMMON_NAME = "2.5.4.3";

/* All certificates of a PEM text (RFC 7468); refuses with `code`. */
export async function parsePem(bytes, code, what) {
  const text = decoded(bytes) ?? "";
  const found = [];
  for (const [, label, inner] of text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g)) {
    if (label !== "CERTIFICATE" && label !== "X509 CERTIFICATE") continue;
    const der = base64(inner.replace(/[ \t\r\n]/g, ""));
    if (der === null) refuse(code, `${what} is not a list of certificates`);
    found.push(await under(code, () => parseCertificate(der, code), `${what}: `));
  }
  if (!found.length) refuse(code, `${what} is not a list of certificates`);
  return found;
}

async function parseCertificate(der, code) {
  const [outer] = exactly(children(der, code), 1, code);
  const [tbs, algorithm, signature] = exactly(children(body(outer, SEQUENCE, code), code), 3, code);
  const fields = children(body(tbs, SEQUENCE, code), code);
  if (fields[0]?.tag !== 0xa0 || !same(fields[0].value, [INTEGER, 1, 2])) refuse(code, "it is of no known version");
  const [, serial, inner, issuer, validity, subject, spki, ...rest] = fields;
  if (!spki || !same(inner.whole, algorithm.whole)) refuse(code, "its structure is not as expected");
  const [begin, end] = exactly(children(body(validity, SEQUENCE, code), code), 2, code);
  const bits = body(signature, BITS, code);
  if (bits[0] !== 0) refuse(code, "its signature is no whole number of bytes");
  return {
    der,
    tbs: tbs.whole,
    algorithm: algorithm.whole,
    signature: bits.subarray(1),
    serial: body(serial, INTEGER, code),
    issuer: issuer.whole,
    subject: subject.whole,
    names: names(subject, code),
    begin: time(begin, code),
    end: time(end, code),
    spki: spki.whole,
    key: publicKey(spki, code),
    keyid: hex(await sha256(spki.whole)),
    extensions: extensions(rest, code),
  };
}

/* Values of organisation and common name: lists, because one may stand more than once. */
function names(subject, code) {
  const found = { organisation: [], common: [] };
  for (const set of children(body(subject, SEQUENCE, code), code)) {
    for (const attribute of children(body(set, SET, code), code)) {
      const [kind, value] = exactly(children(body(attribute, SEQUENCE, code), code), 2, code);
      const name = dotted(body(kind, OID, code));
      const text = decoded(value.value);
      if (text === null) refuse(code, "a name in it is no text");
      if (name === ORGANISATION) found.organisation.push(text);
      if (name === COMMON_NAME) found.common.push(text);
    }
  }
  return found;
}

function time(element, code) {
  const text = decoded(element.value) ?? "";
  const found = /^(\d\d|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (!found || ![0x17, 0x18].includes(element.tag) || (found[1].length === 2) !== (element.tag === 0x17)) {
    refuse(code, "a time in it is none");
  }
  const [year, month, day, hour, minute, second] = found.slice(1).map(Number);
  const full = element.tag === 0x17 ? year + (year < 50 ? 2000 : 1900) : year;
  const moment = new Date(Date.UTC(full, month - 1, day, hour, minute, second));
  if (moment.getUTCMonth() !== month - 1 || moment.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59) {
    refuse(code, "a time in it is none");
  }
  return moment;
}

function publicKey(spki, code) {
  const [algorithm, bits] = exactly(children(body(spki, SEQUENCE, code), code), 2, code);
  const [kind, parameters] = children(body(algorithm, SEQUENCE, code), code);
  body(bits, BITS, code);
  if (dotted(body(kind, OID, code)) !== EC_KEY) return { curve: null };
  const [curve, size] = CURVES.get(parameters?.tag === OID ? dotted(parameters.value) : "") ?? [null, 0];
  return { curve, size };
}

function extensions(rest, code) {
  const found = new Map();
  const wrapped = rest.find((element) => element.tag === 0xa3);
  if (!wrapped) return found;
  const [list] = exactly(children(wrapped.value, code), 1, code);
  for (const extension of children(body(list, SEQUENCE, code), code)) {
    const parts = children(body(extension, SEQUENCE, code), code);
    const kind = dotted(body(parts[0], OID, code));
    const critical = parts.length === 3 && parts[1].tag === 1 && parts[1].value[0] === 0xff;
    if (found.has(kind) || parts.length < 2 || parts.length > 3 || (parts.length === 3 && !critical)) {
      refuse(code, "an extension in it stands twice or is malformed");
    }
    found.set(kind, { critical, value: body(parts.at(-1), OCTETS, code) });
  }
  return found;
}

/* What the extensions say; null for one that is absent or cannot be read. */
export function uses(certificate) {
  const read = (kind, parse) => {
    const extension = certificate.extensions.get(kind);
    if (!extension) return null;
    try {
      return parse(exactly(children(extension.value, "certificate"), 1, "certificate")[0]);
    } catch (error) {
      if (error instanceof VerificationError) return null;
      throw error;
    }
  };
  return {
    purposes: read(PURPOSES, (list) =>
      children(body(list, SEQUENCE, "certificate"), "certificate").map((one) => dotted(body(one, OID, "certificate")))),
    usage: read(KEY_USAGE, (bits) => {
      const value = body(bits, BITS, "certificate");
      return { signs: Boolean(value[1] & 0x80), certifies: Boolean(value[1] & 0x04) };
    }),
    constraints: read(CONSTRAINTS, (list) => {
      const parts = children(body(list, SEQUENCE, "certificate"), "certificate");
      const ca = parts[0]?.tag === 1 && parts[0].value[0] === 0xff;
      const depth = parts.find((part) => part.tag === INTEGER);
      return { ca, depth: depth ? Number(big(depth.value)) : Infinity };
    }),
    unknownCritical: [...certificate.extensions].some(([kind, { critical }]) => critical && !KNOWN_EXTENSIONS.has(kind)),
  };
}

/* Whether `issuer`'s key signed `certificate`. */
export async function issued(certificate, issuer) {
  const [kind, parameters] = children(exactly(children(certificate.algorithm, "certificate"), 1, "certificate")[0].value, "certificate");
  const name = dotted(kind.value);
  const hash = ECDSA.get(name) ?? RSA.get(name);
  if (!hash) return false;
  if (ECDSA.has(name)) return !parameters && (await ecdsa(issuer, certificate.signature, certificate.tbs, hash));
  if (issuer.key.curve !== null || parameters?.tag !== 5) return false;
  try {
    const algorithm = { name: "RSASSA-PKCS1-v1_5", hash };
    const key = await crypto.subtle.importKey("spki", issuer.spki, algorithm, false, ["verify"]);
    return key.algorithm.modulusLength >= 2048
      && (await crypto.subtle.verify(algorithm, key, certificate.signature, certificate.tbs));
  } catch {
    return false;
  }
}

/* ECDSA with a DER signature. */
export async function ecdsa(certificate, signature, message, hash = "SHA-256") {
  const { curve, size } = certificate.key;
  const raw = curve === null ? null : p1363(signature, size);
  if (raw === null) return false;
  try {
    const key = await crypto.subtle.importKey(
      "spki", certificate.spki, { name: "ECDSA", namedCurve: curve }, false, ["verify"]);
    return await crypto.subtle.verify({ name: "ECDSA", hash }, key, raw, message);
  } catch {
    return false;
  }
}

/* DER `SEQUENCE { r, s }` as the two fixed-width numbers that WebCrypto takes; null when it is none. */
function p1363(signature, size) {
  try {
    const [outer] = exactly(children(signature, "signature"), 1, "signature");
    const numbers = exactly(children(body(outer, SEQUENCE, "signature"), "signature"), 2, "signature");
    return joined(...numbers.map((number) => fixed(body(number, INTEGER, "signature"), size)));
  } catch (error) {
    if (error instanceof VerificationError) return null;
    throw error;
  }
}

function fixed(value, size) {
  if (!value.length || value[0] & 0x80 || (value.length > 1 && !value[0] && !(value[1] & 0x80))) {
    refuse("signature", "a number in it is not DER");
  }
  const short = value[0] ? value : value.subarray(1);
  if (short.length > size) refuse("signature", "a number in it is too large");
  return joined(new Uint8Array(size - short.length), short);
}
