/* Bytes: comparing, joining, hex, strict base64, strict UTF-8. */

export const ascii = (text) => Uint8Array.from(text, (char) => char.charCodeAt(0));

export const utf8 = (text) => new TextEncoder().encode(text);

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export function same(one, other) {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

export function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/* The text, or null when the bytes are no UTF-8; a byte order mark stays in it. */
export function decoded(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/* RFC 4648, 4, padded, without stray bits; null when the text is none. */
export function base64(text) {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return null;
  const binary = atob(text);
  return btoa(binary) === text ? ascii(binary) : null;
}

export async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

export function big(bytes) {
  return bytes.length ? BigInt("0x" + hex(bytes)) : 0n;
}
