/* Layer S over the bytes of a bundle: DSSE envelope, detached CMS, the payload in both. */

const PAYLOAD_TYPE = "application/vnd.in-toto+json";
const RECEIPT_PURPOSE = "2.25.214921789135005249558003775022496054785";
const MAX_SIGNATURES = 16, MAX_CERTIFICATES = 16;
const CMS = "signature-cms";

export const isAppliance = (certificate) => Boolean(uses(certificate).purposes?.includes(RECEIPT_PURPOSE));

/* DSSE v1 pre-authentication encoding. */
export function pae(payload) {
  return joined(ascii(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `), payload);
}

/* The signatures hold over these bytes, by whomever they are: claims, the signer, the other certificates. */
export async function checkConsistent(parts) {
  const payload = parts.get("receipt.json");
  const envelope = parseEnvelope(parts.get("receipt.dsse.json"));
  if (!same(envelope.payload, payload)) {
    refuse("payload-differs", "receipt.json is not what the envelope carries: one of them was changed");
  }
  const chain = await parseChain(parts.get("chain.pem"));
  const message = pae(payload);
  const signers = [];
  for (const { keyid, signature } of envelope.signatures) {
    const candidates = chain.get(keyid);
    if (!candidates) continue;
    if (candidates[0].key.curve !== "P-256") refuse("signature", "the signing key is not ECDSA P-256");
    if (!(await ecdsa(candidates[0], signature, message))) {
      refuse("signature", "the signature is not of these bytes: the receipt was changed", "ask for the original");
    }
    signers.push(candidates);
  }
  if (!signers.length) {
    refuse("no-known-signature", "no signature is by a key whose certificate is in chain.pem");
  }
  const appliance = signers.filter((candidates) => candidates.some(isAppliance));
  if (appliance.length !== 1) refuse("signer-role", "not exactly one signature is by an appliance's receipt key");
  await under(CMS, () => checkDetached(parts.get("receipt.p7s"), payload, appliance[0]), "receipt.p7s: ");
  const receipt = await parseClaims(payload);
  const leaf = appliance[0].find(isAppliance);
  const others = [...chain.values()].flat().filter((certificate) => certificate !== leaf);
  return { receipt, leaf, others };
}

function parseEnvelope(bytes) {
  const fields = parseObject(bytes, "the envelope");
  if (fields.payloadType !== PAYLOAD_TYPE) {
    refuse("payload-type", `the envelope's payload type is not ${PAYLOAD_TYPE}`);
  }
  const bad = (what) => refuse("envelope", what);
  const decode = (text) => (typeof text === "string" ? base64(text) : null) ?? bad("a field is not base64");
  const listed = Array.isArray(fields.signatures) ? fields.signatures : bad("the envelope has no signatures");
  const signatures = listed.slice(0, MAX_SIGNATURES + 1).map((item) => {
    if (!isObject(item) || typeof item.keyid !== "string") bad("a signature has no key id");
    return { keyid: item.keyid, signature: decode(item.sig) };
  });
  const keyids = new Set(signatures.map(({ keyid }) => keyid));
  if (!signatures.length || signatures.length > MAX_SIGNATURES || keyids.size !== signatures.length) {
    bad("the envelope has no signature, too many, or two by one key");
  }
  return { payload: decode(fields.payload), signatures };
}

/* The certificates by key id: candidates, never anchors. */
async function parseChain(bytes) {
  const certificates = await parsePem(bytes, "chain-certificates", "chain.pem");
  if (certificates.length > MAX_CERTIFICATES) refuse("chain-certificates", "chain.pem has too many certificates");
  return Map.groupBy(certificates, ({ keyid }) => keyid);
}

/* RFC 5652, 5: one SignedData with absent content and one signer, who is the one of the envelope. */
async function checkDetached(bytes, payload, certificates) {
  const parts = children(body(signedData(bytes), SEQUENCE, CMS), CMS);
  if (parts.length < 4) refuse(CMS, "it is cut short");
  const content = children(body(parts[2], SEQUENCE, CMS), CMS);
  if (content.length !== 1 || oid(content[0]) !== "1.2.840.113549.1.7.1") refuse(CMS, "it carries content of its own");
  const [signer] = exactly(children(body(parts.at(-1), SET, CMS), CMS), 1, CMS);
  const fields = children(body(signer, SEQUENCE, CMS), CMS);
  if (fields.length !== 6 || fields[3].tag !== 0xa0) refuse(CMS, "its signer has no signed attributes");
  const [issuer, serial] = exactly(children(body(fields[1], SEQUENCE, CMS), CMS), 2, CMS);
  const [digest] = children(body(fields[2], SEQUENCE, CMS), CMS);
  const [algorithm] = children(body(fields[4], SEQUENCE, CMS), CMS);
  if (oid(digest) !== "2.16.840.1.101.3.4.2.1" || oid(algorithm) !== "1.2.840.10045.4.3.2") {
    refuse(CMS, "its algorithms are not SHA-256 and ECDSA");
  }
  const number = body(serial, INTEGER, CMS);
  const matching = certificates.find((one) => same(one.serial, number) && same(one.issuer, issuer.whole));
  if (!matching) refuse(CMS, "it is by another signer than the envelope");
  await checkAttributes(fields[3].value, payload);
  // 5.4: signed is the SET OF itself, so its implicit tag [0] becomes SET again.
  const message = joined([SET], fields[3].whole.subarray(1));
  if (!(await ecdsa(matching, body(fields[5], OCTETS, CMS), message))) refuse(CMS, "its signature is not of these bytes");
}

const oid = (element) => dotted(body(element, OID, CMS));

function signedData(bytes) {
  const [info] = exactly(children(bytes, CMS), 1, CMS);
  const [kind, wrapped] = exactly(children(body(info, SEQUENCE, CMS), CMS), 2, CMS);
  if (oid(kind) !== "1.2.840.113549.1.7.2") refuse(CMS, "it is no SignedData");
  return exactly(children(body(wrapped, 0xa0, CMS), CMS), 1, CMS)[0];
}

async function checkAttributes(list, payload) {
  const found = new Map();
  for (const attribute of children(list, CMS)) {
    const [kind, values] = exactly(children(body(attribute, SEQUENCE, CMS), CMS), 2, CMS);
    if (found.has(oid(kind))) refuse(CMS, "an attribute stands twice");
    found.set(oid(kind), body(values, SET, CMS));
  }
  const type = children(found.get("1.2.840.113549.1.9.3") ?? new Uint8Array(), CMS);
  if (type.length !== 1 || oid(type[0]) !== "1.2.840.113549.1.7.1") refuse(CMS, "its content type is not data");
  const expected = joined([OCTETS, 32], await sha256(payload));
  if (!same(found.get("1.2.840.113549.1.9.4") ?? [], expected)) refuse(CMS, "it signs other bytes than receipt.json");
}
