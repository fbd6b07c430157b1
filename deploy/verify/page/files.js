/* Layer D: are the files exactly the instances that a receipt covers? */

// What is told first: changed content weighs more than what is merely absent or too much.
const ORDER = [
  "pixels-changed", "file-changed", "header-changed", "transcoded", "meta-differs", "renamed", "file-unreadable",
  "missing", "duplicate", "extra",
];

/* Digests of DICOM files; others are left out. From `{name, blob}`s. */
export async function scan(files, progress = () => {}) {
  const found = [];
  for (const [number, { name, blob }] of files.entries()) {
    progress(number, files.length);
    try {
      const digest = await digestFile(blob);
      if (digest) found.push({ name, blob, digest });
    } catch (error) {
      const problem = error instanceof VerificationError ? error.message : "the system refuses to read it";
      found.push({ name, blob, problem });
    }
  }
  return found;
}

/* Refuses with the gravest difference between a receipt's subjects and scanned files. */
export async function checkFiles(receipt, scanned) {
  if (!receipt.subjects.length) refuse("no-subjects", "the receipt covers no instance, so no file can match it");
  const match = { receipt, problems: [], seen: new Set(), answered: new Set() };
  match.add = (code, message, hint) => match.problems.push(new VerificationError(code, message, hint));
  const byDigest = new Map([...receipt.subjects, ...receipt.renditions].map((subject) => [subject.sha256, subject]));
  const rest = [];
  for (const file of scanned) {
    const subject = file.digest && byDigest.get(file.digest.sha256);
    if (!file.digest) match.add("file-unreadable", `${file.name}: ${file.problem}`);
    else if (subject) sameDataset(match, file, subject);
    else rest.push(file);
  }
  for (const file of rest) await otherDataset(match, file);
  for (const { uid } of receipt.subjects) {
    if (!match.seen.has(uid) && !match.answered.has(uid)) match.add("missing", `instance ${uid} is missing`, "fetch the whole study");
  }
  match.problems.sort((one, other) => ORDER.indexOf(one.code) - ORDER.indexOf(other.code));
  const [first, ...more] = match.problems;
  if (first) refuse(first.code, first.message + (more.length ? ` (and ${more.length} more)` : ""), first.hint);
}

function sameDataset(match, { name, digest }, { uid, syntax }) {
  if (digest.syntax !== syntax || !["", uid].includes(digest.metaUid)) {
    // The digest does not cover the file meta; read under another transfer syntax it is another image.
    match.answered.add(uid);
    match.add("meta-differs", `${name}: the file meta does not fit instance ${uid}`);
  } else if (match.seen.has(uid)) {
    match.add("duplicate", `${name} is a second copy of instance ${uid}`, "remove it");
  } else match.seen.add(uid);
}

async function otherDataset(match, file) {
  const { name, digest: { syntax } } = file;
  let content;
  try {
    content = await walkFile(file.blob, file.digest);
  } catch (error) {
    const why = error instanceof VerificationError ? error.message : "it cannot be read";
    match.add("file-unreadable", `${name}: ${why}`);
    return;
  }
  const samePixels = (subject) => Boolean(content.pixels) && content.pixels === subject.pixels && syntax === subject.syntax;
  const subject = match.receipt.subjects.find(({ uid }) => uid === content.uid);
  const renamed = match.receipt.subjects.find((one) => samePixels(one) && !match.seen.has(one.uid));
  if (subject) {
    match.answered.add(subject.uid);
    changed(match, name, subject, syntax, samePixels(subject));
  } else if (renamed) {
    match.answered.add(renamed.uid);
    match.add("renamed", `${name} has the pixels of ${renamed.uid} under another UID`);
  } else match.add("extra", `${name} is not covered by the receipt`, "remove it");
}

function changed(match, name, { uid, syntax: sent, pixels }, syntax, samePixels) {
  if (syntax !== sent) {
    match.add("transcoded", `${name}: instance ${uid} is encoded in another transfer syntax than was sent`);
  } else if (samePixels) {
    match.add("header-changed", `${name}: pixels match, header changed in instance ${uid}`,
      "a system on the way edited attributes; ask for the file as it was sent");
  } else if (pixels) match.add("pixels-changed", `${name}: the pixels of instance ${uid} were changed`);
  else match.add("file-changed", `${name}: the content of instance ${uid} was changed`);
}
