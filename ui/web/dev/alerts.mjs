// MOCK ALERTS, for looking at the page without the program. Nothing of it is in the built page.
import { hour, iso, minute } from './data.mjs'

const id = n => `dlv_MOCK${String(n).padStart(22, '0')}`

const rules = [
  {
    name: 'dead letters pile up',
    signal: 'open_letters',
    unit: 'count',
    threshold: 100,
    for: '5m',
    keep_firing_for: '10m',
    severity: 'warning',
    by: ['consumer_group'],
    receivers: ['ops', 'oncall'],
    line: 42,
    summary: 'More letters wait than two people can look at in a shift.',
  },
  {
    name: 'payments die / 支付消息进入死信',
    signal: 'arrivals_per_minute',
    unit: 'count',
    threshold: 20,
    for: '1m',
    severity: 'critical',
    by: ['consumer_group', 'reason'],
    where: { topic: ['payments'] },
    receivers: ['ops', 'oncall'],
    line: 49,
    summary: '支付消息大量失败，请先确认支付网关是否可用。',
  },
  {
    name: 'replays fail again',
    signal: 'failed_again_ratio',
    unit: 'ratio',
    threshold: 0.2,
    for: '10m',
    severity: 'warning',
    by: ['consumer_group'],
    receivers: ['ops'],
    line: 57,
  },
  {
    name: 'unread messages expire soon',
    signal: 'expiry',
    unit: 'duration',
    below: true,
    threshold: 4 * 3600,
    severity: 'critical',
    by: ['consumer_group'],
    receivers: ['ops'],
    line: 64,
  },
  {
    name: 'broker away',
    signal: 'broker_unreachable',
    unit: 'flag',
    for: '1m',
    severity: 'critical',
    receivers: ['ops'],
    line: 70,
  },
  {
    name: 'disk fills',
    signal: 'disk',
    unit: 'ratio',
    threshold: 0.9,
    severity: 'critical',
    receivers: ['ops'],
    line: 75,
    off: true,
  },
  {
    name: 'old letters',
    signal: 'oldest_open_age',
    unit: 'duration',
    threshold: 86400,
    severity: 'info',
    by: ['consumer_group'],
    receivers: [],
    line: 80,
  },
]

export const receivers = [
  {
    name: 'ops',
    type: 'webhook',
    format: '',
    locale: 'en',
    host: 'https://alerts.example.com',
    per_minute: 0,
    signed: false,
  },
  {
    name: 'oncall',
    type: 'dingtalk',
    format: '',
    locale: 'zh',
    host: 'https://oapi.dingtalk.com',
    per_minute: 15,
    signed: true,
  },
  {
    name: 'night shift',
    type: 'feishu',
    format: '',
    locale: 'both',
    host: '',
    per_minute: 15,
    signed: true,
    disabled: 'the variable DLQ_NIGHT_URL is not set',
    needs: 'env:DLQ_NIGHT_URL',
  },
]

const ruleOf = name => rules.find(r => r.name === name)

function alert(n, rule, labels, state, value, since, more = {}) {
  const r = ruleOf(rule)
  return {
    id: n.toString(16).padStart(16, '0'),
    rule,
    signal: r.signal,
    state,
    severity: r.severity,
    labels: { ...labels, team: 'payments' },
    annotations: {
      ...(r.summary && { summary: r.summary }),
      ...(rule === 'dead letters pile up' && { runbook: 'https://wiki.example/dead-letters' }),
    },
    receivers: r.receivers,
    unit: r.unit,
    value,
    threshold: r.threshold ?? 0,
    below: r.below ?? false,
    active_since: iso(since),
    held_at: iso(Date.now() - 4000),
    rule_version: 4,
    ...(r.where && { where: r.where }),
    ...more,
  }
}

function attempt(d, number, at, status, more = {}) {
  return {
    delivery_id: d.id,
    number,
    at: iso(at),
    duration: status ? '84ms' : '10s',
    url: 'https://alerts.example.com',
    headers: {
      'content-type': 'application/json',
      'user-agent': 'dead-letter-office',
      'webhook-id': d.id,
      'webhook-signature': 'v1,••••••',
      'webhook-timestamp': String(Math.floor(at / 1000)),
    },
    request: JSON.stringify({
      type: d.kind === 'test' ? 'alert.test' : 'alert.firing',
      timestamp: iso(at),
      data: { alerts: d.notification.alerts.map(a => ({ id: a.id, rule: a.rule, labels: a.labels, value: a.value })) },
    }),
    status,
    ...(status ? { answer: status < 300 ? '{"ok":true}' : 'upstream connect error', address: '203.0.113.7' } : {}),
    ...more,
  }
}

function delivery(n, receiver, reason, alerts, at, state, more = {}) {
  return {
    id: id(n),
    kind: reason === 'test' ? 'test' : 'alert',
    receiver,
    type: receivers.find(r => r.name === receiver)?.type ?? 'webhook',
    state,
    notification: { reason, at: iso(at), alerts },
    attempts: 1,
    failures: 0,
    created_at: iso(at),
    changed_at: iso(at + 300),
    ...(state === 'sent' && { status: 200 }),
    ...more,
  }
}

/** A world of alerts, as it is after a bad hour. */
export function makeAlerts(now) {
  const piles = alert(1, 'dead letters pile up', { consumer_group: 'pay-service' }, 'firing', 212, now - 47 * minute, {
    fired_at: iso(now - 42 * minute),
    reasons: [
      { value: 'network_timeout', count: 131 },
      { value: 'system_error', count: 60 },
      { value: 'unknown', count: 21 },
    ],
  })
  const dies = alert(
    2,
    'payments die / 支付消息进入死信',
    { consumer_group: 'pay-service', reason: 'payment_timeout' },
    'firing',
    64,
    now - 6 * minute,
    { fired_at: iso(now - 5 * minute), reasons: [{ value: 'payment_timeout', count: 64 }] },
  )
  const quiet = alert(3, 'dead letters pile up', { consumer_group: 'notify-service' }, 'firing', 140, now - 5 * hour, {
    fired_at: iso(now - 5 * hour + 5 * minute),
    silence_id: 'sil_MOCK1',
  })
  const waits = alert(4, 'replays fail again', { consumer_group: 'stock-service' }, 'pending', 0.31, now - 4 * minute)
  const over = alert(
    5,
    'unread messages expire soon',
    { consumer_group: 'order-ledger' },
    'resolved',
    15 * 3600,
    now - 9 * hour,
    {
      fired_at: iso(now - 9 * hour),
      resolved_at: iso(now - 8 * hour),
    },
  )
  const away = alert(6, 'broker away', {}, 'resolved', 0, now - 26 * hour, {
    fired_at: iso(now - 26 * hour),
    resolved_at: iso(now - 26 * hour + 11 * minute),
  })
  const deliveries = [
    delivery(7, 'oncall', 'new', [dies], now - 4 * minute, 'pending', {
      attempts: 2,
      failures: 2,
      status: 503,
      error: 'the receiver answered 503',
      next_at: iso(now + 50_000),
    }),
    delivery(6, 'ops', 'new', [dies, piles], now - 5 * minute, 'sent'),
    delivery(5, 'ops', 'first', [piles], now - 42 * minute, 'sent'),
    delivery(4, 'oncall', 'first', [piles], now - 42 * minute, 'sent'),
    delivery(3, 'oncall', 'digest', [over], now - 8 * hour, 'failed', {
      attempts: 40,
      error: 'the receiver did not answer for a day',
    }),
    delivery(2, 'ops', 'resolved', [over], now - 8 * hour, 'sent'),
    delivery(1, 'ops', 'test', [], now - 30 * hour, 'sent', { actor: 'anna' }),
  ]
  for (const d of deliveries) {
    const at = Date.parse(d.created_at)
    d.log =
      d.state === 'pending'
        ? [
            attempt(d, 2, at + 9000, 503, { error: d.error }),
            attempt(d, 1, at + 300, 0, { error: 'no answer in time', address: '203.0.113.7' }),
          ]
        : [
            attempt(
              d,
              d.attempts,
              at + 300,
              d.state === 'failed' ? 503 : 200,
              d.state === 'failed' ? { error: d.error } : {},
            ),
          ]
  }
  let event = 900
  const ev = (a, kind, at, more = {}) => ({
    id: String(event++),
    alert_id: a.id,
    rule: a.rule,
    kind,
    at: iso(at),
    value: a.value,
    ...more,
  })
  const events = [
    ev(quiet, 'pending', now - 5 * hour),
    ev(quiet, 'firing', now - 5 * hour + 5 * minute),
    ev(quiet, 'silenced', now - 5 * hour + 5 * minute, { receiver: 'ops', silence_id: 'sil_MOCK1' }),
    ev(piles, 'pending', now - 47 * minute, { value: 104 }),
    ev(piles, 'firing', now - 42 * minute, { value: 120 }),
    ev(piles, 'notified', now - 42 * minute, { receiver: 'oncall', delivery_id: id(4) }),
    ev(piles, 'notified', now - 42 * minute, { receiver: 'ops', delivery_id: id(5) }),
    ev(dies, 'pending', now - 6 * minute),
    ev(dies, 'firing', now - 5 * minute),
    ev(dies, 'notified', now - 5 * minute, { receiver: 'ops', delivery_id: id(6) }),
    ev(dies, 'notified', now - 4 * minute, { receiver: 'oncall', delivery_id: id(7) }),
    ev(waits, 'pending', now - 4 * minute),
    ev(over, 'resolved', now - 8 * hour),
    ev(over, 'notified', now - 8 * hour, { receiver: 'oncall', delivery_id: id(3) }),
    ev(over, 'notified', now - 8 * hour, { receiver: 'ops', delivery_id: id(2) }),
  ].reverse()
  const silences = [
    {
      id: 'sil_MOCK1',
      matchers: { consumer_group: ['notify-service'] },
      starts_at: iso(now - 5 * hour),
      ends_at: iso(now + 42 * minute),
      author: 'li.wei',
      note: 'SMS gateway is being moved; back at four',
      created_at: iso(now - 5 * hour),
    },
    {
      id: 'sil_MOCK2',
      matchers: { rule: ['disk fills'], severity: ['critical', 'warning'] },
      starts_at: iso(now - 50 * hour),
      ends_at: iso(now - 49 * hour),
      author: 'anna',
      note: '扩容磁盘',
      created_at: iso(now - 50 * hour),
      ended_by: 'anna',
    },
  ]
  return {
    items: [dies, piles, quiet, waits],
    recent: [over, away],
    deliveries,
    events,
    silences,
    rules,
    receivers,
    nobody: false,
  }
}

const values = {
  'dead letters pile up': [
    [{ consumer_group: 'pay-service' }, 212, 'firing'],
    [{ consumer_group: 'notify-service' }, 140, 'firing'],
    [{ consumer_group: 'stock-service' }, 57, ''],
    [{ consumer_group: 'order-ledger' }, 12, ''],
  ],
  'payments die / 支付消息进入死信': [
    [{ consumer_group: 'pay-service', reason: 'payment_timeout' }, 64, 'firing'],
    [{ consumer_group: 'pay-service', reason: 'system_error' }, 3, ''],
  ],
  'replays fail again': [
    [{ consumer_group: 'stock-service' }, 0.31, 'pending'],
    [{ consumer_group: 'pay-service' }, 0.04, ''],
  ],
  'unread messages expire soon': [[{ consumer_group: 'order-ledger' }, 15 * 3600, '']],
  'broker away': [[{}, 0, '']],
}

const statusOf = w => {
  const firing = w.items.filter(a => a.state === 'firing')
  const loud = firing.filter(a => !a.silence_id)
  return {
    firing: firing.length,
    silenced: firing.length - loud.length,
    critical: loud.filter(a => a.severity === 'critical').length,
    pending: w.items.filter(a => a.state === 'pending').length,
  }
}
export const alertsStatus = w => statusOf(w)

function view(w) {
  const at = iso(Date.now() - 4000)
  for (const a of w.items) a.held_at = at
  const held = new Set(w.items.map(a => `${a.rule} ${JSON.stringify(a.labels.consumer_group ?? '')}`))
  return {
    items: w.items,
    recent: w.recent,
    evaluated_at: at,
    rules: w.rules.map(({ summary, ...r }) => ({
      below: false,
      threshold: 0,
      for: '0s',
      keep_firing_for: '0s',
      by: [],
      where: {},
      off: false,
      ...r,
      ...(r.off ? {} : { evaluated_at: at }),
      values: r.off
        ? []
        : (values[r.name] ?? []).map(([labels, value, state]) => {
            const on = state === '' || held.has(`${r.name} ${JSON.stringify(labels.consumer_group ?? '')}`)
            return { labels, value: on ? value : (r.threshold ?? 0) / 2, state: on ? state : '' }
          }),
    })),
    groups: w.receivers
      .filter(r => !r.disabled)
      .map(r => ({
        receiver: r.name,
        told: Object.fromEntries(
          w.items
            .filter(a => a.state === 'firing' && !a.silence_id && a.receivers.includes(r.name))
            .map(a => [a.id, 'firing']),
        ),
        sent_at: iso(Date.now() - 5 * minute),
      })),
  }
}

const matches = (m, a) =>
  Object.entries(m).every(([l, all]) =>
    all.includes(l === 'rule' ? a.rule : l === 'severity' ? a.severity : a.labels[l]),
  )

/** The routes of alerts over `world()`; Refusal is the mock's error, tell tells the followers of the stream. */
export function alertRoutes(world, Refusal, changed) {
  const w = () => world().alerts
  const silence = () => {
    const now = iso(Date.now())
    for (const a of w().items) {
      const s = w().silences.find(x => x.starts_at <= now && x.ends_at > now && matches(x.matchers, a))
      a.silence_id = s?.id
    }
    changed()
  }
  const one = key => {
    const d = w().deliveries.find(x => x.id === key)
    if (!d) throw new Refusal(404, 'not_found', `there is no delivery "${key}"`, 'deliveries are deleted after a while')
    return d
  }
  const send = d => {
    d.attempts += 1
    const bad = w().down?.includes(d.receiver)
    d.log = [
      attempt(d, d.attempts, Date.now(), bad ? 502 : 200, {
        by_hand: true,
        ...(bad && { error: 'the receiver answered 502' }),
      }),
      ...(d.log ?? []),
    ]
    d.state = bad ? 'failed' : 'sent'
    d.status = bad ? 502 : 200
    d.error = bad ? 'the receiver answered 502' : undefined
    d.next_at = undefined
    d.changed_at = iso(Date.now())
    return d
  }
  let made = 100
  return [
    ['GET', /^\/alerts$/, () => view(w())],
    [
      'GET',
      /^\/alerts\/events$/,
      (_, __, p) => ({ items: w().events.filter(e => !p.get('alert') || e.alert_id === p.get('alert')) }),
    ],
    ['GET', /^\/silences$/, () => ({ items: w().silences })],
    [
      'POST',
      /^\/silences$/,
      (_, b) => {
        const now = Date.now()
        const length = { m: minute, h: hour }[b.duration?.at(-1)] * Number.parseInt(b.duration, 10)
        const s = {
          id: `sil_MOCK${made++}`,
          matchers: b.matchers,
          starts_at: iso(now),
          ends_at: b.ends_at ?? iso(now + length),
          author: world().session.actor,
          note: b.note,
          created_at: iso(now),
        }
        w().silences.unshift(s)
        silence()
        return s
      },
    ],
    [
      'POST',
      /^\/silences\/([^/]+)\/end$/,
      ([key]) => {
        const s = w().silences.find(x => x.id === key)
        if (!s) throw new Refusal(404, 'not_found', `there is no silence "${key}"`, '')
        s.ends_at = iso(Date.now())
        s.ended_by = world().session.actor
        silence()
        return s
      },
    ],
    ['GET', /^\/receivers$/, () => ({ items: w().receivers })],
    [
      'POST',
      /^\/receivers\/([^/]+)\/test$/,
      ([name]) => {
        const d = delivery(made++, decodeURIComponent(name), 'test', [], Date.now(), 'pending', {
          attempts: 0,
          actor: world().session.actor,
        })
        w().deliveries.unshift(d)
        return send(d)
      },
    ],
    [
      'GET',
      /^\/deliveries$/,
      (_, __, p) => {
        const all = w().deliveries.filter(
          d =>
            (!p.get('receiver') || d.receiver === p.get('receiver')) &&
            (!p.get('state') || p.getAll('state').includes(d.state)) &&
            (!p.get('alert') || d.notification.alerts.some(a => a.id === p.get('alert'))),
        )
        const from = Number(p.get('cursor') ?? 0)
        const to = from + Number(p.get('limit') ?? 50)
        return { items: all.slice(from, to).map(({ log, ...d }) => d), ...(to < all.length && { next: String(to) }) }
      },
    ],
    ['GET', /^\/deliveries\/([^/]+)$/, ([key]) => one(key)],
    ['POST', /^\/deliveries\/([^/]+)\/resend$/, ([key]) => send(one(key))],
  ]
}
