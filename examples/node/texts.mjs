// What is read from and written to text: JSON that keeps long numbers, and words that are safe to show.

// Ids of the provider have 18 digits, more than a number of JavaScript can hold.
const LONG_NUMBER = /\d{16}/;
const STRINGS_AND_LONG_NUMBERS = /"[^"\\]*(?:\\.[^"\\]*)*"|(?<![\w.+-])-?\d{16,}(?![\d.eE])/gs;

/** Parse JSON; whole numbers of 16 digits and more come back as text, digit for digit. */
export function parseJson(text) {
  if (!LONG_NUMBER.test(text)) return JSON.parse(text);
  return JSON.parse(text.replace(STRINGS_AND_LONG_NUMBERS, (part) => (part.startsWith('"') ? part : `"${part}"`)));
}

export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

const CHARACTERS_MAX = 300;
// Control characters, line separators, and those that turn the direction of writing.
const UNSAFE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
const escaped = (character) => `\\u${character.codePointAt(0).toString(16).padStart(4, "0")}`;

/** Return a text that came from elsewhere as it may be shown: in bounds, and without control characters. */
export function shown(text, charactersMax = CHARACTERS_MAX) {
  const all = String(text);
  // Cut first: a message can have a megabyte. Twice, since escapes are longer than what they stand for.
  const safe = all.slice(0, charactersMax).replace(UNSAFE, escaped).slice(0, charactersMax);
  return all.length > charactersMax ? `${safe}…` : safe;
}

/** Return how to take a key out of texts: it, its Base64, and the end by which people recognise it. */
export function keyRemover(key) {
  // A short one would stand in innocent words.
  if (key.length < 8) return (text) => text;
  const traces = [key, Buffer.from(key).toString("base64"), ...(key.length >= 24 ? [key.slice(-12)] : [])];
  return (text) => traces.reduce((rest, trace) => rest.replaceAll(trace, "[key]"), text);
}
