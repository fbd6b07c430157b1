/* Whom the person trusts: the files of the trust box, and nothing that came with a receipt. */

const MAX_DEPTH = 4;
const CLOCK_SKEW = 3600_000;

const unreadable = (what) => refuse("trust-unreadable", `in the trust folder: ${what}`, "take it out, or correct it");

/* From a Map of file names to bytes. Nothing is skipped: a damaged file is no trust at all. */
export async function parseTrust(files) {
  const trust = { authorities: [], revoked: new Set(), level: 0, logKeys: [] };
  for (const [name, bytes] of [...files].sort()) {
    if (name.endsWith(".pem")) trust.authorities.push(...(await authorities(name, bytes)));
    else if (name.endsWith(".vkey")) trust.logKeys.push(...(await logKeys(bytes)));
    else if (name === "revoked.json") trust.revoked = revoked(await under("trust-unreadable", () => parseObject(bytes, name)));
    else if (name === "policy") trust.level = level(await under("trust-unreadable", () => parseObject(bytes, name)));
  }
  return trust;
}

async function authorities(name, bytes) {
  const found = await parsePem(bytes, "trust-unreadable", name);
  for (const certificate of found) {
    if (!uses(certificate).constraints?.ca) unreadable(`${name} is no CA certificate`);
  }
  return found;
}

function revoked(document) {
  if (!Array.isArray(document.keys)) unreadable("revoked.json has no list of keys");
  const found = document.keys.map((item) => {
    if (!isObject(item) || !/^[0-9a-f]{64}$/.test(item.keyid) || typeof item.invalidFrom !== "string") {
      unreadable("an entry of revoked.json is not as it must be");
    }
    return item.keyid;
  });
  return new Set(found);
}

function level(document) {
  const found = document.minimumLevel ?? 0;
  if (![0, 1, 2, 3].includes(found)) unreadable("minimumLevel is none of 0, 1, 2, 3");
  return found;
}

/* A trusted CA certified this key to sign this appliance's receipts, then and now. */
export async function checkSigner({ receipt, leaf, others }, trust, now) {
  if (!trust.authorities.length) {
    refuse("signer-unknown", "signature consistent, signer unknown: no trust anchors were given",
      "put the sending site's CA certificate into the trust box, compared by telephone");
  }
  const { issuedAt } = receipt;
  const moment = new Date(Math.min(Math.max(issuedAt, leaf.begin), leaf.end));
  const chain = await path(leaf, others, trust, moment);
  if (chain.some(({ keyid }) => trust.revoked.has(keyid))) {
    refuse("key-revoked", "the key that signed, or one above it, is revoked in the trust folder",
      "ask the sending site for a receipt under its new key");
  }
  const { usage, purposes, constraints } = uses(leaf);
  if (!usage || !purposes || !constraints) refuse("signer-role", "the signer's certificate does not state its use");
  if (constraints.ca || !usage.signs || !isAppliance(leaf)) {
    refuse("signer-role", "the signer's certificate is not one for signing exchange receipts");
  }
  const { organisation, common } = leaf.names;
  if (organisation.length !== 1 || common.length !== 1 || organisation[0] !== receipt.site || common[0] !== receipt.agentId) {
    refuse("signer-name", "the receipt names another site or appliance than its signer's certificate");
  }
  if (issuedAt < leaf.begin || issuedAt > leaf.end) {
    refuse("certificate", "the signer's certificate was not valid when it signed");
  }
  if (issuedAt > now.getTime() + CLOCK_SKEW) {
    refuse("issued-in-future", "the receipt is dated in the future", "check both clocks");
  }
  await under("certificate-expired", () => path(leaf, others, trust, new Date(Math.max(now, issuedAt))));
}

/* RFC 5280, 6, for our profile: from the leaf to an anchor, all valid at one moment. */
async function path(leaf, others, trust, moment) {
  const chain = uses(leaf).unknownCritical ? null : await above([leaf], others, trust, moment);
  if (chain) return chain;
  for (const authority of trust.authorities) {
    if (same(authority.subject, leaf.issuer) && (await issued(leaf, authority))) {
      refuse("certificate", "the signer's certificate does not hold under the trusted CA");
    }
  }
  refuse("signer-unknown", "signature consistent, signer unknown: no CA in the trust folder certified this key",
    "ask the sending site for its CA certificate and compare the fingerprint by telephone");
}

async function above(chain, others, trust, moment) {
  const last = chain.at(-1);
  if (moment < last.begin || moment > last.end) return null;
  for (const authority of trust.authorities) {
    if (await certifies(authority, last, chain.length - 1, moment)) return [...chain, authority];
  }
  if (chain.length > MAX_DEPTH) return null;
  for (const candidate of others) {
    if (chain.includes(candidate) || !(await certifies(candidate, last, chain.length - 1, moment))) continue;
    const found = await above([...chain, candidate], others, trust, moment);
    if (found) return found;
  }
  return null;
}

/* Whether an authority may certify this, with so many intermediates below it, and did. */
async function certifies(authority, certificate, below, moment) {
  const { constraints, usage, unknownCritical } = uses(authority);
  return same(authority.subject, certificate.issuer)
    && Boolean(constraints?.ca) && Boolean(usage?.certifies) && !unknownCritical
    && below <= constraints.depth
    && moment >= authority.begin && moment <= authority.end
    && (await issued(certificate, authority));
}
