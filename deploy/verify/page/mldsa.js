/* ML-DSA-44 verification (FIPS 204, algorithms 3 and 8), which WebCrypto does not have yet. */

const Q = 8380417, N = 256, K = 4, L = 4, GAMMA1 = 1 << 17, GAMMA2 = (Q - 1) / 88, BETA = 78, OMEGA = 80, TAU = 39;
const PUBLIC_BYTES = 1312, SIGNATURE_BYTES = 2420, CHALLENGE_BYTES = 32;

const times = (a, b) => Number((BigInt(a) * BigInt(b)) % BigInt(Q));

const ZETAS = Int32Array.from({ length: N }, (_, at) => {
  let [power, base, exponent] = [1, 1753, parseInt(at.toString(2).padStart(8, "0").split("").reverse().join(""), 2)];
  for (; exponent; exponent >>= 1, base = times(base, base)) if (exponent & 1) power = times(power, base);
  return power;
});

// a*b below 2^46: exact in a double, so that no BigInt is needed where it is hot.
const product = (a, b) => (a * b) % Q;

/* Whether this is a pure signature (empty context) of the message. */
export function mldsa44(key, message, signature) {
  if (key.length !== PUBLIC_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  const z = Array.from({ length: L }, (_, at) => unpackZ(signature.subarray(CHALLENGE_BYTES + 576 * at)));
  const hints = unpackHints(signature.subarray(CHALLENGE_BYTES + 576 * L));
  if (!hints || z.some((poly) => poly.some((value) => Math.abs(value) >= GAMMA1 - BETA))) return false;
  const challenge = signature.subarray(0, CHALLENGE_BYTES);
  const mu = shake(256, joined(shake(256, key, 64), [0, 0], message), 64);
  const c = forward(sampleInBall(challenge));
  const zHat = z.map((poly) => forward(poly.map((value) => (value + Q) % Q)));
  const rho = key.subarray(0, 32);
  const packed = Array.from({ length: K }, (_, row) => {
    const t1 = forward(unpackT1(key.subarray(32 + 320 * row)));
    const sum = new Float64Array(N);
    for (let column = 0; column < L; column++) {
      const a = sampleUniform(rho, row, column);
      for (let i = 0; i < N; i++) sum[i] += product(a[i], zHat[column][i]);
    }
    for (let i = 0; i < N; i++) sum[i] = (sum[i] + Q - product(c[i], t1[i])) % Q;
    return packHigh(inverse(sum), hints[row]);
  });
  return same(challenge, shake(256, joined(mu, ...packed), CHALLENGE_BYTES));
}

/* NTT and its inverse (algorithms 41, 42). */
function forward(poly) {
  const w = Float64Array.from(poly);
  for (let length = 128, m = 0; length; length >>= 1) {
    for (let start = 0; start < N; start += 2 * length) {
      const zeta = ZETAS[++m];
      for (let j = start; j < start + length; j++) {
        const t = product(zeta, w[j + length]);
        w[j + length] = (w[j] + Q - t) % Q;
        w[j] = (w[j] + t) % Q;
      }
    }
  }
  return w;
}

function inverse(poly) {
  const w = Float64Array.from(poly);
  for (let length = 1, m = N; length < N; length <<= 1) {
    for (let start = 0; start < N; start += 2 * length) {
      const zeta = Q - ZETAS[--m];
      for (let j = start; j < start + length; j++) {
        const t = w[j];
        w[j] = (t + w[j + length]) % Q;
        w[j + length] = product(zeta, (t + Q - w[j + length]) % Q);
      }
    }
  }
  return w.map((value) => product(8347681, value));
}

/* Little-endian bit fields. */
function* fields(bytes, width) {
  for (let at = 0, held = 0, bits = 0; at < (N * width) / 8; ) {
    for (; bits < width; bits += 8) held += bytes[at++] * 2 ** bits;
    while (bits >= width) {
      yield held % 2 ** width;
      held = Math.floor(held / 2 ** width);
      bits -= width;
    }
  }
}

const unpackZ = (bytes) => Float64Array.from(fields(bytes, 18), (value) => GAMMA1 - value);
const unpackT1 = (bytes) => Float64Array.from(fields(bytes, 10), (value) => value * 2 ** 13);

/* Algorithm 21: positions in rising order, nothing behind them; null otherwise. */
function unpackHints(bytes) {
  const hints = Array.from({ length: K }, () => new Uint8Array(N));
  let at = 0;
  for (let row = 0; row < K; row++) {
    const end = bytes[OMEGA + row];
    if (end < at || end > OMEGA) return null;
    for (let first = at; at < end; at++) {
      if (at > first && bytes[at - 1] >= bytes[at]) return null;
      hints[row][bytes[at]] = 1;
    }
  }
  return bytes.subarray(at, OMEGA).some(Boolean) ? null : hints;
}

/* UseHint (algorithm 40), then six bits a coefficient. */
function packHigh(poly, hint) {
  const steps = 44;
  const packed = new Uint8Array((N * 6) / 8);
  poly.forEach((value, i) => {
    let low = value % (2 * GAMMA2);
    if (low > GAMMA2) low -= 2 * GAMMA2;
    const top = value - low === Q - 1;
    let high = top ? 0 : (value - low) / (2 * GAMMA2);
    if (top) low -= 1;
    if (hint[i]) high = (high + (low > 0 ? 1 : steps - 1)) % steps;
    const bit = 6 * i;
    packed[bit >> 3] |= high << (bit & 7);
    if ((bit & 7) > 2) packed[(bit >> 3) + 1] |= high >> (8 - (bit & 7));
  });
  return packed;
}

/* Algorithm 29. */
function sampleInBall(seed) {
  const c = new Float64Array(N);
  const stream = new Shake(256, seed);
  const signs = big(stream.read(8).reverse());
  for (let i = N - TAU, sign = 0n; i < N; i++, sign++) {
    let j;
    do [j] = stream.read(1); while (j > i);
    c[i] = c[j];
    c[j] = (signs >> sign) & 1n ? Q - 1 : 1;
  }
  return c;
}

/* Algorithm 30. */
function sampleUniform(rho, row, column) {
  const stream = new Shake(128, joined(rho, [column, row]));
  const found = new Float64Array(N);
  for (let i = 0; i < N; ) {
    const [a, b, c] = stream.read(3);
    const value = a | (b << 8) | ((c & 0x7f) << 16);
    if (value < Q) found[i++] = value;
  }
  return found;
}

const shake = (strength, bytes, length) => new Shake(strength, bytes).read(length);

/* SHAKE128 and SHAKE256 (FIPS 202). */
class Shake {
  constructor(strength, bytes) {
    this.rate = strength === 128 ? 168 : 136;
    this.state = new Uint32Array(50);
    this.at = 0;
    const padded = joined(bytes, new Uint8Array(this.rate - (bytes.length % this.rate)));
    padded[bytes.length] = 0x1f;
    padded[padded.length - 1] |= 0x80;
    for (let start = 0; start < padded.length; start += this.rate) {
      for (let i = 0; i < this.rate; i++) this.state[i >> 2] ^= padded[start + i] << (8 * (i & 3));
      keccak(this.state);
    }
  }

  read(length) {
    return Uint8Array.from({ length }, () => {
      if (this.at === this.rate) {
        keccak(this.state);
        this.at = 0;
      }
      const byte = this.state[this.at >> 2] >>> (8 * (this.at & 3));
      this.at++;
      return byte & 0xff;
    });
  }
}

const ROTATIONS = [
  0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14,
];
const CONSTANTS = (() => {
  let register = 1;
  return Array.from({ length: 24 }, () => {
    const words = [0, 0];
    for (let j = 0; j < 7; j++) {
      const bit = 2 ** j - 1;
      if (register & 1) words[bit >> 5] |= 1 << (bit & 31);
      register = register & 0x80 ? ((register << 1) ^ 0x171) & 0xff : register << 1;
    }
    return words;
  });
})();

/* Keccak-f[1600]; a lane is two words, the low one first. */
function keccak(a) {
  const b = new Uint32Array(50), c = new Uint32Array(10);
  for (const [lowConstant, highConstant] of CONSTANTS) {
    for (let i = 0; i < 10; i++) c[i] = a[i] ^ a[i + 10] ^ a[i + 20] ^ a[i + 30] ^ a[i + 40];
    for (let x = 0; x < 5; x++) {
      const before = 2 * ((x + 4) % 5), after = 2 * ((x + 1) % 5);
      const low = c[before] ^ ((c[after] << 1) | (c[after + 1] >>> 31));
      const high = c[before + 1] ^ ((c[after + 1] << 1) | (c[after] >>> 31));
      for (let y = 0; y < 50; y += 10) {
        a[y + 2 * x] ^= low;
        a[y + 2 * x + 1] ^= high;
      }
    }
    for (let lane = 0; lane < 25; lane++) {
      const [x, y, turn] = [lane % 5, Math.floor(lane / 5), ROTATIONS[lane]];
      const [low, high] = turn < 32 ? [a[2 * lane], a[2 * lane + 1]] : [a[2 * lane + 1], a[2 * lane]];
      const bits = turn % 32;
      const to = 2 * (y + 5 * ((2 * x + 3 * y) % 5));
      b[to] = bits ? (low << bits) | (high >>> (32 - bits)) : low;
      b[to + 1] = bits ? (high << bits) | (low >>> (32 - bits)) : high;
    }
    for (let y = 0; y < 50; y += 10) {
      for (let i = 0; i < 10; i++) a[y + i] = b[y + i] ^ (~b[y + ((i + 2) % 10)] & b[y + ((i + 4) % 10)]);
    }
    a[0] ^= lowConstant;
    a[1] ^= highConstant;
  }
}
