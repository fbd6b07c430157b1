/* What a receipt claims: its payload, read strictly. */

export const R1 = ["accepted", "deidentified", "quarantined", "reidentified"];
export const R2 = ["forwarded", "committed", "rejected"];
export const R3 = ["closed"];
const HEX = /^[0-9a-f]{64}$/;
const UID = /^[0-9][0-9.]{0,63}$/;
const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const TIME = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$/;

const bad = (what) => refuse("statement", what);

/* Refuses with `json`, `not-canonical`, `statement`. */
export async function parseClaims(payload) {
  const document = parseObject(payload, "the receipt");
  if (!same(utf8(canonical(document)), payload)) {
    refuse("not-canonical", "the receipt is not in canonical form (RFC 8785)");
  }
  if (document._type !== "https://in-toto.io/Statement/v1" || document.predicateType !== "urn:lockgate:exchange-receipt:v1") {
    bad("this statement is not an exchange receipt of version 1");
  }
  const predicate = objectOf(document, "predicate", "statement");
  const group = objectOf(predicate, "id", "predicate");
  const agent = objectOf(predicate, "agent", "predicate");
  const receipt = {
    receiptId: match(group, "receiptId", UUID7),
    issuedAt: time(textOf(group, "issuedAt", "id")),
    stage: oneOf(group, "stage", [...R1, ...R2, ...R3]),
    edition: oneOf(group, "edition", ["partner", "site"]),
    direction: oneOf(group, "direction", ["outbound", "inbound"]),
    previous: textOf(group, "previous", "id") ? match(group, "previous", HEX) : "",
    deliveries: deliveries(group),
    agentId: textOf(agent, "id", "agent"),
    site: textOf(agent, "site", "agent"),
    study: textOf(objectOf(predicate, "study", "predicate"), "studyInstanceUID", "study"),
    subjects: subjects(listOf(document, "subject", "statement")),
    paeSha256: hex(await sha256(pae(payload))),
    predicate,
    renditions: renditions(predicate),
  };
  checkStage(receipt);
  return receipt;
}

function checkStage({ stage, subjects, previous, renditions, deliveries }) {
  const names = new Set(subjects.map(({ uid }) => uid));
  if (R1.includes(stage) && !subjects.length) bad(`a receipt of stage ${stage} covers no instance`);
  if (R2.includes(stage) && !previous) bad(`a receipt of stage ${stage} follows no other`);
  if (renditions.length && !R2.includes(stage)) bad(`a receipt of stage ${stage} tells of renditions`);
  if (!renditions.every(({ uid }) => names.has(uid))) bad("a rendition is of no subject of the receipt");
  if (deliveries.length && (!R3.includes(stage) || !deliveries.includes(previous))) {
    bad("the listed deliveries do not fit what the receipt follows");
  }
}

function subjects(items) {
  const found = items.map((item) => {
    if (!isObject(item)) bad("a subject is no object");
    const annotations = objectOf(item, "annotations", "subject");
    if (annotations.scope !== "dicom-dataset-after-file-meta") bad("a subject's digest is of another scope");
    const pixels = annotations.pixelSha256 ?? "";
    return {
      uid: match(item, "name", UID),
      sha256: match(objectOf(item, "digest", "subject"), "sha256", HEX),
      syntax: match(annotations, "transferSyntax", UID),
      pixels: pixels === "" ? "" : match(annotations, "pixelSha256", HEX),
    };
  });
  if (found.some(({ uid }, at) => at && found[at - 1].uid >= uid)) bad("the subjects are not sorted, or one stands twice");
  return found;
}

/* What the signer says went instead of a subject's own bytes: the same instance, without loss. */
function renditions(predicate) {
  const { delivery } = predicate;
  if (!isObject(delivery) || !("transcoded" in delivery)) return [];
  return listOf(objectOf(delivery, "transcoded", "delivery"), "instances", "transcoded").map((item) => {
    if (!isObject(item)) bad("a rendition is no object");
    return {
      uid: match(item, "sopInstanceUID", UID),
      sha256: match(item, "sha256", HEX),
      syntax: match(item, "transferSyntax", UID),
      pixels: "",
    };
  });
}

function deliveries(group) {
  const items = "deliveries" in group ? listOf(group, "deliveries", "id") : [];
  const found = items.map((item) => {
    if (!isObject(item)) bad("a delivery is no object");
    oneOf(item, "stage", R2);
    return match(item, "paeSha256", HEX);
  });
  if (new Set(found).size !== found.length) bad("a delivery stands twice");
  return found;
}

function match(group, name, pattern) {
  const value = textOf(group, name, "receipt");
  if (!pattern.test(value)) bad(`${name} is not of the form that it must have`);
  return value;
}

function oneOf(group, name, allowed) {
  const value = textOf(group, name, "receipt");
  if (!allowed.includes(value)) bad(`${name} is none of ${allowed.join(", ")}`);
  return value;
}

function time(text) {
  const moment = new Date(TIME.test(text) ? text : NaN);
  // A day that the month does not have would be carried into the next one.
  if (Number.isNaN(moment.getTime()) || moment.toISOString() !== text) bad("issuedAt is no UTC time with milliseconds");
  return moment;
}
