import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Problem } from '../api/client'
import type { Letter, Replay } from '../api/types'
import { type Pending, UndoQueue, undoFor } from './undo'

const letter = { id: '7', title: 'PAY-7', group: 'pay-service' }
const answer = { replay: { id: 'abc' } as Replay, letter: { id: '7', version: 4 } as Letter }

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

describe('undo', () => {
  it('sends nothing before its time is over, then sends once', async () => {
    const send = vi.fn(async (_: Pending) => answer)
    const q = new UndoQueue(send)
    q.add(letter, { version: 3, delay: '10s' })
    await vi.advanceTimersByTimeAsync(undoFor - 1)
    expect(send).not.toHaveBeenCalled()
    expect(q.snapshot()[0]).toMatchObject({ state: 'waiting', delay: '10s', letterID: '7' })
    await vi.advanceTimersByTimeAsync(1)
    expect(send).toHaveBeenCalledTimes(1)
    expect(send.mock.calls[0]?.[0].request).toEqual({ version: 3, delay: '10s' })
    expect(q.snapshot()[0]).toMatchObject({ state: 'done', replay: { id: 'abc' } })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(send).toHaveBeenCalledTimes(1)
    expect(q.snapshot()).toEqual([])
  })

  it('never sends what was undone', async () => {
    const send = vi.fn(async (_: Pending) => answer)
    const q = new UndoQueue(send)
    q.add(letter, { version: 3 })
    q.cancel(q.snapshot()[0]?.key ?? '')
    expect(q.snapshot()).toEqual([])
    await vi.advanceTimersByTimeAsync(undoFor * 2)
    expect(send).not.toHaveBeenCalled()
  })

  it('keeps one replay for each letter, and several letters apart', async () => {
    const send = vi.fn(async (_: Pending) => answer)
    const q = new UndoQueue(send)
    q.add(letter, { version: 3 })
    q.add(letter, { version: 3, delay: '1m' })
    q.add({ ...letter, id: '8' }, { version: 1 })
    expect(q.snapshot()).toHaveLength(2)
    expect(q.of('7')?.delay).toBe('')
    q.cancel(q.of('7')?.key ?? '')
    await vi.advanceTimersByTimeAsync(undoFor)
    expect(send.mock.calls.map(c => c[0].letterID)).toEqual(['8'])
  })

  it('cannot be undone while it is being sent, nor sent twice by hand', async () => {
    let done: (a: typeof answer) => void = () => undefined
    const send = vi.fn((_: Pending) => new Promise<typeof answer>(resolve => (done = resolve)))
    const q = new UndoQueue(send)
    q.add(letter, { version: 3 })
    const key = q.snapshot()[0]?.key ?? ''
    q.fire(key)
    q.fire(key)
    q.cancel(key)
    await vi.advanceTimersByTimeAsync(undoFor * 2)
    expect(send).toHaveBeenCalledTimes(1)
    expect(q.snapshot()[0]?.state).toBe('sending')
    done(answer)
    await vi.advanceTimersByTimeAsync(0)
    expect(q.snapshot()[0]?.state).toBe('done')
  })

  it('keeps a failure until it is seen or the letter is replayed again', async () => {
    const problem = new Problem({ code: 'conflict', letter: answer.letter })
    const send = vi.fn(async (_: Pending) => Promise.reject(problem))
    const q = new UndoQueue(send)
    q.add(letter, { version: 3 })
    await vi.advanceTimersByTimeAsync(undoFor * 10)
    expect(q.snapshot()[0]).toMatchObject({ state: 'failed', problem })
    q.add(letter, { version: 4 })
    expect(q.snapshot()).toHaveLength(1)
    expect(q.snapshot()[0]?.state).toBe('waiting')
  })

  it('is unknown when no answer came, and asks again under its key', async () => {
    const send = vi.fn(async (_: Pending) => Promise.reject(new Problem({ code: 'unanswered' })))
    const q = new UndoQueue(send as unknown as (p: Pending) => Promise<typeof answer>)
    q.add(letter, { version: 3 })
    const key = q.snapshot()[0]?.key ?? ''
    await vi.advanceTimersByTimeAsync(undoFor)
    expect(q.snapshot()[0]?.state).toBe('unknown')
    send.mockImplementation(async () => answer as never)
    q.again(key)
    await vi.advanceTimersByTimeAsync(0)
    expect(send.mock.calls.map(c => c[0].key)).toEqual([key, key])
    expect(q.snapshot()[0]).toMatchObject({ state: 'done', replay: { id: 'abc' } })
  })

  it('tells those who watch', () => {
    const q = new UndoQueue(async () => answer)
    const seen = vi.fn()
    const stop = q.subscribe(seen)
    q.add(letter, { version: 3 })
    expect(seen).toHaveBeenCalledTimes(1)
    stop()
    q.cancel(q.snapshot()[0]?.key ?? '')
    expect(seen).toHaveBeenCalledTimes(1)
  })
})
