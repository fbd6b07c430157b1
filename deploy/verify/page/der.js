/* DER (X.690, 10): definite, shortest lengths; just enough to read certificates and CMS. */

export const SEQUENCE = 0x30;
export const SET = 0x31;
export const INTEGER = 0x02;
export const BITS = 0x03;
export const OCTETS = 0x04;
export const OID = 0x06;

/* One element at an offset: its tag, its value's extent, where it ends. */
function elementAt(data, at, code) {
  if (data.length < at + 2) refuse(code, "it is cut short");
  let length = data[at + 1];
  let start = at + 2;
  if (length >= 0x80) {
    const count = length & 0x7f;
    length = Number(big(data.subarray(start, start + count)));
    start += count;
    if (count < 1 || count > 4 || length < 0x80 || Math.floor(length / 256 ** (count - 1)) === 0) {
      refuse(code, "a length in it is not DER");
    }
  }
  if (start + length > data.length) refuse(code, "it is cut short");
  return { tag: data[at], whole: data.subarray(at, start + length), value: data.subarray(start, start + length) };
}

/* The elements that stand one after another. */
export function children(data, code) {
  const found = [];
  for (let at = 0; at < data.length; ) {
    const element = elementAt(data, at, code);
    found.push(element);
    at += element.whole.length;
  }
  return found;
}

export function exactly(elements, count, code) {
  if (elements.length !== count) refuse(code, "its structure is not as expected");
  return elements;
}

/* An element's value, when its tag is this one. */
export function body(element, tag, code) {
  if (element?.tag !== tag) refuse(code, "its structure is not as expected");
  return element.value;
}

/* An OBJECT IDENTIFIER in dotted form. */
export function dotted(value) {
  const arcs = [];
  let arc = 0n;
  for (const byte of value) {
    arc = (arc << 7n) | BigInt(byte & 0x7f);
    if (byte & 0x80) continue;
    arcs.push(arc);
    arc = 0n;
  }
  const first = arcs.shift() ?? 0n;
  const root = first < 80n ? first / 40n : 2n;
  return [root, first - 40n * root, ...arcs].join(".");
}
