import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { asProblem, Problem } from './client'
import { Lost, patience, type Write, Writes } from './writes'

const lost = () => Promise.reject(new Lost({ code: 'unanswered' }))
let n = 0
const discard = (key = `k${n++}`): Write => ({
  key,
  method: 'POST',
  path: '/letters/7/discard',
  body: '{"version":3,"note":"x"}',
  headers: { 'Idempotency-Key': key },
})
/** A console that loses the first answers. */
const losing = (times: number, then: () => Promise<string> = async () => '{"id":"7"}') => {
  let left = times
  return vi.fn((_: Write) => (left-- > 0 ? lost() : then()))
}

beforeEach(() => {
  vi.useFakeTimers()
  sessionStorage.clear()
})
afterEach(() => vi.useRealTimers())

describe('a write', () => {
  it('is asked for again under its key until the answer comes, and says so meanwhile', async () => {
    const once = losing(2)
    const writes = new Writes(once)
    const answer = writes.send(discard('k'))
    await vi.advanceTimersByTimeAsync(0)
    expect(writes.snapshot()).toMatchObject([{ state: 'asking', tries: 1 }])
    await vi.advanceTimersByTimeAsync(1500)
    await expect(answer).resolves.toBe('{"id":"7"}')
    expect(once.mock.calls.map(c => c[0].key)).toEqual(['k', 'k', 'k'])
    expect(writes.snapshot()).toEqual([])
  })

  it('is asked for at once when the browser is online again', async () => {
    const once = losing(5)
    const writes = new Writes(once)
    writes.send(discard()).catch(() => undefined)
    await vi.advanceTimersByTimeAsync(8000)
    const before = once.mock.calls.length
    window.dispatchEvent(new Event('online'))
    await vi.advanceTimersByTimeAsync(0)
    expect(once).toHaveBeenCalledTimes(before + 1)
  })

  it('takes an answer for what it is, and never asks again', async () => {
    const once = vi.fn(async () => Promise.reject(new Problem({ code: 'refused' })))
    const writes = new Writes(once)
    await expect(writes.send(discard())).rejects.toMatchObject({ code: 'refused' })
    await vi.advanceTimersByTimeAsync(patience)
    expect(once).toHaveBeenCalledTimes(1)
    expect(writes.snapshot()).toEqual([])
  })

  it('that is refused after a lost answer may have been done by the lost one', async () => {
    const writes = new Writes(losing(1, async () => Promise.reject(new Problem({ code: 'conflict' }))))
    const answer = writes.send(discard())
    answer.catch(() => undefined)
    await vi.advanceTimersByTimeAsync(1000)
    await expect(answer).rejects.toMatchObject({ body: { code: 'conflict', after_lost: true } })
  })

  it('stays unknown when no answer comes, and can be asked about again under its key', async () => {
    const once = losing(1000)
    const writes = new Writes(once)
    const answer = writes.send(discard('k'))
    answer.catch(() => undefined)
    await vi.advanceTimersByTimeAsync(patience + 1000)
    const why = await answer.catch(e => e)
    expect(asProblem(why).code).toBe('unanswered')
    expect(writes.snapshot()).toMatchObject([{ state: 'unknown' }])
    const tries = once.mock.calls.length
    expect(tries).toBeGreaterThan(10)
    expect(tries).toBeLessThan(40)
    once.mockImplementation(async () => '{}')
    writes.again('k')
    await vi.advanceTimersByTimeAsync(0)
    expect(once.mock.lastCall?.[0].key).toBe('k')
    expect(writes.snapshot()).toMatchObject([{ state: 'done' }])
    writes.dismiss('k')
    expect(writes.snapshot()).toEqual([])
  })

  it('pressed again right after that is the same write, and much later another', async () => {
    const once = losing(1000)
    const writes = new Writes(once)
    for (const later of [0, 1000]) {
      const answer = writes.send(discard(later ? 'b' : 'a'))
      answer.catch(() => undefined)
      await vi.advanceTimersByTimeAsync(0)
      writes.stop('a')
      await vi.advanceTimersByTimeAsync(later)
    }
    expect(new Set(once.mock.calls.map(c => c[0].key))).toEqual(new Set(['a']))
    await vi.advanceTimersByTimeAsync(120_000)
    writes.send(discard('c')).catch(() => undefined)
    expect(once.mock.lastCall?.[0].key).toBe('c')
    writes.stop('c')
    await vi.advanceTimersByTimeAsync(0)
  })
})

describe('a reload', () => {
  it('goes on asking for the same person, and for nobody else', async () => {
    const before = new Writes(losing(1000))
    before.resume('anna')
    before.send(discard('k')).catch(() => undefined)
    await vi.advanceTimersByTimeAsync(3000)
    const kept = sessionStorage.getItem('dlq.unanswered')
    expect(kept).toContain('"k"')

    const once = losing(1)
    const other = new Writes(once)
    other.resume('li.wei')
    await vi.advanceTimersByTimeAsync(10_000)
    expect(once).not.toHaveBeenCalled()

    sessionStorage.setItem('dlq.unanswered', kept ?? '')
    const after = new Writes(once)
    after.resume('anna')
    expect(after.snapshot()).toMatchObject([{ state: 'asking', orphan: true }])
    await vi.advanceTimersByTimeAsync(10_000)
    expect(once.mock.calls.map(c => c[0].key)).toEqual(['k', 'k'])
    expect(after.snapshot()).toMatchObject([{ state: 'done' }])
    before.stop('k')
    await vi.advanceTimersByTimeAsync(0)
  })

  it('keeps a write that was on its way, but no message and nothing old', async () => {
    const never = () => new Promise<string>(() => undefined)
    const before = new Writes(never)
    before.resume('anna')
    before.send({ ...discard('edit'), path: '/letters/7/edits' })
    expect(sessionStorage.getItem('dlq.unanswered')).toBeNull()
    before.send(discard('k'))
    expect(sessionStorage.getItem('dlq.unanswered')).toContain('"k"')
    await vi.advanceTimersByTimeAsync(patience + 1)
    const once = losing(0)
    new Writes(once).resume('anna')
    expect(once).not.toHaveBeenCalled()
  })
})
