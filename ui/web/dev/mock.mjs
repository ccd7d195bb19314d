// MOCK SERVER, for looking at the page and for its own tests, without the Go program and without a broker.
// It serves ../dist (or lets Vite do so) and an imitation of /api/v1 over the data of data.mjs, kept in memory.
//   node dev/mock.mjs [--port 8650] [--count 400] [--dist FOLDER/] [--live yes]
// Tests steer it: POST /__mock/{arrive,status,session,reset,fail,letter,alerts,probes,kinds,step}.
import { createReadStream, existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { alertRoutes, alertsStatus, makeAlerts } from './alerts.mjs'
import {
  groupRows,
  groups,
  hostile,
  hour,
  infoOf,
  iso,
  makeLetter,
  minute,
  nameLong,
  optionsFor,
  reseed,
} from './data.mjs'
import { editRoutes, optionsTo } from './edits.mjs'
import { makeOperations } from './operationSeeds.mjs'
import { operationRoutes } from './operations.mjs'
import { reading } from './reading.mjs'
import { explain } from './ruleData.mjs'
import { freshRules, Lines, rulesRoutes } from './rules.mjs'

const arg = (name, or) => {
  const at = process.argv.indexOf(`--${name}`)
  return at > 0 ? process.argv[at + 1] : or
}
const port = Number(arg('port', '8650'))
const count = Number(arg('count', '400'))
const dist = arg('dist', new URL('../../dist/', import.meta.url).pathname)

let world
function reset(long = false) {
  nameLong(long)
  reseed()
  const now = Date.now()
  const letters = new Map()
  const add = (id, over) => letters.set(String(id), makeLetter(id, now, over))
  for (let i = 1; i <= count; i++) add(i, i % 9 === 0 ? stateOver(i, now) : {})
  for (const [i, over] of hostile.entries())
    add(count + 1 + i, { ...over, severity: 'critical', died_at: iso(now - (i + 1) * 3 * minute) })
  for (const timer of world?.timers ?? []) clearTimeout(timer)
  world = {
    letters,
    next: count + 100,
    event: 5000,
    automation: {
      on: false,
      stopped: false,
      version: 1,
      changed_at: iso(now - 26 * hour),
      actor: 'anna',
      note: 'first look at the cluster',
    },
    session: { actor: 'local', role: 'admin', login: 'none' },
    status: {},
    rules: freshRules(now),
    repaired: new Set(),
    alerts: makeAlerts(now),
    operations: makeOperations(now, letters),
    fail: undefined,
    cut: undefined,
    remembered: new Map(),
    edits: new Map(),
    probes: [],
    kinds: {},
    timers: new Set(),
  }
}
function stateOver(i, now) {
  const kind = (i / 9) % 8
  const at = { due_at: iso(now + 4 * minute) }
  return [
    { state: 'scheduled', ...at, hold: undefined },
    { state: 'awaiting' },
    { state: 'resolved', resolution: 'confirmed', expires_at: iso(now + 29 * 24 * hour) },
    { state: 'resolved', resolution: 'by_hand', expires_at: iso(now + 29 * 24 * hour) },
    { state: 'discarded', expires_at: iso(now + 29 * 24 * hour) },
    { state: 'snoozed', due_at: iso(now + 5 * hour) },
    { state: 'compensating', ...at, hold: undefined },
    { state: 'open', flags: ['possible_duplicate'] },
  ][kind]
}
reset()

const followers = new Set()
const tell = (event, data, id) => {
  for (const f of followers) f.write(`${id ? `id: ${id}\n` : ''}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
}
const changed = (ids, arrived = 0) => {
  world.event += 1
  tell('changes', { last_event: String(world.event), arrived, changed: ids, more: false }, world.event)
}
const later = (ms, f) => {
  const timer = setTimeout(() => {
    world.timers.delete(timer)
    f()
  }, ms)
  world.timers.add(timer)
}

const details = () => [...world.letters.values()].map(x => x.detail)
const brief = ({
  properties,
  history,
  replay_list,
  events,
  calls,
  sys_flag,
  born_host,
  store_host,
  body_state,
  ...l
}) => l
const tabOf = s =>
  ({ open: 'attention', snoozed: 'snoozed', resolved: 'resolved', discarded: 'discarded' })[s] ?? 'in_flight'
const tabs = ['attention', 'in_flight', 'snoozed', 'resolved', 'discarded']
const fields = {
  state: 'state',
  consumer_group: 'consumer_group',
  topic: 'topic',
  reason: 'reason',
  origin: 'reason_origin',
  rule: 'rule',
  route: 'route',
  severity: 'severity',
  owner: 'owner',
  fingerprint: 'fingerprint',
}

const windowed = p => p.has('arrived_after') || p.has('arrived_before')
const deathsIn = (l, p) => {
  const [after, before] = [p.get('arrived_after'), p.get('arrived_before')]
  return l.history.filter(
    d => (!after || d.arrived_at >= iso(Date.parse(after))) && (!before || d.arrived_at < iso(Date.parse(before))),
  ).length
}

function matches(l, p, but = '') {
  const tab = p.get('tab')
  if (but !== 'tab' && tab && tab !== 'all' && tabOf(l.state) !== tab) return false
  for (const [param, field] of Object.entries(fields)) {
    const want = p.getAll(param)
    if (param !== but && want.length > 0 && !want.includes(l[field] ?? '')) return false
  }
  const flags = p.getAll('flag')
  if (flags.length > 0 && !flags.some(f => l.flags.includes(f))) return false
  if (p.get('died_after') && l.died_at < iso(Date.parse(p.get('died_after')))) return false
  if (p.get('died_before') && l.died_at >= iso(Date.parse(p.get('died_before')))) return false
  if (windowed(p) && deathsIn(l, p) === 0) return false
  const q = p.get('q')?.toLowerCase()
  return !q || [l.id, l.unique_key, l.reason, l.reason_text, ...(l.keys ?? [])].some(x => x?.toLowerCase().includes(q))
}
const newest = (a, b) => (a.died_at < b.died_at ? 1 : -1)

function page(p) {
  const all = details()
    .filter(l => matches(l, p))
    .sort(newest)
  const limit = Number(p.get('limit') ?? 50)
  const from = Number(p.get('cursor') ?? 0)
  const next = from + limit < all.length ? String(from + limit) : undefined
  return {
    items: all.slice(from, from + limit).map(brief),
    ...(next && { next }),
    total: { count: all.length, exact: !p.get('q') },
    ...(windowed(p) && !p.get('q') && { deaths: { count: all.reduce((n, l) => n + deathsIn(l, p), 0), exact: true } }),
  }
}
function facets(p) {
  const of = (param, field) => {
    const by = new Map()
    for (const l of details()) if (matches(l, p, param)) by.set(l[field], (by.get(l[field]) ?? 0) + 1)
    return [...by].map(([value, n]) => ({ value, count: n })).sort((a, b) => b.count - a.count)
  }
  const count = Object.fromEntries(tabs.map(t => [t, 0]))
  for (const l of details()) if (matches(l, p, 'tab')) count[tabOf(l.state)]++
  return {
    tabs: count,
    consumer_groups: of('consumer_group', 'consumer_group'),
    topics: of('topic', 'topic'),
    reasons: of('reason', 'reason'),
    rules: of('rule', 'rule'),
    routes: of('route', 'route'),
    exact: true,
  }
}
function summary() {
  const all = details()
  const hours = Array(24).fill(0)
  const now = Math.floor(Date.now() / hour)
  for (const d of all.flatMap(l => l.history)) {
    const h = now - Math.floor(Date.parse(d.arrived_at) / hour)
    if (h >= 0 && h < 24) hours[23 - h]++
  }
  const states = {}
  for (const l of all) states[l.state] = (states[l.state] ?? 0) + 1
  const open = all
    .filter(l => l.state === 'open')
    .map(l => l.died_at)
    .sort()
  const unread = groupRows(all, world.repaired).reduce((n, g) => n + g.unread, 0)
  return {
    tabs: facets(new URLSearchParams()).tabs,
    states,
    ...(open[0] && { oldest_open: open[0] }),
    arrived_24h: hours.reduce((a, b) => a + b, 0),
    arrived_hours: hours,
    unread,
    ...(unread && { unread_expires_at: iso(Date.now() + 22 * hour) }),
    gaps: 1,
    search_lag: 0,
    letters: all.length,
    last_event: String(world.event),
  }
}
const status = () => ({
  version: 'mock',
  automation: world.automation,
  demo: {},
  ...world.status,
  cluster: {
    cluster: 'DefaultCluster',
    name_servers: ['127.0.0.1:9876'],
    reachable: true,
    since: iso(Date.now() - 3 * hour),
    simulated: false,
    brokers: ['broker-a 5.5.0'],
    foreign_console: false,
    members: [{ name: 'broker-a', address: '127.0.0.1:10911', role: 'master' }],
    ...world.status.cluster,
  },
  rules: { version: 4, refused: false, errors: 0, ...world.status.rules },
  alerts: alertsStatus(world.alerts),
  store: { full: false, search_lag: 0, ...world.status.store },
  intake: { stalled: false, ...world.status.intake },
})

class Refusal extends Error {
  constructor(http, code, detail, hint, more = {}) {
    super(detail)
    this.body = { type: 'about:blank', title: code, status: http, code, detail, hint, request_id: 'mock', ...more }
  }
}
const find = id => {
  const x = world.letters.get(id)
  if (!x) throw new Refusal(404, 'not_found', `there is no letter ${id}`, 'it may have been removed by retention')
  return x
}
const event = (l, kind, more = {}) => {
  world.event += 1
  l.events = [
    { id: String(world.event), letter_id: l.id, at: iso(Date.now()), kind, actor: world.session.actor, ...more },
    ...l.events,
  ]
  l.version += 1
  l.changed_at = iso(Date.now())
}
const check = (l, version) => {
  if (!version || version === l.version) return
  const { actor: by, kind: what } = l.events[0]
  const params = { id: l.id, by, what, state: l.state, version: String(l.version) }
  const detail = `letter ${l.id} changed since you looked: ${what}, by ${by}; it is ${l.state} now`
  throw new Refusal(409, 'conflict', detail, 'look at it again, then decide', { letter: brief(l), params })
}

function optionsOf(l, kind, name) {
  const o = optionsFor(l, world.kinds)
  return kind
    ? optionsTo({ ...o, topic: l.topic }, kind, name ?? '', [...new Set(groups.map(g => g.topic))], groups)
    : o
}

function replay(l, body) {
  if (body.version && body.version !== l.version) {
    const { actor, kind, at } = l.events[0]
    const params = { actor, event: kind, at }
    const detail = `${actor} has changed letter ${l.id} in between (${kind})`
    throw new Refusal(409, 'conflict', detail, 'look at it again', { letter: brief(l), params })
  }
  if (!['open', 'snoozed', 'scheduled'].includes(l.state))
    throw new Refusal(422, 'refused', `letter ${l.id} cannot be replayed: a replay of this letter is on its way`, '', {
      params: { why: `state_${l.state}` },
    })
  const { kind, name } = body.target ?? {}
  const o = optionsOf(l, kind, name)
  const door = o.doors.find(d => d.door === (body.door || o.default))
  const delay = body.delay && body.delay !== '0s' ? body.delay : undefined
  const wait = delay ? Number.parseInt(delay, 10) * (delay.endsWith('m') ? 60 : 1) * 1000 : 0
  const now = Date.now()
  const r = {
    id: [...crypto.getRandomValues(new Uint8Array(16))].map(b => b.toString(16).padStart(2, '0')).join(''),
    letter_id: l.id,
    number: l.replay_list.length + 1,
    door: door.door,
    why: body.door && body.door !== o.default ? 'chosen' : door.why,
    cluster: l.cluster,
    consumer_group: l.consumer_group,
    target: door.target,
    topic: l.topic,
    unique_key: l.unique_key,
    as_new: body.as_new,
    delay,
    ...(delay && { deliver_at: iso(now + wait) }),
    automatic: false,
    ...(kind && { target_kind: kind }),
    ...(body.edit && { edit: body.edit }),
    actor: world.session.actor,
    note: body.note,
    intended_at: iso(now),
    sent_at: iso(now + 12),
    outcome: 'waiting',
    detail: delay ? 'parked' : 'sent',
    receipt: { broker: 'broker-a', queue: 0, offset: '77', message_id: l.message_id },
    looks: 0,
    next_look: iso(now + wait + 2000),
  }
  l.replay_list = [r, ...l.replay_list]
  l.state = 'awaiting'
  l.replays += 1
  if (r.edit) l.flags = [...new Set([...l.flags, 'edited'])]
  event(l, 'intended', {
    replay_id: r.id,
    note: body.note,
    detail: {
      door: r.door,
      why: r.why,
      ...(r.edit && { edit: String(r.edit) }),
      ...(kind && { target_kind: kind }),
    },
  })
  event(l, 'sent', { replay_id: r.id, detail: { door: r.door, target: r.target } })
  const again = l.reason === 'data_format_error'
  later(Math.min(wait, 4000) + 1500, () => {
    r.seen_at = iso(Date.now())
    r.detail = 'not_consumed'
    r.looks += 1
    event(l, 'delivered', { replay_id: r.id, actor: 'tracker' })
    changed([l.id])
  })
  later(Math.min(wait, 4000) + 3500, () => {
    r.settled_at = iso(Date.now())
    r.next_look = undefined
    r.outcome = again ? 'failed_again' : 'confirmed'
    r.detail = again ? 'back_in_dlq' : 'consumed'
    if (again) {
      l.state = 'open'
      l.deaths += 1
      l.flags = [...new Set([...l.flags, 'failed_again'])]
      l.died_at = iso(Date.now())
    } else {
      l.state = 'resolved'
      l.resolution = 'confirmed'
      l.expires_at = iso(Date.now() + 30 * 24 * hour)
    }
    event(l, again ? 'died_again' : 'confirmed', {
      replay_id: r.id,
      actor: again ? 'intake' : 'tracker',
      detail: { detail: r.detail },
    })
    changed([l.id])
  })
  changed([l.id])
  return { replay: r, letter: brief(l) }
}

const acts = {
  discard: l =>
    Object.assign(l, { state: 'discarded', due_at: undefined, expires_at: iso(Date.now() + 30 * 24 * hour) }) &&
    'discarded',
  resolve: (l, b) =>
    Object.assign(l, {
      state: 'resolved',
      resolution: b.resolution ?? 'by_hand',
      due_at: undefined,
      expires_at: iso(Date.now() + 30 * 24 * hour),
    }) && 'resolved',
  restore: l => Object.assign(l, { state: 'open', resolution: undefined, expires_at: undefined }) && 'restored',
  cancel: l => Object.assign(l, { state: 'open', due_at: undefined }) && 'cancelled',
  take: l => Object.assign(l, { owner: world.session.actor }) && 'taken',
  release: l => Object.assign(l, { owner: undefined }) && 'released',
  snooze: (l, b) => Object.assign(l, { state: 'snoozed', due_at: b.until }) && 'snoozed',
  notes: () => 'noted',
  route: (l, b) => Object.assign(l, { route: b.route, hold: undefined }) && 'reclassified',
}
function act(l, name, body) {
  check(l, body.version)
  if (['discard', 'resolve', 'notes'].includes(name) && !body.note)
    throw new Refusal(400, 'invalid', 'a note is needed', 'say why')
  const kind = acts[name](l, body)
  event(l, kind, { note: body.note })
  changed([l.id])
  return brief(l)
}

const operations = operationRoutes({
  get: () => world,
  details,
  find: id => find(id),
  brief,
  matches,
  changed,
  later,
  Refusal,
})
if (arg('live')) setInterval(() => operations.steps.step({}), 1000)

const routes = [
  ...operations.routes,
  ...alertRoutes(
    () => world,
    Refusal,
    () => tell('status', status()),
  ),
  ['GET', /^\/session$/, () => world.session],
  [
    'POST',
    /^\/session$/,
    (_, b) => {
      if (b.token !== 'dlq_mock') throw new Refusal(401, 'unauthorized', 'this token is not known', '')
      world.session = { actor: 'anna', role: 'operator', login: 'done' }
      return world.session
    },
  ],
  ['DELETE', /^\/session$/, () => (world.session = { actor: '', role: '', login: 'required' })],
  [
    'GET',
    /^\/sessions$/,
    () => ({
      items: [
        {
          id: 'A1',
          actor: 'anna',
          role: 'admin',
          address: '10.0.0.7',
          since: iso(Date.now() - 3e6),
          used_at: iso(Date.now() - 4e3),
          ends_at: iso(Date.now() + 4e7),
          own: true,
        },
        {
          id: 'B2',
          actor: 'wall-screen',
          role: 'viewer',
          address: '10.0.0.9',
          since: iso(Date.now() - 3e7),
          used_at: iso(Date.now() - 9e3),
          ends_at: iso(Date.now() + 1e7),
          own: false,
        },
      ].filter(s => !world.ended?.includes(s.id)),
    }),
  ],
  [
    'POST',
    /^\/sessions\/(\w+)\/end$/,
    m => {
      world.ended = [...(world.ended ?? []), m[0]]
      return { items: [] }
    },
  ],
  [
    'GET',
    /^\/tokens$/,
    () => ({
      items: [
        { actor: 'anna', role: 'admin', consumer_groups: [], used_at: iso(Date.now() - 4e3), address: '10.0.0.7' },
        {
          actor: 'pay-service',
          role: 'reporter',
          consumer_groups: ['pay-service', 'refund-service'],
          expires_at: iso(Date.now() + 5e9),
        },
        { actor: 'batch', role: 'reporter', consumer_groups: [] },
      ],
    }),
  ],
  ['GET', /^\/status$/, status],
  ['GET', /^\/summary$/, summary],
  ['GET', /^\/facets$/, (_, __, p) => facets(p)],
  ['GET', /^\/letters$/, (_, __, p) => page(p)],
  ...editRoutes({
    get: () => world,
    find,
    check,
    event,
    changed,
    brief,
    Refusal,
    act: b => ({
      results: b.ids.map(id => {
        try {
          const l = find(id).detail
          if (b.action === 'replay') return { id, ok: true, ...replay(l, { note: b.note, delay: b.delay }) }
          return { id, ok: true, letter: act(l, b.action, { note: b.note }) }
        } catch (e) {
          return { id, ok: false, error: e.body ?? { code: 'internal', detail: e.message } }
        }
      }),
    }),
  }),
  ['GET', /^\/letters\/(\d+)$/, ([id]) => find(id).detail],
  ['GET', /^\/letters\/(\d+)\/explain$/, ([id]) => explain(find(id).detail)],
  [
    'GET',
    /^\/letters\/(\d+)\/replay-options$/,
    ([id], _, p) => optionsOf(find(id).detail, p.get('target_kind'), p.get('target_name')),
  ],
  ['POST', /^\/letters\/(\d+)\/replay$/, ([id], b) => replay(find(id).detail, b)],
  ['POST', /^\/letters\/(\d+)\/(\w+)$/, ([id, name], b) => act(find(id).detail, name, b)],
  [
    'PUT',
    /^\/automation$/,
    (_, b) => {
      if (b.version !== world.automation.version)
        throw new Refusal(409, 'conflict', 'anna turned the automation switch in between', 'look again', {
          params: { by: 'anna' },
        })
      world.automation = {
        on: b.on,
        stopped: b.stopped,
        note: b.note,
        actor: world.session.actor,
        changed_at: iso(Date.now()),
        ...(b.on && { since: iso(Date.now()) }),
        version: b.version + 1,
      }
      if (b.stopped) operations.steps.halt()
      tell('status', status())
      return world.automation
    },
  ],
  ['GET', /^\/topics$/, () => ({ items: groupRows(details(), world.repaired).flatMap(g => g.topics) })],
  [
    'POST',
    /^\/topics\/([^/]+)\/repair$/,
    ([topic]) => {
      world.repaired.add(decodeURIComponent(topic))
      return { items: groupRows(details(), world.repaired).flatMap(g => g.topics) }
    },
  ],
  [
    'GET',
    /^\/gaps$/,
    () => ({
      items: [
        {
          cluster: 'DefaultCluster',
          broker: 'broker-a',
          topic: '%DLQ%notify-service',
          number: 0,
          id: '1',
          kind: 'expired',
          from: '0',
          to: '214',
          count: '214',
          at: iso(Date.now() - 20 * hour),
        },
      ],
    }),
  ],
  [
    'GET',
    /^\/consumer-groups$/,
    (_, __, p) => {
      const names = p.getAll('name')
      return {
        items: groupRows(details(), world.repaired)
          .filter(g => names.length === 0 || names.includes(g.name))
          .map(g => (names.length ? { ...g, info: infoOf(g.name) } : g)),
      }
    },
  ],
  ...rulesRoutes({ get: () => world, details, find: id => find(id).detail, brief, status, Refusal }),
]

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
}
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

const server = createServer(async (req, res) => {
  const url = new URL(req.url, 'http://mock')
  const json = (code, body) => {
    res.writeHead(code, { 'Content-Type': code >= 400 ? 'application/problem+json' : 'application/json' })
    res.end(JSON.stringify(body))
  }
  const chunks = []
  for await (const c of req) chunks.push(c)
  const body = chunks.length ? JSON.parse(Buffer.concat(chunks).toString()) : {}
  try {
    if (url.pathname.startsWith('/__mock/')) return json(200, steer(url.pathname.slice(8), body))
    if (world.away) return req.socket.destroy()
    if (!url.pathname.startsWith('/api/v1')) return file(url.pathname, res)
    const path = url.pathname.slice(7)
    if (world.session.login === 'required' && path !== '/session')
      throw new Refusal(401, 'unauthorized', 'log in first', '')
    if (world.fail && new RegExp(world.fail.path).test(`${req.method} ${path}`))
      throw new Refusal(world.fail.status, world.fail.code, world.fail.detail, world.fail.hint, {
        params: world.fail.params,
      })
    if (path === '/events') return follow(res)
    const bytes = /^\/letters\/(\d+)\/body$/.exec(path)
    if (bytes) {
      const x = find(bytes[1])
      res.writeHead(200, {
        'Content-Type': 'application/octet-stream',
        'Content-Disposition': 'attachment',
        'X-Content-Type-Options': 'nosniff',
        'DLQ-Body-State': x.detail.body_state,
      })
      return res.end(x.body)
    }
    const said = /^\/letters\/(\d+)\/text$/.exec(path)
    if (said) return json(200, reading(find(said[1]), url.searchParams))
    for (const [method, form, run] of routes) {
      const hit = req.method === method && form.exec(path)
      if (!hit) continue
      // As in the program, a write under a key is done once, and an act that failed is not remembered.
      const key = method === 'GET' ? '' : req.headers['idempotency-key']
      const answer = world.remembered.get(key) ?? run(hit.slice(1), body, url.searchParams, req)
      if (key) world.remembered.set(key, answer)
      if (cuts(`${method} ${path}`)) return cut(res)
      if (!(answer instanceof Lines)) return json(200, answer)
      res.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
      return res.end(answer.text)
    }
    throw new Refusal(404, 'not_found', 'there is nothing at this address', '')
  } catch (e) {
    if (!e.body) console.error(e)
    json(e.body?.status ?? 500, e.body ?? { code: 'internal', detail: String(e) })
  }
})

// The answer is lost on its way, before or in the middle of it; what was asked for is done.
function cuts(what) {
  const c = world.cut
  if (!c || c.times <= 0 || !new RegExp(c.path).test(what)) return false
  c.times--
  return true
}
function cut(res) {
  if (world.cut.half) {
    res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '1000' })
    res.write('{"half":')
  }
  setTimeout(() => res.socket?.destroy(), 50)
}

function steer(what, body) {
  switch (what) {
    case 'reset':
      reset(body.long)
      for (const f of followers) f.end()
      return {}
    case 'arrive': {
      const ids = Array.from({ length: body.n ?? 1 }, () => {
        const id = world.next++
        world.letters.set(
          String(id),
          makeLetter(id, Date.now(), { died_at: iso(Date.now()), state: 'open', ...body.letter }),
        )
        return String(id)
      })
      changed(ids, ids.length)
      return { ids }
    }
    case 'status':
      world.status = body
      tell('status', status())
      return {}
    case 'session':
      world.session = { ...world.session, ...body }
      return {}
    case 'rules':
      Object.assign(world.rules, body)
      return {}
    case 'probes':
      world.probes = body.verdicts
      return {}
    case 'kinds':
      world.kinds = body
      return {}
    case 'fail':
      world.fail = body.path ? body : undefined
      return {}
    case 'away':
      world.away = body.away
      if (body.away) for (const f of followers) f.destroy()
      return {}
    case 'cut':
      world.cut = body
      return { left: body.times }
    case 'alerts':
      Object.assign(world.alerts, body)
      tell('status', status())
      return {}
    case 'step':
      return operations.steps.step(body)
    case 'letter': {
      const x = find(body.id)
      const l = x.detail
      if (body.body !== undefined) x.body = Buffer.from(body.body, 'base64')
      if (body.charset !== undefined) x.charset = body.charset
      if (body.by) event(l, 'taken', { actor: body.by })
      Object.assign(l, body.letter)
      changed([body.id])
      return {}
    }
    default:
      throw new Refusal(404, 'not_found', what, '')
  }
}

function follow(res) {
  res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
  res.write(`event: hello\ndata: ${JSON.stringify({ last_event: String(world.event) })}\n\n`)
  followers.add(res)
  res.on('close', () => followers.delete(res))
}

function file(path, res) {
  const wanted = join(dist, normalize(path))
  const found =
    path !== '/' && wanted.startsWith(dist) && extname(path) && existsSync(wanted) ? wanted : join(dist, 'index.html')
  res.writeHead(200, {
    'Content-Type': types[extname(found)] ?? 'application/octet-stream',
    'Content-Security-Policy': policy,
    'X-Content-Type-Options': 'nosniff',
  })
  createReadStream(found).pipe(res)
}

server.listen(port, '127.0.0.1', () => console.log(`MOCK of the dead letter office at http://127.0.0.1:${port}`))
process.on('SIGTERM', () => process.exit(0))
