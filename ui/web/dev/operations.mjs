// MOCK OPERATIONS, for looking at the page without the program. Nothing of it is in the built page.
// Nothing moves by itself: POST /__mock/step {number, steps} carries an operation on, five seconds of its time a step,
// and with {every: 2} every second letter fails again. So that a person can watch, `--live` takes a step each second.
import { hour, infoOf, iso, minute, optionsFor } from './data.mjs'

const states = [
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
const slot = 5000
const may = {
  replay: ['open', 'snoozed', 'scheduled'],
  discard: ['open', 'snoozed', 'scheduled'],
  resolve: ['open', 'snoozed', 'scheduled'],
  restore: ['resolved', 'discarded'],
  route: ['open'],
}
const acts = o => ['queued', 'canary', 'running', 'paused'].includes(o.state)
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

const log = (o, kind, actor, at, more = {}) =>
  o.log.unshift({ id: String(o.log.length + 1), at: iso(at), kind, actor, ...more })
const countsOf = o => {
  const counts = Object.fromEntries(states.map(s => [s, 0]))
  for (const s of o.states) counts[s]++
  return counts
}

export function operationRoutes({ get, details, find, brief, matches, changed, Refusal, later }) {
  const list = () => get().operations.list
  const byID = id => {
    const o = list().find(x => x.id === id || String(x.number) === id)
    if (!o) throw new Refusal(404, 'not_found', `there is no operation ${id}`, '')
    return o
  }
  const letterOf = (o, i) => get().letters.get(o.ids[i])?.detail
  const view = o => {
    o.preview ??= previewOf(o)
    return shown(o)
  }
  const shown = ({ ids, states: _, details: __, log: ___, points, every, clock, own, ...o }) => ({
    ...o,
    counts: countsOf({ states: _ }),
    ...(o.state === 'draft' && { drift: driftOf({ ...o, ids }) }),
  })
  const eligible = (o, l) =>
    may[o.kind].includes(l.state) &&
    !(l.flags.includes('quarantined') && !o.spec.replay?.include_quarantined && o.kind === 'replay') &&
    !(stale(l) && !o.spec.replay?.include_stale && o.kind === 'replay')
  const stale = l => l.topic === 'notifications' && Date.now() - Date.parse(l.died_at) > 12 * hour
  const skipOf = (o, l) =>
    !may[o.kind].includes(l.state)
      ? `state_${l.state}`
      : o.kind === 'replay' && l.flags.includes('quarantined') && !o.spec.replay?.include_quarantined
        ? 'quarantined'
        : o.kind === 'replay' && stale(l) && !o.spec.replay?.include_stale
          ? 'stale'
          : ''
  const driftOf = o => {
    const have = new Set(o.ids)
    const now = o.ids.filter(id => !eligible(o, get().letters.get(id).detail)).length
    const arrived = o.query
      ? details().filter(l => !have.has(l.id) && !o.except?.includes(l.id) && matches(l, new URLSearchParams(o.query)))
      : []
    const was = o.preview ? o.preview.letters - o.preview.eligible : 0
    return { at: iso(Date.now()), gone: Math.max(0, now - was), arrived: { count: arrived.length, exact: true } }
  }

  function previewOf(o) {
    const all = o.ids.map(id => find(id).detail)
    const good = all.filter(l => eligible(o, l))
    const skipped = {}
    for (const l of all) {
      const why = skipOf(o, l)
      if (why) skipped[why] = (skipped[why] ?? 0) + 1
    }
    const of = field => {
      const by = new Map()
      for (const l of all) by.set(l[field], (by.get(l[field]) ?? 0) + 1)
      return [...by].map(([value, n]) => ({ value, count: n })).sort((a, b) => b.count - a.count)
    }
    const died = all.map(l => l.died_at).sort()
    const groups = of('consumer_group')
    const target = o.spec.replay?.target ?? {}
    const doors = new Map()
    const examined = good.slice(0, 1000)
    for (const l of examined) {
      const options = optionsFor(l)
      const want = target.kind === 'topic' || target.kind === 'other_topic' ? 'A' : options.default
      const d = options.doors.find(x => x.door === want)
      const key = `${l.consumer_group} ${l.topic}`
      const old = doors.get(key)
      doors.set(key, {
        consumer_group: l.consumer_group,
        door: d.door,
        why: target.kind ? 'chosen' : d.why,
        target: target.kind === 'other_topic' ? target.name : d.target,
        receivers: target.kind === 'other_group' ? [target.name] : target.kind === 'other_topic' ? [] : d.receivers,
        complete: target.kind !== 'other_topic',
        warnings: d.warnings.filter(w => w !== 'possible_duplicate'),
        letters: (old?.letters ?? 0) + 1,
      })
    }
    const causes = new Map()
    for (const l of all) {
      const c = causes.get(l.reason) ?? {
        fingerprint: l.fingerprint,
        reason: l.reason,
        reason_text: l.reason_text,
        letters: 0,
        same_last_5m: l.reason === 'network_timeout' ? 4 : 0,
      }
      c.letters++
      causes.set(l.reason, c)
    }
    const rate = o.spec.pace.rate * groups.length
    const samples = o.spec.replay?.transform?.length
      ? examined.slice(0, 3).map(l => sample(l, find(l.id).body.toString(), o.spec.replay.transform))
      : undefined
    return {
      at: iso(Date.now()),
      letters: all.length,
      eligible: good.length,
      skipped,
      consumer_groups: groups,
      topics: of('topic'),
      reasons: of('reason'),
      routes: of('route'),
      ...(died.length > 0 && { oldest_died: died[0], newest_died: died.at(-1) }),
      near_expiry: all.filter(l => Date.now() - Date.parse(l.died_at) > 23 * hour).length,
      replayed_before: all.filter(l => l.replays > 0).length,
      failed_again: all.filter(l => l.flags.includes('failed_again')).length,
      quarantined: all.filter(l => l.flags.includes('quarantined')).length,
      stale: all.filter(stale).length,
      examined: o.kind === 'replay' ? Math.min(1000, all.length) : 0,
      duplicates: examined.filter(l => Number(l.id) % 40 === 0).length,
      order_risk: examined.filter(l => l.consumer_group === 'order-ledger').length,
      doors: o.kind === 'replay' ? [...doors.values()].sort((a, b) => b.letters - a.letters) : [],
      consumers:
        o.kind === 'replay' ? groups.map(g => ({ letters: g.count, group: infoOf(g.value) ?? stranger(g.value) })) : [],
      causes: [...causes.values()].sort((a, b) => b.letters - a.letters).slice(0, 10),
      samples,
      transform_errors: samples?.some(s => s.error) ? Math.ceil(examined.length / 10) : 0,
      ...(rate > 0 && { sends_per_second: rate, duration_estimate: `${Math.max(1, Math.ceil(good.length / rate))}s` }),
    }
  }

  const touch = (o, actor = get().session.actor) => {
    o.version++
    o.changed_at = iso(Date.now())
    o.by = actor
  }
  const check = (o, version, states_) => {
    if (version && version !== o.version)
      throw new Refusal(
        409,
        'conflict',
        `${o.by ?? o.actor} changed operation ${o.number} in between`,
        'look at it again',
        {
          params: { by: o.by ?? o.actor },
        },
      )
    if (states_ && !states_.includes(o.state))
      throw new Refusal(422, 'refused', `operation ${o.number} is ${o.state}`, 'look at it again')
  }
  const picked = b => {
    const except = new Set(b.except ?? [])
    const all = b.ids
      ? b.ids.map(id => find(id).detail)
      : details().filter(l => matches(l, new URLSearchParams(b.query)))
    return all.filter(l => !except.has(l.id)).map(l => l.id)
  }

  function create(b) {
    const old = list().find(x => x.id === b.id)
    if (old) return view(old)
    const ids = picked(b)
    const now = iso(Date.now())
    const o = {
      id: b.id ?? `made-${get().operations.next}`,
      number: get().operations.next++,
      version: 1,
      kind: b.kind,
      state: 'draft',
      actor: get().session.actor,
      note: b.note ?? '',
      query: b.query ?? '',
      except: b.except,
      spec: b.spec,
      letters: ids.length,
      canary_letters: 0,
      created_at: now,
      changed_at: now,
      rate: 0,
      ids,
      states: ids.map(() => 'pending'),
      details: {},
      log: [],
      points: [],
      every: 9,
      own: true,
    }
    o.preview = previewOf(o)
    log(o, 'created', o.actor, Date.now(), { detail: { letters: String(o.letters) } })
    list().push(o)
    return view(o)
  }

  function start(o, b) {
    check(o, b.version, ['draft'])
    if (!b.note) throw new Refusal(400, 'invalid', 'a note is needed', 'say why')
    if (get().automation.stopped) throw new Refusal(422, 'refused', 'everything is stopped', 'lift the stop first')
    o.note = b.note
    o.drift = driftOf(o)
    o.started_at = iso(Date.now())
    o.clock = Date.now()
    touch(o)
    log(o, 'started', get().session.actor, Date.now(), { note: b.note })
    const seconds = Number.parseInt(o.spec.hold ?? '0', 10)
    if (seconds > 0) {
      o.state = 'queued'
      o.hold_until = iso(Date.now() + seconds * 1000)
      later(seconds * 1000, () => begin(o))
    } else begin(o)
    return view(o)
  }
  function begin(o) {
    if (o.state !== 'queued' && o.state !== 'draft') return
    for (const [i, id] of o.ids.entries()) {
      const why = skipOf(o, find(id).detail)
      if (!why) continue
      o.states[i] = 'skipped'
      o.details[i] = why
    }
    const { letters, percent } = o.spec.canary
    const left = o.states.filter(s => s === 'pending').length
    o.canary_letters = Math.min(left, Math.max(letters, Math.ceil((percent * left) / 100)))
    o.state = o.canary_letters > 0 ? 'canary' : 'running'
    delete o.hold_until
    log(o, 'began', 'automation', Date.now())
    touch(o, 'automation')
  }

  /** Five seconds of an operation's time. */
  function step(o) {
    if (o.state === 'queued') return begin(o)
    if (!['canary', 'running', 'settling'].includes(o.state)) return
    o.clock = (o.clock ?? Date.now()) + slot
    const counts = {}
    const put = (i, s, detail) => {
      o.states[i] = s
      if (detail) o.details[i] = detail
      counts[s] = (counts[s] ?? 0) + 1
      if (o.own) move(o, letterOf(o, i), s)
    }
    for (const [i, s] of o.states.entries())
      if (s === 'waiting' || s === 'sending') {
        const bad = i % o.every === o.every - 1
        put(i, bad ? 'failed_again' : 'confirmed', bad ? 'back_in_dlq' : 'consumed')
      }
    const outcomes = o.states.filter(s => s === 'confirmed' || s === 'failed_again')
    const last = outcomes.slice(-(o.spec.brake.of || outcomes.length))
    const failed = last.filter(s => s === 'failed_again').length
    const over = o.spec.brake.of > 0 && last.length > 0 && (100 * failed) / last.length > o.spec.brake.above
    const full = last.length >= o.spec.brake.of || o.state === 'canary'
    const trip = cause => {
      const l = letterOf(o, o.states.indexOf('failed_again'))
      o.state = 'paused'
      o.cause = cause
      o.rate = 0
      o.cause_detail = {
        fingerprint: l?.fingerprint ?? '',
        reason: l?.reason ?? '',
        failed: String(failed),
        of: String(last.length),
        above: String(o.spec.brake.above),
      }
      log(o, 'paused', 'automation', o.clock, { detail: { cause, ...o.cause_detail } })
      touch(o, 'automation')
    }
    if (o.state === 'canary' && outcomes.length >= o.canary_letters) {
      if (over) trip('canary')
      else {
        o.state = 'running'
        log(o, 'canary_passed', 'automation', o.clock)
        touch(o, 'automation')
      }
    } else if (o.state === 'running' && over && full) trip('breaker')
    if (o.state === 'canary' || o.state === 'running') {
      const size = o.state === 'canary' ? o.canary_letters : Math.max(1, Math.ceil(o.letters / 12))
      const pending = [...o.states.keys()].filter(i => o.states[i] === 'pending')
      for (const i of pending.slice(0, size))
        put(i, o.kind === 'replay' ? 'waiting' : 'done', o.kind === 'replay' ? 'sent' : '')
      o.rate = Math.min(size, pending.length) / (slot / 1000)
      if (pending.length <= size) {
        o.state = 'settling'
        o.end = 'completed'
        o.rate = 0
        o.ended_at = iso(o.clock)
        log(o, 'completed', 'automation', o.clock)
        touch(o, 'automation')
      } else o.done_at = iso(Date.now() + ((pending.length - size) / size) * slot)
    }
    if (o.state === 'settling' && !o.states.includes('waiting')) {
      o.state = 'settled'
      o.settled_at = iso(o.clock)
      log(o, 'settled', 'automation', o.clock)
      touch(o, 'automation')
    }
    if (Object.keys(counts).length > 0) o.points.push({ at: iso(o.clock), counts })
    if (o.own) changed(o.ids.slice(0, 50))
  }
  function move(o, l, s) {
    if (!l) return
    l.version++
    if (s === 'waiting') l.state = 'awaiting'
    else if (s === 'confirmed') Object.assign(l, { state: 'resolved', resolution: 'confirmed' })
    else if (s === 'failed_again')
      Object.assign(l, { state: 'open', deaths: l.deaths + 1, flags: [...new Set([...l.flags, 'failed_again'])] })
    else if (s === 'done')
      Object.assign(
        l,
        {
          discard: { state: 'discarded' },
          resolve: { state: 'resolved', resolution: 'by_hand' },
          restore: { state: 'open', resolution: undefined },
          route: { route: o.spec.route || l.route },
        }[o.kind],
      )
  }

  const turn = {
    pause: (o, b) => {
      check(o, b.version, o.cause === 'window' ? ['paused'] : ['canary', 'running'])
      Object.assign(o, { state: 'paused', cause: 'by_hand', cause_detail: undefined, rate: 0 })
      log(o, 'paused', get().session.actor, Date.now(), { note: b.note, detail: { cause: 'by_hand' } })
    },
    resume: (o, b) => {
      check(o, b.version, ['paused', 'canary'])
      if (get().automation.stopped) throw new Refusal(422, 'refused', 'everything is stopped', 'lift the stop first')
      Object.assign(o, { state: 'running', cause: undefined, cause_detail: undefined, resumed_at: iso(Date.now()) })
      log(o, 'resumed', get().session.actor, Date.now(), { note: b.note })
    },
    cancel: (o, b) => {
      check(o, b.version, ['draft', 'queued', 'canary', 'running', 'paused'])
      if (o.state === 'draft') {
        get().operations.list = list().filter(x => x !== o)
        return
      }
      const queued = o.state === 'queued'
      for (const [i, s] of o.states.entries())
        if (s === 'pending') {
          o.states[i] = 'skipped'
          o.details[i] = 'cancelled'
        }
      const open = o.states.includes('waiting')
      Object.assign(o, {
        state: open ? 'settling' : 'settled',
        end: 'cancelled',
        cause: undefined,
        rate: 0,
        ended_at: iso(Date.now()),
        ...(!open && { settled_at: iso(Date.now()) }),
        ...(queued && { started_at: undefined }),
      })
      log(o, 'cancelled', get().session.actor, Date.now(), { note: b.note })
    },
    pace: (o, b) => {
      check(o, b.version, ['canary', 'running', 'paused'])
      const from = o.spec.pace.rate
      o.spec = { ...o.spec, pace: b.pace }
      log(o, 'paced', get().session.actor, Date.now(), { detail: { from: String(from), rate: String(b.pace.rate) } })
    },
  }

  const steps = {
    /** Carries operations on: one by its number, or all. */
    step: ({ number, steps: n = 1, every, ...more }) => {
      const some = number ? [byID(String(number))] : list()
      for (const o of some) {
        if (every) o.every = every
        Object.assign(o, more)
        for (let i = 0; i < n; i++) step(o)
      }
      return number ? view(byID(String(number))) : {}
    },
    /** Everything that acts is paused by the global stop. */
    halt: () => {
      for (const o of list().filter(acts)) {
        Object.assign(o, { state: 'paused', cause: 'stop', cause_detail: undefined, rate: 0 })
        log(o, 'paused', get().session.actor, Date.now(), { detail: { cause: 'stop' } })
        touch(o, 'automation')
      }
    },
  }

  const page = (all, p) => {
    const limit = Number(p.get('limit') ?? 50)
    const from = Number(p.get('cursor') ?? 0)
    const next = from + limit < all.length ? String(from + limit) : undefined
    return { items: all.slice(from, from + limit), ...(next && { next }), total: { count: all.length, exact: true } }
  }
  const routes = [
    [
      'GET',
      /^\/operations$/,
      (_, __, p) => {
        const any = (name, v) => p.getAll(name).length === 0 || p.getAll(name).includes(v)
        const all = list()
          .filter(o => any('state', o.state) && any('kind', o.kind) && any('actor', o.actor))
          .sort((a, b) => b.number - a.number)
        const { items, ...rest } = page(all, p)
        return { items: items.map(view), ...rest }
      },
    ],
    ['POST', /^\/operations$/, (_, b) => create(b)],
    ['GET', /^\/operations\/([\w-]+)$/, ([id]) => view(byID(id))],
    [
      'PUT',
      /^\/operations\/([\w-]+)$/,
      ([id], b) => {
        const o = byID(id)
        check(o, b.version, ['draft'])
        o.spec = b.spec
        o.note = b.note ?? o.note
        o.preview = previewOf(o)
        touch(o)
        return view(o)
      },
    ],
    [
      'POST',
      /^\/operations\/([\w-]+)\/refresh$/,
      ([id], b) => {
        const o = byID(id)
        check(o, b.version, ['draft'])
        if (b.add && o.query) {
          const have = new Set(o.ids)
          const fresh = picked({ query: o.query, except: o.except }).filter(x => !have.has(x))
          o.ids.push(...fresh)
          o.states.push(...fresh.map(() => 'pending'))
          o.letters = o.ids.length
        }
        o.preview = previewOf(o)
        touch(o)
        return view(o)
      },
    ],
    ['POST', /^\/operations\/([\w-]+)\/start$/, ([id], b) => start(byID(id), b)],
    [
      'POST',
      /^\/operations\/([\w-]+)\/(pause|resume|cancel|pace)$/,
      ([id, what], b) => {
        const o = byID(id)
        turn[what](o, b)
        touch(o)
        return view(o)
      },
    ],
    [
      'GET',
      /^\/operations\/([\w-]+)\/items$/,
      ([id], _, p) => {
        const o = byID(id)
        const want = p.getAll('state')
        const all = [...o.states.keys()].filter(i => want.length === 0 || want.includes(o.states[i]))
        const { items, ...rest } = page(all, p)
        return {
          items: items.map(i => ({
            letter_id: o.ids[i],
            position: i,
            state: o.states[i],
            detail: o.details[i] ?? seedDetail[o.states[i]] ?? '',
            tries: ['pending', 'skipped', 'done'].includes(o.states[i]) ? 0 : o.states[i] === 'send_failed' ? 3 : 1,
            ...(o.states[i] !== 'pending' && { changed_at: o.changed_at }),
            // The first letter of the oldest operation is gone.
            ...(!(o.number === 1 && i === 0) && letterOf(o, i) && { letter: brief(letterOf(o, i)) }),
          })),
          ...rest,
        }
      },
    ],
    ['GET', /^\/operations\/([\w-]+)\/history$/, ([id]) => ({ slot: `${slot / 1000}s`, points: byID(id).points })],
    ['GET', /^\/operations\/([\w-]+)\/log$/, ([id]) => ({ items: byID(id).log })],
  ]
  return { routes, steps }
}

const stranger = name => ({
  name,
  exists: false,
  kind: 'unknown',
  kind_why: 'offline_without_sign',
  online: false,
  lag: -1,
  max_retry: -1,
})

const seedDetail = {
  confirmed: 'consumed',
  assumed: 'schedule_passed',
  waiting: 'not_consumed',
  sending: 'intended',
  failed_again: 'back_in_dlq',
  send_failed: 'refused',
  unknown: 'expired',
  skipped: 'changed',
}

/** Just enough of the program's transform to see the page work; large integers survive. */
function sample(l, body, steps) {
  const base = { letter_id: l.id, title: l.keys?.[0] ?? l.id, before: body, properties: {} }
  try {
    const tree = JSON.parse(body.replace(/:(\d{16,})/g, ':"#$1#"'))
    const properties = {}
    for (const s of steps) {
      const at = p => {
        const parts = p.slice(1).split('/')
        const name = parts.pop()
        return [parts.reduce((x, k) => x?.[k], tree), name]
      }
      if (s.do === 'set_property') properties[s.name] = s.value
      else if (s.do === 'remove_property') properties[s.name] = ''
      else {
        const [where, name] = at(s.path)
        if (!where || typeof where !== 'object') throw new Error(`The body has no field ${s.path}.`)
        if (s.do === 'set') where[name] = JSON.parse(s.value)
        else if (!(name in where)) throw new Error(`The body has no field ${s.path}.`)
        else {
          const value = where[name]
          delete where[name]
          if (s.do === 'rename') {
            const [to, fresh] = at(s.to)
            to[fresh] = value
          }
        }
      }
    }
    return { ...base, after: JSON.stringify(tree).replace(/"#(\d+)#"/g, '$1'), properties }
  } catch (e) {
    return { ...base, after: '', error: e instanceof SyntaxError ? 'The body is not JSON.' : e.message }
  }
}
