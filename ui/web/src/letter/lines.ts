import { diffIndices } from 'node-diff3'

/** One line of a comparison. `from` and `to` bound what differs within it, where its counterpart is known. */
export interface Line {
  sign: ' ' | '+' | '-'
  text: string
  from?: number
  to?: number
}

/** Lines that were left out because they are the same on both sides. */
export interface Skip {
  sign: '@'
  n: number
}

const around = 3
// Beyond this many pairs of lines a comparison line by line takes longer than anybody waits.
const most = 4_000_000

/** What a text became, line by line, with a few lines around each change. Empty when nothing changed. */
export function compare(before: string, after: string): (Line | Skip)[] {
  if (before === after) return []
  const a = before.split('\n')
  const b = after.split('\n')
  let head = 0
  while (head < a.length && head < b.length && a[head] === b[head]) head++
  let tail = 0
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++
  const left = a.slice(head, a.length - tail)
  const right = b.slice(head, b.length - tail)
  const blocks =
    left.length * right.length > most
      ? [{ from: 0, old: left, fresh: right }]
      : diffIndices(left, right).map(d => ({ from: d.buffer1[0], old: d.buffer1Content, fresh: d.buffer2Content }))

  const out: (Line | Skip)[] = []
  let done = 0 // lines of `a` that are shown or left out
  const same = (upTo: number, last: boolean) => {
    const from = done
    const lead = from === 0 && out.length === 0 ? 0 : around
    const keep = last ? 0 : around
    const hidden = upTo - from - lead - keep
    const line = (i: number) => out.push({ sign: ' ', text: a[i] ?? '' })
    if (hidden <= 1) for (let i = from; i < upTo; i++) line(i)
    else {
      for (let i = from; i < from + lead; i++) line(i)
      out.push({ sign: '@', n: hidden })
      for (let i = upTo - keep; i < upTo; i++) line(i)
    }
    done = upTo
  }
  for (const { from, old, fresh } of blocks) {
    same(head + from, false)
    const spans = old.length === fresh.length ? old.map((o, i) => span(o, fresh[i] ?? '')) : []
    out.push(...old.map((text, i): Line => ({ sign: '-', text, ...spans[i]?.[0] })))
    out.push(...fresh.map((text, i): Line => ({ sign: '+', text, ...spans[i]?.[1] })))
    done = head + from + old.length
  }
  same(a.length, true)
  return out
}

type Span = { from: number; to: number }

/** The parts in which two lines differ: all between their common beginning and their common end. */
function span(a: string, b: string): [Span, Span] {
  let head = 0
  while (head < a.length && head < b.length && a[head] === b[head]) head++
  // Half a character is none.
  if (/[\ud800-\udbff]/.test(a[head - 1] ?? '')) head--
  let tail = 0
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++
  if (/[\udc00-\udfff]/.test(a[a.length - tail] ?? '')) tail--
  return [
    { from: head, to: a.length - tail },
    { from: head, to: b.length - tail },
  ]
}
