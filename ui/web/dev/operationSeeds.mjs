// MOCK OPERATIONS of a new console, in all the states that a page shows.
import { hour, iso, minute } from './data.mjs'

export const states = [
  'pending',
  'sending',
  'waiting',
  'confirmed',
  'assumed',
  'failed_again',
  'send_failed',
  'unknown',
  'skipped',
  'done',
]
export const slot = 5000
const careful = { pace: { rate: 50, ramp_up: '30s', concurrency: 0 }, canary: { letters: 1, percent: 1 } }
const brake = { of: 20, above: 50 }

/** The operations of a new console, in all the states that a page shows. */
export function makeOperations(now, letters) {
  const all = [...letters.values()].map(x => x.detail).filter(l => Number(l.id) <= 400)
  const o = { list: [], next: 1 }
  const add = (more, counts, detail = {}) => {
    const n = o.next++
    const spread = states.flatMap(s => Array(counts[s] ?? 0).fill(s))
    // What is still to come stands at the end; what became of the others is mixed evenly.
    const done = spread.filter(s => s !== 'pending')
    const mixed = done.map((_, i) => done[(i * 7919) % done.length])
    const even = done.length % 7919 === 0 ? done : mixed
    const at = more.started_at ?? iso(now - n * hour)
    const op = {
      id: `seed-${n}`,
      number: n,
      version: 4,
      kind: 'replay',
      state: 'settled',
      actor: 'anna',
      note: '',
      spec: { replay: { target: {} }, ...careful, brake },
      letters: spread.length,
      canary_letters: Math.ceil(spread.length / 100),
      created_at: iso(Date.parse(at) - 2 * minute),
      started_at: at,
      changed_at: at,
      rate: 0,
      ...more,
      ids: spread.map((_, i) => all[(i * 3) % all.length].id),
      states: [...even, ...spread.filter(s => s === 'pending')],
      details: detail,
      log: [],
      points: [],
      every: 9,
    }
    op.points = history(op, Date.parse(at))
    log(op, 'created', op.actor, Date.parse(op.created_at), { detail: { letters: String(op.letters) } })
    if (op.state !== 'draft') {
      log(op, 'started', op.actor, Date.parse(at), { note: op.note })
      log(op, 'began', 'automation', Date.parse(at))
    }
    if (op.kind !== 'replay') {
      op.canary_letters = 0
      op.spec = {
        pace: { rate: 0, ramp_up: '0s', concurrency: 0 },
        canary: { letters: 0, percent: 0 },
        brake: { of: 0, above: 0 },
      }
    }
    o.list.push(op)
    return op
  }
  const first = add(
    {
      note: 'bank gateway was down from 02:10 to 03:40; it is back',
      query: 'tab=attention&reason=payment_timeout&consumer_group=pay-service',
      started_at: iso(now - 9 * hour),
      ended_at: iso(now - 9 * hour + 14 * minute),
      settled_at: iso(now - 9 * hour + 31 * minute),
      end: 'completed',
    },
    { confirmed: 12_204, assumed: 311, failed_again: 96, send_failed: 2, unknown: 4, skipped: 223 },
  )
  log(first, 'canary_passed', 'automation', now - 9 * hour + 20_000)
  log(first, 'paced', 'li.wei', now - 9 * hour + 2 * minute, { detail: { rate: '200' } })
  log(first, 'completed', 'automation', Date.parse(first.ended_at))
  log(first, 'settled', 'automation', Date.parse(first.settled_at))
  add(
    {
      kind: 'discard',
      note: '压测产生的测试订单，不需要处理',
      actor: 'li.wei',
      query: 'tab=attention&q=LOADTEST',
      started_at: iso(now - 7 * hour),
      ended_at: iso(now - 7 * hour + minute),
      settled_at: iso(now - 7 * hour + minute),
      end: 'completed',
    },
    { done: 380, skipped: 20 },
  )
  const cancelled = add(
    {
      note: 'wrong filter, see the log',
      actor: 'ops@example.com',
      started_at: iso(now - 5 * hour),
      ended_at: iso(now - 5 * hour + minute),
      settled_at: iso(now - 5 * hour + 4 * minute),
      end: 'cancelled',
    },
    { confirmed: 41, failed_again: 7, skipped: 352 },
  )
  log(cancelled, 'cancelled', 'anna', Date.parse(cancelled.ended_at), { note: 'these are not ours' })
  const failed = add(
    {
      kind: 'restore',
      note: 'discarded by mistake',
      started_at: iso(now - 4 * hour),
      ended_at: iso(now - 4 * hour + minute),
      settled_at: iso(now - 4 * hour + minute),
      end: 'failed',
      cause_detail: { error: 'the disk is full' },
    },
    { done: 12, skipped: 38 },
  )
  log(failed, 'failed', 'automation', Date.parse(failed.ended_at), { detail: { error: 'the disk is full' } })
  const settling = add(
    {
      note: '支付网关恢复后重投',
      actor: 'li.wei',
      query: 'tab=attention&reason=network_timeout',
      started_at: iso(now - 40 * minute),
      ended_at: iso(now - 36 * minute),
      end: 'completed',
      state: 'settling',
    },
    { confirmed: 288, waiting: 54, failed_again: 3, skipped: 5 },
  )
  log(settling, 'completed', 'automation', Date.parse(settling.ended_at))
  const worst = all.find(l => l.reason === 'data_format_error')
  const broken = add(
    {
      note: 'parser 2.4.1 is out, try all of them again',
      query: 'tab=attention&reason=data_format_error',
      started_at: iso(now - 26 * minute),
      resumed_at: iso(now - 26 * minute),
      state: 'paused',
      cause: 'breaker',
      cause_detail: {
        fingerprint: worst.fingerprint,
        reason: worst.reason,
        failed: '11',
        of: '20',
        above: '50',
      },
      version: 6,
    },
    { confirmed: 31, waiting: 4, failed_again: 24, skipped: 3, pending: 238 },
  )
  log(broken, 'canary_passed', 'automation', now - 25 * minute)
  log(broken, 'paused', 'automation', now - 22 * minute, { detail: { cause: 'breaker', ...broken.cause_detail } })
  add(
    {
      note: 'coupons, only at night',
      actor: 'ops@example.com',
      query: 'tab=attention&topic=notifications',
      started_at: iso(now - 20 * minute),
      state: 'paused',
      cause: 'window',
      opens_at: iso(now + 5 * hour),
      spec: {
        replay: { target: {}, spread: '1h', keep_order: true },
        ...careful,
        brake,
        window: { from: '02:00', to: '05:00', zone: 'Asia/Shanghai' },
      },
    },
    { confirmed: 60, pending: 140 },
  )
  const running = add(
    {
      note: 'pool was enlarged to 64 connections, ticket OPS-4711',
      query: 'tab=attention&reason=system_error',
      started_at: iso(now - 3 * minute),
      state: 'running',
      rate: 42.4,
      done_at: iso(now + 14_000),
      version: 5,
    },
    { confirmed: 702, assumed: 12, waiting: 61, sending: 8, failed_again: 22, skipped: 7, pending: 500 },
  )
  log(running, 'canary_passed', 'automation', now - 2 * minute)
  return o
}

function history(op, from) {
  const acted = op.kind === 'replay' ? 'waiting' : 'done'
  const points = []
  const done = op.states.filter(s => s !== 'pending' && s !== 'sending' && s !== 'skipped')
  const slots = Math.min(40, Math.max(1, Math.ceil(done.length / 8)))
  for (let i = 0; i < slots + 3; i++) {
    const counts = {}
    // It rises, holds, and falls a little; outcomes follow three slots later.
    const share = j => (j < 0 || j >= slots ? 0 : (Math.min(1, (j + 1) / 5) * (1 + 0.15 * Math.sin(j * 1.7))) / slots)
    const total = [...Array(slots).keys()].reduce((n, j) => n + share(j), 0)
    const part = j => share(j) / total
    const sent = Math.round(done.length * part(i))
    if (sent > 0) counts[acted] = sent
    if (acted === 'waiting')
      for (const s of ['confirmed', 'assumed', 'failed_again', 'send_failed', 'unknown']) {
        const n = Math.round(op.states.filter(x => x === s).length * part(i - 3))
        if (n > 0) counts[s] = n
      }
    if (Object.keys(counts).length > 0) points.push({ at: iso(from + i * slot), counts })
  }
  return points
}

export const log = (o, kind, actor, at, more = {}) =>
  o.log.unshift({ id: String(o.log.length + 1), at: iso(at), kind, actor, ...more })

export const seedDetail = {
  confirmed: 'consumed',
  assumed: 'schedule_passed',
  waiting: 'not_consumed',
  sending: 'intended',
  failed_again: 'back_in_dlq',
  send_failed: 'refused',
  unknown: 'expired',
  skipped: 'changed',
}
