/* All layers together, as `lockgate verify` reports them. */

export const LAYERS = { S: "signature", D: "digests", C: "chain", L: "log", W: "witness", T: "time" };

/*
 * One report a bundle.
 *
 * `bundles`: `{name, zip: Blob}` or `{name, parts: Map of Blobs}`; `trustFiles`: Map of names to bytes;
 * `files`: `{name, blob}`s or null; `now`: Date.
 */
export async function verifyBundles(bundles, trustFiles, files, now, progress) {
  let trust;
  try {
    trust = await parseTrust(trustFiles);
  } catch (error) {
    return bundles.map(({ name }) => ({ ...blank(name), error: told(error) }));
  }
  const scanned = files && (await scan(files, progress));
  const reports = [];
  for (const bundle of bundles) reports.push(await reportOf(bundle, scanned, trust, now));
  if (bundles.length > 1) chainLayer(reports.filter((report) => report.layers.S === "ok"));
  return reports.map((report) => ({ ...report, ok: !report.error && report.layers.S === "ok" }));
}

function blank(name) {
  const layers = Object.fromEntries(Object.keys(LAYERS).map((layer) => [layer, "not-checked"]));
  return { bundle: name, ok: false, level: null, layers, error: null, receipt: null };
}

/* A surprise is a refusal, never an acceptance. */
function told(error) {
  if (error instanceof VerificationError) return error;
  return new VerificationError("internal", `the verifier failed (${error?.name}: ${error?.message})`, "report this with the bundle");
}

function fail(report, layer, error) {
  report.layers[layer] = "failed";
  report.error ??= told(error);
}

async function reportOf(bundle, scanned, trust, now) {
  const report = blank(bundle.name);
  let consistent, parts;
  try {
    parts = await openBundle(bundle);
    consistent = await checkConsistent(parts);
    report.receipt = consistent.receipt;
    await checkSigner(consistent, trust, now);
    report.layers.S = "ok";
    report.level = 0;
  } catch (error) {
    fail(report, "S", error);
  }
  if (consistent) await logLayer(report, parts.get("receipt.tlog-proof"), consistent, trust);
  if (report.level !== null) checkLevel(report, trust.level);
  if (scanned && consistent) {
    try {
      await checkFiles(consistent.receipt, scanned);
      report.layers.D = "ok";
    } catch (error) {
      fail(report, "D", error);
    }
  }
  return report;
}

async function logLayer(report, proof, { receipt, leaf }, trust) {
  if (!proof || !trust.logKeys.some(({ kind }) => kind === 1) || !(await knowsEd25519())) return;
  try {
    await checkLogged(proof, receipt, leaf.keyid, trust.logKeys);
    report.layers.L = "ok";
    if (report.level !== null) report.level = 1;
  } catch (error) {
    fail(report, "L", error);
  }
}

/* A level that is not reached says nothing against the signature: what lacks is the layer above. */
function checkLevel(report, asked) {
  if (asked <= report.level || report.error) return;
  const what = report.level ? "witness and time are not checked" : "no proof by a log that the trust folder names";
  fail(report, "LWT"[report.level],
    new VerificationError("level", `level L${asked} is asked for, L${report.level} is reached: ${what}`));
}

function chainLayer(reports) {
  try {
    const linked = checkChain(reports.map(({ receipt }) => receipt));
    reports.forEach((report, at) => { report.layers.C = linked[at] ? "ok" : "not-checked"; });
  } catch (error) {
    for (const report of reports) fail(report, "C", error);
  }
}
