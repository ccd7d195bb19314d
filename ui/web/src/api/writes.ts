import { pause } from '../parts/insist'
import type { ProblemBody } from './types'

/** A write as it goes over the wire. */
export interface Write {
  /** The Idempotency-Key: under it the console does the write once, however often it is asked. */
  key: string
  method: 'POST' | 'PUT' | 'DELETE'
  path: string
  /** JSON; null for none. */
  body: string | null
  headers: Record<string, string>
}

/** A write whose answer was lost: whether it was done is not known until the console answers under its key. */
export interface Unanswered {
  readonly write: Write
  /** Milliseconds since the epoch at which it was asked for first. */
  readonly at: number
  /** How often it was asked. */
  readonly tries: number
  /** asking: it is being asked. unknown: asking was given up, and a person may ask again. The rest: its answer came. */
  readonly state: 'asking' | 'unknown' | 'done' | 'failed'
  /** Nobody waits for its answer: it was asked for before the page was loaded anew, or a person asked again. */
  readonly orphan: boolean
  /** Milliseconds since the epoch at which asking was given up. */
  readonly ended?: number
  /** Why it failed. */
  readonly problem?: unknown
}

/** No answer, or none of the console: the connection was cut, or something on the way answered instead. */
export class Lost extends Error {
  readonly body: ProblemBody
  constructor(body: ProblemBody) {
    super(body.code)
    this.body = body
  }
}

/** How writes reach the console. It throws Lost when no answer came, and anything else as the answer. */
type Once = (w: Write, signal: AbortSignal) => Promise<string>

/** How long a write is asked about before that is left to a person, in milliseconds. */
export const patience = 5 * 60_000
// One try may take a little longer than the console takes for one write. A longer one goes on there, and the next try
// under its key waits for it.
const tryTime = 75_000
const pauses = [500, 1000, 2000, 4000, 8000, 15_000]
const store = 'dlq.unanswered'
// What would be kept over a reload is small, or not kept.
const keepable = 200_000
// Who presses the same again so soon after asking was given up means the same write.
const pressedAgain = 60_000

/**
 * Sends writes, and asks again under the same key when an answer is lost, until it is known what became of them. Those
 * without an answer when the page is loaded anew are asked about by the next page of the same tab.
 */
export class Writes {
  private items: readonly Unanswered[] = []
  /** Writes that are under way, answered or not, by their keys. */
  private readonly under = new Map<string, { kept: Kept; answer: Promise<string>; stop: () => void }>()
  private readonly listeners = new Set<() => void>()
  private readonly once: Once
  private actor = ''

  constructor(once: Once) {
    this.once = once
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }
  snapshot = (): readonly Unanswered[] => this.items

  /**
   * Does a write. Where the same one is being asked about, or its asking was given up just now, that one goes on: what a
   * person presses twice because no answer came is not done twice.
   */
  send(w: Write): Promise<string> {
    const open = this.items.find(
      u =>
        same(u.write, w) &&
        (u.state === 'asking' || (u.state === 'unknown' && Date.now() - (u.ended ?? 0) < pressedAgain)),
    )
    const write = open?.write ?? w
    const known = this.under.get(write.key)
    if (known) return known.answer
    const kept = { write, at: open?.at ?? Date.now(), tries: open?.tries ?? 0, actor: this.actor }
    const end = new AbortController()
    const answer = this.ask(kept, open?.orphan ?? false, end.signal).finally(() => {
      this.under.delete(write.key)
      this.save()
    })
    this.under.set(write.key, { kept, answer, stop: () => end.abort() })
    this.save()
    return answer
  }

  /** Ends the asking; it stays unknown what became of the write. */
  stop(key: string): void {
    this.under.get(key)?.stop()
  }

  /** Asks again about a write whose asking was given up. */
  again(key: string): void {
    const u = this.items.find(x => x.write.key === key)
    if (u?.state !== 'unknown') return
    this.put({ ...u, state: 'asking', orphan: true })
    this.adopt(u.write)
  }

  /** Takes one away that nobody asks about any more. */
  dismiss(key: string): void {
    if (!this.under.has(key)) this.drop(key)
  }

  /** Says who is logged in, and asks about the writes of this person that had no answer when the page was left. */
  resume(actor: string): void {
    if (this.actor === actor) return
    this.actor = actor
    for (const k of load()) {
      // Another person's write would be another write, and what is old may no longer be wanted.
      if (k.actor !== actor || Date.now() - k.at > patience || this.items.some(u => same(u.write, k.write))) continue
      this.put({ write: k.write, at: k.at, tries: k.tries + 1, state: 'asking', orphan: true })
      this.adopt(k.write)
    }
    this.save()
  }

  private adopt(w: Write): void {
    this.send(w).then(
      () => this.patch(w.key, { state: 'done' }),
      problem => {
        if (!(problem instanceof Lost)) this.patch(w.key, { state: 'failed', problem })
      },
    )
  }

  private async ask({ write, at, tries }: Kept, orphan: boolean, end: AbortSignal): Promise<string> {
    const until = Date.now() + patience
    for (;;) {
      tries++
      try {
        const text = await this.once(write, AbortSignal.any([end, AbortSignal.timeout(tryTime)]))
        if (!orphan) this.drop(write.key)
        return text
      } catch (e) {
        if (!(e instanceof Lost)) {
          if (!orphan) this.drop(write.key)
          throw tries > 1 ? afterLost(e) : e
        }
        const wait = pauses[Math.min(tries, pauses.length) - 1] ?? 0
        const more = !end.aborted && Date.now() + wait < until
        if (more) {
          this.put({ write, at, tries, state: 'asking', orphan })
          await pause(wait, end)
        }
        if (!more || end.aborted) {
          this.put({ write, at, tries, state: 'unknown', orphan, ended: Date.now() })
          throw e
        }
      }
    }
  }

  private put(u: Unanswered): void {
    const there = this.items.some(x => x.write.key === u.write.key)
    this.set(there ? this.items.map(x => (x.write.key === u.write.key ? u : x)) : [...this.items, u])
  }
  private patch(key: string, more: Partial<Unanswered>): void {
    this.set(this.items.map(u => (u.write.key === key ? { ...u, ...more } : u)))
  }
  private drop(key: string): void {
    if (this.items.some(u => u.write.key === key)) this.set(this.items.filter(u => u.write.key !== key))
  }
  private set(items: readonly Unanswered[]): void {
    this.items = items
    for (const l of this.listeners) l()
  }

  private save(): void {
    const kept = [...this.under.values()]
      .map(u => u.kept)
      // A message's bytes are not left in the browser's storage.
      .filter(k => !k.write.path.endsWith('/edits') && (k.write.body?.length ?? 0) < keepable)
    try {
      if (kept.length > 0) sessionStorage.setItem(store, JSON.stringify(kept))
      else sessionStorage.removeItem(store)
    } catch {
      // Storage may be full or forbidden: then a reload forgets, and the letter itself still says what became of it.
    }
  }
}

interface Kept {
  write: Write
  at: number
  tries: number
  actor: string
}

function load(): readonly Kept[] {
  try {
    const list: unknown = JSON.parse(sessionStorage.getItem(store) ?? '[]')
    return Array.isArray(list) ? list : []
  } catch {
    return []
  }
}

const same = (a: Write, b: Write) =>
  a.key === b.key || (a.method === b.method && a.path === b.path && a.body === b.body)

/** An error that came after an answer was lost: the write may have been done by the try that was not answered. */
function afterLost(e: unknown): unknown {
  const body = (e as { body?: ProblemBody }).body
  if (body) body.after_lost = true
  return e
}
