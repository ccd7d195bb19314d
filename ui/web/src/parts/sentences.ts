import { code, currentLang } from '../i18n/i18n'

// Sentences of the server that come without a code, as the program writes them; a name in braces stands for what it puts
// there. English is shown as it comes, so only other languages have words for them, which come with theirs.
let forms: readonly (readonly [form: RegExp, words: string])[] = []

/** Puts the words for sentences in force. */
export function learn(sentences: Readonly<Record<string, string>>): void {
  forms = Object.entries(sentences)
    // What names more says more: "the field … is empty" stands before "the field … is …".
    .sort(([a], [b]) => fixed(b) - fixed(a))
    .map(([text, words]) => [
      new RegExp(`^${text.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(place, put)}$`, 's'),
      words,
    ])
}

// Only what says why may hold a colon with a blank, which separates one sentence from the next.
// What begins a sentence is a name, which has no blanks: else any words before it would be taken for one.
const put = (_: string, name: string, at: number) =>
  name === 'code'
    ? '(?<code>-?\\d+)'
    : name === 'why'
      ? '(?<why>.+?)'
      : at === 0
        ? `(?<${name}>\\S+)`
        : `(?<${name}>(?:(?!: ).)+?)`
const place = /\{(\w+)\}/g
const fixed = (text: string) => text.replace(place, '').length

// What a sentence puts in its places that are codes.
const families: Readonly<Record<string, string>> = {
  state: 'state',
  trigger: 'trigger',
  actor: 'actor',
  event: 'event',
  operation: 'operation.state',
  delivery: 'delivery.state',
}

/** A sentence of the server in the page's language; undefined where it is English anyway, or not known. */
export function sentenceWords(text: string): string | undefined {
  if (currentLang() === 'en') return undefined
  const whole = known(text)
  if (whole) return whole
  // What a broker, an endpoint or the system says stands behind a colon, as it came.
  for (let at = text.indexOf(': '); at > 0; at = text.indexOf(': ', at + 1)) {
    const first = known(text.slice(0, at))
    const rest = text.slice(at + 2)
    if (first) return `${first.replace(/。$/, '')}：${sentenceWords(rest) ?? `“${rest}”`}`
  }
  return undefined
}

function known(text: string): string | undefined {
  for (const [form, words] of forms) {
    const hit = form.exec(text)
    if (!hit) continue
    return words.replace(place, (whole, name: string) => {
      const v = hit.groups?.[name]
      if (v === undefined) return whole
      if (name === 'why' || name === 'did') return sentenceWords(v) ?? v
      const family = families[name]
      return family ? code(family, v) : v
    })
  }
  return undefined
}
