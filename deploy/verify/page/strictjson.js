/* JSON of strings, integers, arrays and objects; what two readers could understand differently is refused. */

const DEPTH = 900;

class Reader {
  constructor(text, what) {
    this.text = text;
    this.what = what;
    this.at = 0;
    this.depth = 0;
  }

  fail(why = "is not strict JSON") {
    refuse("json", `${this.what} ${why}`);
  }

  space() {
    while (" \t\n\r".includes(this.text[this.at] ?? "x")) this.at++;
  }

  expect(char) {
    this.space();
    if (this.text[this.at] !== char) this.fail();
    this.at++;
  }

  peek() {
    this.space();
    return this.text[this.at];
  }

  value() {
    const char = this.peek();
    if (char === "{") return this.nested(() => this.object());
    if (char === "[") return this.nested(() => this.array());
    if (char === '"') return this.string();
    return this.integer();
  }

  nested(read) {
    if (++this.depth > DEPTH) this.fail();
    const value = read();
    this.depth--;
    return value;
  }

  object() {
    const found = Object.create(null);
    this.expect("{");
    if (this.peek() === "}") {
      this.at++;
      return found;
    }
    for (;;) {
      if (this.peek() !== '"') this.fail();
      const key = this.string();
      if (key in found) this.fail(`has a key twice in one object`);
      this.expect(":");
      found[key] = this.value();
      const next = this.peek();
      this.at++;
      if (next === "}") return found;
      if (next !== ",") this.fail();
    }
  }

  array() {
    const found = [];
    this.expect("[");
    if (this.peek() === "]") {
      this.at++;
      return found;
    }
    for (;;) {
      found.push(this.value());
      const next = this.peek();
      this.at++;
      if (next === "]") return found;
      if (next !== ",") this.fail();
    }
  }

  string() {
    const start = this.at;
    let end = start + 1;
    while (this.text[end] !== '"') {
      if (end >= this.text.length || this.text[end] < " ") this.fail();
      end += this.text[end] === "\\" ? 2 : 1;
    }
    this.at = end + 1;
    let value;
    try {
      value = JSON.parse(this.text.slice(start, this.at));
    } catch {
      this.fail();
    }
    if (!value.isWellFormed()) this.fail("has an unpaired surrogate");
    return value;
  }

  integer() {
    const token = /-?(?:0|[1-9][0-9]*)(?![0-9.eE])/y;
    token.lastIndex = this.at;
    const found = token.exec(this.text);
    if (!found || found[0] === "-0") this.fail("has a value that is neither text nor an integer");
    const value = Number(found[0]);
    if (!Number.isSafeInteger(value)) this.fail("has an integer beyond 2^53 - 1");
    this.at = token.lastIndex;
    return value;
  }
}

/* One object of a whole text. Refuses with `json`. */
export function parseObject(bytes, what) {
  const text = decoded(bytes);
  if (text === null) refuse("json", `${what} is not UTF-8`);
  const reader = new Reader(text, what);
  const value = reader.value();
  reader.space();
  if (reader.at !== text.length || !isObject(value)) reader.fail();
  return value;
}

/* RFC 8785: keys by UTF-16 code units, which is how JavaScript sorts. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const items = Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`);
  return `{${items.join(",")}}`;
}

export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

export function textOf(group, name, where) {
  const value = group[name];
  if (typeof value !== "string") refuse("statement", `${where}.${name} is missing or no text`);
  return value;
}

export function objectOf(group, name, where) {
  const value = group[name];
  if (!isObject(value)) refuse("statement", `${where}.${name} is missing or no object`);
  return value;
}

export function listOf(group, name, where) {
  const value = group[name];
  if (!Array.isArray(value)) refuse("statement", `${where}.${name} is missing or no list`);
  return value;
}
