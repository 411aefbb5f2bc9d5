const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

let time = 0;
let digits = new Uint8Array(16);

/**
 * Returns a new id: 48 bits of time and 80 random bits, in Crockford's base 32.
 * Each id sorts after the previous one, even within a millisecond and after the
 * clock was set back.
 */
export function ulid(now = Date.now()): string {
  if (now > time) {
    time = now;
    digits = crypto.getRandomValues(digits).map(byte => byte % 32);
  } else {
    increment();
  }
  let id = "";
  for (let rest = time; id.length < 10; rest = Math.floor(rest / 32)) id = alphabet[rest % 32] + id;
  for (const digit of digits) id += alphabet[digit];
  return id;
}

function increment(): void {
  for (let i = digits.length - 1; i >= 0; i--) {
    digits[i] = (digits[i]! + 1) % 32;
    if (digits[i] !== 0) return;
  }
  time++;
}
