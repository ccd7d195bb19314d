import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Live } from './live'

class Source extends EventTarget {
  static readonly OPEN = 1
  static readonly CLOSED = 2
  static all: Source[] = []
  readyState = 0
  onopen?: () => void
  onerror?: () => void
  readonly url: string
  constructor(url: string) {
    super()
    this.url = url
    Source.all.push(this)
  }
  close() {
    this.readyState = Source.CLOSED
  }
  open() {
    this.readyState = Source.OPEN
    this.onopen?.()
  }
  fail(readyState: number) {
    this.readyState = readyState
    this.onerror?.()
  }
  say(type: string, data: unknown) {
    this.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data) }))
  }
}
const last = () => Source.all.at(-1) as Source
const handlers = { changes: vi.fn(), status: vi.fn(), resync: vi.fn(), back: vi.fn() }
let live: Live

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('EventSource', Source)
  for (const h of Object.values(handlers)) h.mockClear()
  Source.all = []
  live = new Live('/events', handlers)
  live.start()
})
afterEach(() => {
  live.stop()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

describe('the stream of events', () => {
  it('is live once it is open, and tells changes and status', () => {
    expect(live.snapshot().kind).toBe('connecting')
    last().open()
    expect(live.snapshot().kind).toBe('live')
    last().say('hello', { last_event: '7' })
    last().say('changes', { last_event: '9', arrived: 2, changed: ['1', '2'] })
    last().say('status', { version: 'x' })
    expect(handlers.changes).toHaveBeenCalledExactlyOnceWith({ arrived: 2, changed: ['1', '2'], more: false })
    expect(handlers.status).toHaveBeenCalledExactlyOnceWith({ version: 'x' })
    expect(handlers.resync).not.toHaveBeenCalled()
  })

  it('notices what it missed between two connections', () => {
    last().say('hello', { last_event: '7' })
    last().say('changes', { last_event: '9' })
    last().say('hello', { last_event: '9' })
    expect(handlers.resync).not.toHaveBeenCalled()
    last().say('hello', { last_event: '12' })
    expect(handlers.resync).toHaveBeenCalledTimes(1)
  })

  it('leaves a cut to the browser, and connects anew after a refusal, ever more slowly', () => {
    last().open()
    last().fail(0)
    expect(live.snapshot().kind).toBe('lost')
    vi.advanceTimersByTime(60_000)
    expect(Source.all).toHaveLength(1)
    last().fail(Source.CLOSED)
    vi.advanceTimersByTime(1000)
    expect(Source.all).toHaveLength(2)
    last().fail(Source.CLOSED)
    vi.advanceTimersByTime(1999)
    expect(Source.all).toHaveLength(2)
    vi.advanceTimersByTime(1)
    expect(Source.all).toHaveLength(3)
    last().open()
    expect(live.snapshot().kind).toBe('live')
  })

  it('tells nothing while it is paused, and everything may have changed after', () => {
    last().open()
    live.toggle()
    last().say('changes', { last_event: '9', arrived: 2, changed: ['1'] })
    last().say('resync', {})
    expect(live.snapshot().kind).toBe('paused')
    expect(handlers.changes).not.toHaveBeenCalled()
    expect(handlers.resync).not.toHaveBeenCalled()
    live.toggle()
    expect(live.snapshot().kind).toBe('live')
    expect(handlers.resync).toHaveBeenCalledTimes(1)
  })

  it('ends when it is stopped', () => {
    last().open()
    last().fail(Source.CLOSED)
    live.stop()
    vi.advanceTimersByTime(60_000)
    expect(Source.all).toHaveLength(1)
  })
})
