// MOCK OPERATIONS, for looking at the page without the program. Nothing of it is in the built page.
// Nothing moves by itself: POST /__mock/step {number, steps} carries an operation on, five seconds of its time a step,
// and with {every: 2} every second letter fails again. So that a person can watch, `--live` takes a step each second.
import { iso } from './data.mjs'
import { eligible, previewOf, skipOf } from './operationPreview.mjs'
import { log, seedDetail, slot, states } from './operationSeeds.mjs'

const acts = o => ['queued', 'canary', 'running', 'paused'].includes(o.state)
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
    o.preview ??= previewOf(o, find)
    return shown(o)
  }
  const shown = ({ ids, states: _, details: __, log: ___, points, every, clock, own, ...o }) => ({
    ...o,
    counts: countsOf({ states: _ }),
    ...(o.state === 'draft' && { drift: driftOf({ ...o, ids }) }),
  })
  const driftOf = o => {
    const have = new Set(o.ids)
    const now = o.ids.filter(id => !eligible(o, get().letters.get(id).detail)).length
    const arrived = o.query
      ? details().filter(l => !have.has(l.id) && !o.except?.includes(l.id) && matches(l, new URLSearchParams(o.query)))
      : []
    const was = o.preview ? o.preview.letters - o.preview.eligible : 0
    return { at: iso(Date.now()), gone: Math.max(0, now - was), arrived: { count: arrived.length, exact: true } }
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
    o.preview = previewOf(o, find)
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
        o.preview = previewOf(o, find)
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
        o.preview = previewOf(o, find)
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
