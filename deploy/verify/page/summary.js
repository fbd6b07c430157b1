/* A report for a person: who, what, when, how many, what was removed, what was proved, where it went. */

const DONE = {
  accepted: "took the study into custody",
  deidentified: "removed the patient's identity",
  quarantined: "took the study in under a quarantine identity",
  reidentified: "gave the study its patient back",
  forwarded: "delivered the study",
  committed: "delivered the study, and the receiver confirmed that it is stored",
  rejected: "offered the study, and the receiver rejected it",
  closed: "closed the exchange",
};
const QUESTIONS = {
  S: "Did a key that your trust folder vouches for sign it, and is it unchanged since?",
  D: "Are the files that you gave, bit for bit, those of the receipt?",
  C: "Do the receipts that you gave follow one another?",
  L: "Does it stand in the site's log?",
  W: "Have witnesses seen the log?",
  T: "Did a third party stamp the time?",
};
const STATES = { ok: "holds", failed: "FAILED", "not-checked": "not checked" };
const LEVELS = ["L0: signed", "L1: in the log"];

/* Rows of a table: `[layer, state in words, what is asked, state]`. */
export function layerRows({ layers }) {
  return Object.entries(layers).map(([layer, state]) => [`${layer}  ${LAYERS[layer]}`, STATES[state], QUESTIONS[layer], state]);
}

/* The verdict in a sentence, and what to do. */
export function verdict(report) {
  if (report.error) {
    return { title: "Not valid", text: stopped(report.error.message), next: sentence(report.error.hint), code: report.error.code };
  }
  const left = Object.entries(report.layers).filter(([, state]) => state === "not-checked").map(([layer]) => LAYERS[layer]);
  return {
    title: "Valid",
    text: `Everything that could be checked holds. Not checked: ${left.join(", ") || "nothing"}.`,
    next: report.layers.D === "ok" ? "" : "To check the images too, add the study's files.",
    code: "",
  };
}

/* Rows `[name, text]` of what the receipt says; [] when it could not be read. */
export function claimRows({ receipt, level }) {
  if (!receipt) return [];
  const group = (name) => (isObject(receipt.predicate[name]) ? receipt.predicate[name] : {});
  const rows = [
    ["Who", `Appliance ${receipt.agentId} of ${receipt.site}`],
    ["What", `It ${DONE[receipt.stage]} (${receipt.stage}, ${receipt.direction}, ${receipt.edition} edition)`],
    ["When", `${receipt.issuedAt.toISOString().replace("T", " ").slice(0, 19)} UTC, by its own clock`],
    ["Study", receipt.study],
    ["How many", `${counted(receipt.subjects.length, "instance")}${volume(group("study").bytes)}`],
    ["Removed", removed(group("deidentification"))],
    ["Pixels", pixels(group("deidentification"))],
    ["Proved", proved(group("deidentification"), group("identity"))],
    ["Identity", words(group("identity").state, group("identity").reason)],
    ["Decided by people", decided(receipt.predicate.review)],
    ["Went to", went(group("delivery"))],
    ["Policy", words(group("policy").id, group("policy").decision)],
    ["Key kept in", words(group("agent").keyProtection)],
    ["Level", level === null ? "none: the signer is not vouched for" : LEVELS[level]],
    ["Receipt", receipt.receiptId],
  ];
  return rows.filter(([, text]) => text);
}

const stopped = (text) => text + (/[.!?]$/.test(text) ? "" : ".");
const sentence = (text) => (text ? stopped(text[0].toUpperCase() + text.slice(1)) : "");
const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;
const words = (...parts) => parts.filter((part) => typeof part === "string" && part).join(", ");
const volume = (bytes) => (Number.isSafeInteger(bytes) ? `, ${bytes.toLocaleString("en")} bytes` : "");

function removed(group) {
  const counts = ["removed", "emptied", "replaced", "kept"].filter((name) => Number.isSafeInteger(group[name]));
  if (!counts.length) return "";
  const profile = Array.isArray(group.profile) ? group.profile.filter(isObject).map((code) => code.meaning) : [];
  const dates = group.dateShift === "yes" ? "dates shifted" : "dates not shifted";
  return words(`attributes: ${counts.map((name) => `${group[name]} ${name}`).join(", ")}`, dates, ...profile);
}

function pixels(group) {
  if (!isObject(group.pixel)) return words(group.pixels);
  const { regions, instances, reviewedByHuman } = group.pixel;
  return words(`${counted(regions, "region")} removed in ${counted(instances, "instance")}`, `reviewed by a person: ${reviewedByHuman}`);
}

function proved(group, identity) {
  const proof = isObject(group.proof) ? group.proof : {};
  return words(
    proof.method && `${proof.method}: ${proof.passed === "yes" ? "passed" : `not passed (${proof.passed})`}`,
    identity.knownIdentifiers && `known identifiers: ${identity.knownIdentifiers}`,
    identity.textDetection && `text in pixels: ${identity.textDetection}`,
  );
}

function decided(review) {
  if (!Array.isArray(review)) return "";
  return review.filter(isObject).map((one) => `${one.decision} (${one.meaning}) by role ${one.role} at ${one.at}`).join("; ");
}

function went(delivery) {
  const responses = Array.isArray(delivery.responses) ? delivery.responses.filter(isObject) : [];
  const told = responses.map(({ status, count }) => `${count} × ${status}`).join(", ");
  return words(delivery.destination, delivery.protocol, delivery.tls, told && `answers ${told}`,
    delivery.storageCommitment && `storage commitment ${delivery.storageCommitment}`);
}
