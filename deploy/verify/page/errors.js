/* The verifier's one error, with the codes that `lockgate verify` gives. */

export class VerificationError extends Error {
  constructor(code, message, hint = "") {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

export function refuse(code, message, hint = "") {
  throw new VerificationError(code, message, hint);
}

/* Runs a step; what it refuses is refused under another code. */
export async function under(code, step, prefix = "") {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    throw new VerificationError(code, prefix + error.message, error.hint);
  }
}
