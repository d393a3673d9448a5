// The API key: kept for this tab alone.

const NAME = "lookout-api-key";

let kept = "";
try {
  kept = sessionStorage.getItem(NAME) ?? "";
} catch {
  // Storage is blocked here; then the key lives as long as the page.
}

export const apiKey = () => kept;

export function keepApiKey(key) {
  kept = key;
  try {
    sessionStorage.setItem(NAME, key);
  } catch {
    // As above.
  }
}
