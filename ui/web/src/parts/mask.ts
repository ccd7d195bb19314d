// Characters that a page would hide or that would turn text round. They are shown by name, so that nobody is fooled by
// a key that reads other than it is.

/** A run of text, or one character that must be made visible. */
export interface Part {
  text: string
  /** U+202E and the like; absent for ordinary text. */
  name?: string
}

// C0 and C1 controls (not tab, line feed, carriage return), soft hyphen, zero-width and bidi controls, line and
// paragraph separators, BOM, interlinear and tag characters, and lone surrogates.
const hidden =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is what this is for
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|\u034f|[\u{e0000}-\u{e007f}]|\p{Surrogate}/gu

/** Cuts text into ordinary runs and characters to be shown by name. */
export function mask(text: string): Part[] {
  const parts: Part[] = []
  let from = 0
  for (const hit of text.matchAll(hidden)) {
    if (hit.index > from) parts.push({ text: text.slice(from, hit.index) })
    const cp = hit[0].codePointAt(0) ?? 0
    parts.push({ text: hit[0], name: `U+${cp.toString(16).toUpperCase().padStart(4, '0')}` })
    from = hit.index + hit[0].length
  }
  if (from < text.length) parts.push({ text: text.slice(from) })
  return parts
}

/** Whether text holds anything that must be shown by name. */
export function masked(text: string): boolean {
  hidden.lastIndex = 0
  const found = hidden.test(text)
  hidden.lastIndex = 0
  return found
}

/** Text for places that take no elements (titles, labels): hidden characters by name, cut at a length. */
export function plain(text: string, max = 300): string {
  const cut = text.length > max ? `${text.slice(0, max)}…` : text
  return masked(cut)
    ? mask(cut)
        .map(p => (p.name ? `⟨${p.name}⟩` : p.text))
        .join('')
    : cut
}

/** Cuts an id in its middle, where ids differ least. Surrogate pairs stay whole. */
export function middle(text: string, max: number): string {
  const chars = Array.from(text.length > max * 4 ? text.slice(0, max * 2) + text.slice(-max * 2) : text)
  if (chars.length <= max) return text
  const tail = Math.floor((max - 1) / 2)
  const head = max - 1 - tail
  return `${chars.slice(0, head).join('')}…${chars.slice(chars.length - tail).join('')}`
}
