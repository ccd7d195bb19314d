/** What a place in the text of rules.yaml is about. */
export interface Place {
  /** The keys that lead to it, outermost first; '[]' for a member of a list. */
  path: string[]
  kind: 'key' | 'value'
  /** Where the word begins that is being written. */
  from: number
}

interface Level {
  column: number
  key: string // '[]' for a member of a list
}

/**
 * Finds out what stands at an offset. It goes by indentation and brackets, so that it also works in a text that is just
 * being written and is no YAML yet. Brackets that go over several lines are not followed.
 */
export function where(text: string, offset: number): Place {
  const start = text.lastIndexOf('\n', offset - 1) + 1
  const levels: Level[] = []
  for (const line of text.slice(0, start).split('\n')) enter(levels, line)
  return within(levels, text.slice(start, offset), start)
}

const keyForm = /^(?:"((?:[^"\\]|\\.)*)"|'((?:[^']|'')*)'|([^\s#{}[\],"'][^#]*?))\s*:(?=\s|$)/

function keyOf(m: RegExpExecArray): string {
  return m[1] ?? m[2] ?? m[3] ?? ''
}

/** Reads the indentation, the dashes and the key of a line; what follows is given back with its column. */
function enter(levels: Level[], line: string): { rest: string; column: number; keyed: boolean } {
  let column = line.length - line.trimStart().length
  let rest = line.slice(column)
  if (rest === '' || rest.startsWith('#')) return { rest: '', column, keyed: false }
  while (/^-(\s|$)/.test(rest)) {
    while (
      levels.length > 0 &&
      (levels.at(-1) as Level).column > column - ((levels.at(-1) as Level).key === '[]' ? 1 : 0)
    )
      levels.pop()
    levels.push({ column, key: '[]' })
    const after = rest.slice(1)
    const blanks = after.length - after.trimStart().length
    column += 1 + blanks
    rest = after.slice(blanks)
  }
  const m = keyForm.exec(rest)
  if (!m) return { rest, column, keyed: false }
  while (levels.length > 0 && (levels.at(-1) as Level).column >= column) levels.pop()
  levels.push({ column, key: keyOf(m) })
  return { rest: rest.slice(m[0].length), column: column + m[0].length, keyed: true }
}

/** The place at the end of a line's beginning, in the levels that the lines above left. */
function within(levels: Level[], line: string, start: number): Place {
  const blank = line.trim() === ''
  const { rest, column, keyed } = enter(levels, line)
  if (!keyed && !/^[{[]/.test(rest)) {
    // A key of its own, or a member of a list: what stands above and further left is around it.
    while (
      levels.length > 0 &&
      (levels.at(-1) as Level).column >= column &&
      !(blank && (levels.at(-1) as Level).column < line.length)
    )
      levels.pop()
    const from = start + column
    return { path: levels.map(l => l.key), kind: 'key', from }
  }
  const path = levels.map(l => l.key)
  return flow(path, rest, start + column)
}

/** Follows brackets within a line. */
function flow(path: string[], rest: string, start: number): Place {
  const open: { list: boolean; key?: string }[] = []
  let word = 0
  let quote = ''
  for (let i = 0; i < rest.length; i++) {
    const c = rest[i] as string
    if (quote) {
      if (c === '\\' && quote === '"') i++
      else if (c === quote) quote = ''
      continue
    }
    const top = open.at(-1)
    if ((c === '"' || c === "'") && rest.slice(word, i).trim() === '') quote = c
    else if (c === '{' || c === '[') {
      open.push({ list: c === '[' })
      word = i + 1
    } else if (c === '}' || c === ']') {
      open.pop()
      word = i + 1
    } else if (c === ',') {
      if (top) delete top.key
      word = i + 1
    } else if (c === ':' && top && !top.list && top.key === undefined && /[\s]|$/.test(rest[i + 1] ?? '')) {
      top.key = rest
        .slice(word, i)
        .trim()
        .replace(/^(["'])(.*)\1$/, '$2')
      word = i + 1
    }
  }
  const inner = [...path]
  for (const level of open) {
    if (level.list) inner.push('[]')
    else if (level.key !== undefined) inner.push(level.key)
  }
  const top = open.at(-1)
  while (word < rest.length && /\s/.test(rest[word] as string)) word++
  return { path: inner, kind: top && !top.list && top.key === undefined ? 'key' : 'value', from: start + word }
}
