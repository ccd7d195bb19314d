/** A piece of one line of YAML, for colouring only. */
export interface Token {
  kind: 'comment' | 'key' | 'string' | 'number' | 'punct' | 'plain'
  text: string
}

const forms: readonly [Token['kind'], RegExp][] = [
  ['comment', /(?:^|(?<=\s))#.*$/y],
  ['key', /(?:"[^"]*"|'[^']*'|[A-Za-z_][\w.-]*)(?=\s*:(?:\s|$))/y],
  ['string', /"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'/y],
  ['number', /\b\d+(?:\.\d+)?(?:ms|[smhd]|\/s|KB|MB)?\b/y],
  ['punct', /[{}[\],:]|-(?=\s)/y],
  ['plain', /[^\s{}[\],:#"']+|\s+|./y],
]

/** Cuts a line into coloured pieces. It knows just enough YAML to be pleasant, and never loses a character. */
export function tokens(line: string): Token[] {
  const out: Token[] = []
  let at = 0
  while (at < line.length) {
    for (const [kind, form] of forms) {
      form.lastIndex = at
      const hit = form.exec(line)
      if (!hit || hit[0] === '') continue
      out.push({ kind, text: hit[0] })
      at = form.lastIndex
      break
    }
  }
  return out
}
