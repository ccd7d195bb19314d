// JSON as it was written: numbers keep every digit, repeated keys stay, order stays. JSON.parse would change an order
// number above 2^53 before anybody sees it.

export type Node =
  | { kind: 'object'; entries: [string, Node][] }
  | { kind: 'array'; items: Node[] }
  | { kind: 'string'; value: string }
  | { kind: 'number'; raw: string }
  | { kind: 'literal'; raw: 'true' | 'false' | 'null' }

const deepest = 400

/** Reads a JSON text; undefined when it is none, or nested so deeply that nobody could read it anyway. */
export function parseJSON(text: string): Node | undefined {
  const p = new Parser(text)
  try {
    const node = p.value(0)
    p.blank()
    return p.at === text.length ? node : undefined
  } catch (e) {
    if (e instanceof SyntaxError) return undefined
    throw e
  }
}

/** Where a text stops being JSON. Lines and columns count from 1. */
export interface Fault {
  at: number
  line: number
  column: number
}

/** The first place at which a text is not JSON; undefined when all of it is. */
export function jsonFault(text: string): Fault | undefined {
  const p = new Parser(text)
  try {
    p.value(0)
    p.blank()
    if (p.at === text.length) return undefined
  } catch (e) {
    if (!(e instanceof SyntaxError)) throw e
  }
  const before = text.slice(0, p.at)
  const start = before.lastIndexOf('\n') + 1
  return { at: p.at, line: before.split('\n').length, column: Array.from(before.slice(start)).length + 1 }
}

/**
 * JSON laid out in lines, or all in one. Only the blanks between its tokens change: numbers keep every digit, strings
 * their escapes, repeated keys stay.
 */
export function layJSON(text: string, lines: boolean): string {
  const out: string[] = []
  let depth = 0
  let empty = true
  const fresh = () => {
    if (lines) out.push('\n', '  '.repeat(depth))
  }
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/gs)) {
    if (token === '}' || token === ']') {
      depth--
      if (!empty) fresh()
      out.push(token)
      empty = false
      continue
    }
    if (token === ',') {
      out.push(token)
      fresh()
      continue
    }
    if (token === ':') {
      out.push(lines ? ': ' : ':')
      continue
    }
    if (empty && depth > 0) fresh()
    out.push(token)
    empty = token === '{' || token === '['
    if (empty) depth++
  }
  return out.join('')
}

const numberForm = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them inside a string
const stringForm = /"[^"\\\u0000-\u001f]*(?:\\.[^"\\\u0000-\u001f]*)*"/y
const literals = ['true', 'false', 'null'] as const

class Parser {
  at = 0
  private readonly text: string
  constructor(text: string) {
    this.text = text
  }

  blank(): void {
    for (;;) {
      const c = this.text.charCodeAt(this.at)
      if (c !== 32 && c !== 10 && c !== 13 && c !== 9) return
      this.at++
    }
  }

  value(depth: number): Node {
    if (depth > deepest) throw new SyntaxError('too deep')
    this.blank()
    switch (this.text[this.at]) {
      case '{':
        return this.object(depth)
      case '[':
        return this.array(depth)
      case '"':
        return { kind: 'string', value: this.string() }
    }
    for (const raw of literals)
      if (this.text.startsWith(raw, this.at)) {
        this.at += raw.length
        return { kind: 'literal', raw }
      }
    return { kind: 'number', raw: this.take(numberForm) }
  }

  private take(form: RegExp): string {
    form.lastIndex = this.at
    const hit = form.exec(this.text)
    if (!hit) throw new SyntaxError(`unexpected character at ${this.at}`)
    this.at = form.lastIndex
    return hit[0]
  }

  private string(): string {
    // The quoted form is valid JSON by itself; only its escapes are left to be undone.
    return JSON.parse(this.take(stringForm)) as string
  }

  private eat(c: string): boolean {
    this.blank()
    if (this.text[this.at] !== c) return false
    this.at++
    return true
  }

  private object(depth: number): Node {
    this.at++
    const entries: [string, Node][] = []
    if (this.eat('}')) return { kind: 'object', entries }
    do {
      this.blank()
      const key = this.string()
      if (!this.eat(':')) throw new SyntaxError('no colon')
      entries.push([key, this.value(depth + 1)])
    } while (this.eat(','))
    if (!this.eat('}')) throw new SyntaxError('object not closed')
    return { kind: 'object', entries }
  }

  private array(depth: number): Node {
    this.at++
    const items: Node[] = []
    if (this.eat(']')) return { kind: 'array', items }
    do items.push(this.value(depth + 1))
    while (this.eat(','))
    if (!this.eat(']')) throw new SyntaxError('array not closed')
    return { kind: 'array', items }
  }
}

/** The bytes as UTF-8 text; undefined when they are not UTF-8. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** The text inside a base64 text; undefined when it is not base64 of UTF-8, or too short to be told from a word. */
export function base64Text(text: string): string | undefined {
  if (text.length < 16 || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined
  try {
    const inner = utf8(Uint8Array.from(atob(text), c => c.charCodeAt(0)))
    // Words of letters alone are valid base64 too, but of nothing that anybody would read.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is what this is for
    return inner !== undefined && !/[\u0000-\u0008\u000e-\u001f]/.test(inner) ? inner : undefined
  } catch {
    return undefined
  }
}

/** One line of sixteen bytes as people read them: offset, hex, characters. */
export function hexLine(bytes: Uint8Array, from: number): [string, string, string] {
  const part = bytes.subarray(from, from + 16)
  const hex = Array.from(part, b => b.toString(16).padStart(2, '0'))
  return [
    from.toString(16).padStart(8, '0'),
    `${hex.slice(0, 8).join(' ')}  ${hex.slice(8).join(' ')}`.trimEnd(),
    Array.from(part, b => (b >= 32 && b < 127 ? String.fromCharCode(b) : '·')).join(''),
  ]
}
