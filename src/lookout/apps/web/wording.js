// Figures and texts as people, and shells, read them.

const PLAIN_FOR_A_SHELL = /^[\w@%+:,./-]+$/;

/** Milliseconds with as many digits as mean something. */
export function milliseconds(ms) {
  return `${ms < 100 ? ms.toFixed(1) : Math.round(ms).toLocaleString("en")} ms`;
}

export const confidence = (value) => value.toFixed(2);

export const objectsCount = (count) => `${count} ${count === 1 ? "object" : "objects"}`;

export function bytes(count) {
  return count < 1e6 ? `${Math.max(1, Math.round(count / 1e3))} KB` : `${(count / 1e6).toFixed(1)} MB`;
}

/** "2 clock, kite": what was found, the most confident label first. */
export function summary(objects) {
  const counts = new Map();
  for (const { label } of objects) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].map(([label, count]) => (count > 1 ? `${count} ${label}` : label)).join(", ");
}

/** An answer as JSON, an object a line. */
export function json(answer) {
  const fields = Object.entries(answer).map(([name, value]) => {
    const lines = Array.isArray(value) && value.length ? `[\n${value.map(line).join(",\n")}\n  ]` : JSON.stringify(value);
    return `  ${JSON.stringify(name)}: ${lines}`;
  });
  return `{\n${fields.join(",\n")}\n}`;
}

const line = (value) => `    ${JSON.stringify(value)}`;

/** The command that asks a server for a picture's objects. A key is named, never shown. */
export function curl(address, file, mediaType, needsKey) {
  const parts = [`curl --data-binary ${quoted(`@${fileName(file.name)}`)}`, `-H ${quoted(`Content-Type: ${mediaType}`)}`];
  if (needsKey) parts.push('-H "X-API-Key: $LOOKOUT_API_KEY"');
  return [...parts, quoted(address)].join(" \\\n  ");
}

/** A name that a shell and curl take as it is; what no terminal should be given is replaced. */
function fileName(name) {
  const harmless = name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
  return harmless.startsWith("-") ? `./${harmless}` : harmless;
}

const quoted = (text) => (PLAIN_FOR_A_SHELL.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
