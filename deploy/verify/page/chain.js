/* Layer C: do several receipts of one exchange follow one another? The rules are those of `lockgate verify`. */

/* For each receipt whether a link from or to it was seen to hold; refuses what contradicts. */
export function checkChain(receipts) {
  const byHash = new Map();
  const ids = new Set();
  for (const receipt of receipts) {
    if (byHash.has(receipt.paeSha256)) refuse("chain-replay", `receipt ${receipt.receiptId} was given twice`);
    byHash.set(receipt.paeSha256, receipt);
    const id = `${receipt.receiptId} ${receipt.edition}`;
    if (ids.has(id)) refuse("chain-fork", `two different receipts have the id ${receipt.receiptId}`);
    ids.add(id);
  }
  checkEditions(receipts);
  const linked = new Set();
  for (const receipt of receipts) {
    for (const link of [receipt.previous, ...receipt.deliveries]) {
      const before = byHash.get(link);
      if (!before) continue;
      checkOrder(before, receipt);
      checkSame(before, receipt);
      linked.add(before).add(receipt);
    }
  }
  checkClosures(receipts, byHash);
  return receipts.map((receipt) => linked.has(receipt));
}

function checkEditions(receipts) {
  const seen = new Map();
  for (const receipt of receipts) {
    const told = JSON.stringify([receipt.stage, receipt.issuedAt, receipt.subjects, receipt.study]);
    if (seen.has(receipt.receiptId) && seen.get(receipt.receiptId) !== told) {
      refuse("chain-edition", `the editions of ${receipt.receiptId} contradict each other`);
    }
    seen.set(receipt.receiptId, told);
  }
}

function checkOrder(before, after) {
  const followsR1 = R1.includes(before.stage) && (R2.includes(after.stage) || !after.deliveries.length);
  const followsR2 = R2.includes(before.stage) && R3.includes(after.stage) && after.deliveries.includes(before.paeSha256);
  if (R1.includes(after.stage) || !(followsR1 || followsR2)) {
    refuse("chain-order", `${after.receiptId} (${after.stage}) cannot follow ${before.receiptId} (${before.stage})`);
  }
}

function checkSame(before, after) {
  if (before.edition !== after.edition) refuse("chain-edition", `${after.receiptId} follows a receipt of the other edition`);
  if (before.site !== after.site || before.study !== after.study) {
    refuse("chain-study", `${after.receiptId} follows a receipt of another study or site`);
  }
  const names = new Set(before.subjects.map(({ uid }) => uid));
  // An R3 spans all deliveries, so it may have more than one R2 had; an R2 has no more than its R1.
  if (R1.includes(before.stage) && !after.subjects.every(({ uid }) => names.has(uid))) {
    refuse("chain-subjects", `${after.receiptId} covers an instance that its R1 did not`);
  }
}

function checkClosures(receipts, byHash) {
  const closed = new Map();
  for (const receipt of receipts.filter(({ stage }) => R3.includes(stage))) {
    const given = receipt.deliveries.filter((link) => byHash.has(link));
    const roots = new Set(given.map((link) => byHash.get(link).previous));
    if (receipt.previous && !roots.size) roots.add(receipt.previous);
    if (roots.size > 1) refuse("chain-fork", `${receipt.receiptId} closes deliveries of several exchanges`);
    for (const root of roots) {
      const key = `${root} ${receipt.edition}`;
      if (closed.has(key)) refuse("chain-fork", `${receipt.receiptId} closes what was closed before`);
      closed.set(key, receipt);
    }
  }
  for (const receipt of receipts.filter(({ stage }) => R2.includes(stage))) {
    const end = closed.get(`${receipt.previous} ${receipt.edition}`);
    if (end && !end.deliveries.includes(receipt.paeSha256)) {
      refuse("chain-link", `${receipt.receiptId} is not among the deliveries that ${end.receiptId} closed`);
    }
  }
}
