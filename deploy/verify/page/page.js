/* The page itself: three boxes to fill, one answer. Nothing is sent anywhere; the policy in its head forbids it. */

const boxes = { bundles: [], trust: new Map(), files: [] };
const $ = (id) => document.getElementById(id);
let run = 0;

function add(box, items) {
  if (box === "bundles") boxes.bundles.push(...grouped(items));
  if (box === "files") boxes.files.push(...items.map(({ name, file }) => ({ name, blob: file })));
  if (box === "trust") for (const { name, file } of items) boxes.trust.set(name.split("/").pop(), file);
  check();
}

/* Zips each for itself; the parts of an unpacked bundle together, by their folder. */
function grouped(items) {
  const folders = new Map();
  const found = [];
  for (const { name, file } of items) {
    const [part, folder] = [name.split("/").pop(), name.split("/").slice(0, -1).join("/")];
    if (!isPart(part)) found.push({ name, zip: file });
    else if (folders.has(folder)) folders.get(folder).set(part, file);
    else folders.set(folder, new Map([[part, file]]));
  }
  for (const [folder, parts] of folders) found.push({ name: folder || "receipt", parts });
  return found;
}

async function check() {
  const mine = ++run;
  for (const box of Object.keys(boxes)) $(`${box}-count`).textContent = counted(box);
  if (!boxes.bundles.length) return show([]);
  $("status").textContent = "Checking …";
  const trust = new Map();
  for (const [name, file] of boxes.trust) trust.set(name, new Uint8Array(await file.arrayBuffer()));
  const progress = (at, all) => {
    if (mine === run) $("status").textContent = `Reading file ${at + 1} of ${all} …`;
  };
  const files = boxes.files.length ? boxes.files : null;
  const reports = await verifyBundles(boxes.bundles, trust, files, new Date(), progress);
  if (mine === run) show(reports);
}

function counted(box) {
  const size = boxes[box].size ?? boxes[box].length;
  if (box !== "trust") return size ? `${size} chosen` : "none chosen";
  const usable = [...boxes.trust.keys()].filter((name) => /\.(pem|vkey)$|^(revoked\.json|policy)$/.test(name));
  return size ? `${usable.length} of ${size} usable: ${usable.join(", ")}` : "none chosen";
}

function element(tag, text = "", ...inside) {
  const made = document.createElement(tag);
  // A hostile text must not be able to turn its direction or move anything: it is text, in its own isolate.
  if (text) made.textContent = text.replace(/[\p{Cc}\p{Cf}]/gu, "?");
  made.append(...inside);
  return made;
}

function show(reports) {
  $("reports").replaceChildren(...reports.map(article));
  $("nothing").hidden = Boolean(reports.length);
  const wrong = reports.filter(({ ok }) => !ok).length;
  $("status").textContent = !reports.length ? ""
    : wrong ? `${wrong} of ${reports.length} receipts not valid.` : `${reports.length} of ${reports.length} receipts valid.`;
}

function article(report) {
  const { title, text, next, code } = verdict(report);
  const heading = element("h2", title);
  const made = element("article", "", heading, element("p", report.bundle), element("p", text));
  made.className = report.ok ? "valid" : "invalid";
  made.children[1].className = "name";
  if (next) made.append(element("p", next));
  if (code) made.append(element("p", `Code: ${code}`));
  made.append(layerTable(report));
  const claims = claimRows(report);
  if (claims.length) {
    made.append(element("h3", report.level === null ? "What the receipt says (not vouched for)" : "What the receipt says"));
    made.append(element("dl", "", ...claims.flatMap(([name, value]) => [element("dt", name), element("dd", value)])));
  }
  return made;
}

function layerTable(report) {
  const head = element("tr", "", ...["Layer", "State", "What is asked"].map((text) => element("th", text)));
  for (const cell of head.children) cell.scope = "col";
  const rows = layerRows(report).map(([layer, words, question, state]) => {
    const row = element("tr", "", element("th", layer), element("td", words), element("td", question));
    row.firstChild.scope = "row";
    row.className = state;
    return row;
  });
  return element("table", "", element("caption", "What was checked"), element("thead", "", head), element("tbody", "", ...rows));
}

/* Everything below a dropped folder. */
async function below(entry, prefix) {
  if (entry.isFile) {
    return [{ name: prefix + entry.name, file: await new Promise((done, fail) => entry.file(done, fail)) }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return found;
    for (const one of some) found.push(...(await below(one, `${prefix}${entry.name}/`)));
  }
}

function wire(box) {
  const zone = $(`${box}-zone`);
  for (const input of zone.querySelectorAll("input")) {
    input.addEventListener("change", () => {
      add(box, [...input.files].map((file) => ({ name: file.webkitRelativePath || file.name, file })));
      input.value = "";
    });
  }
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    add(box, (await Promise.all(entries.map((entry) => below(entry, "")))).flat());
  });
}

Object.keys(boxes).forEach(wire);
// A file dropped beside a box must not make the browser leave the page.
for (const kind of ["dragover", "drop"]) document.addEventListener(kind, (event) => event.preventDefault());
$("again").addEventListener("click", () => {
  boxes.bundles = [];
  boxes.files = [];
  boxes.trust.clear();
  check();
  $("bundles-zone").querySelector("input").focus();
});
$("print").addEventListener("click", () => print());
// For those who would rather call it than click it.
globalThis.lockgate = { verifyBundles, Sha256, mldsa44 };
