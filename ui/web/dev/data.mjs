// MOCK DATA, for looking at the page without a broker. Nothing of it is in the built page.
// Deterministic: the same letters at every start and after every reset, so that tests can name them.

let seed = 42
/** Begins the same letters again. */
export const reseed = () => {
  seed = 42
}

// Names as a cloud's consoles make them: an instance, a namespace and a long business name.
const instance = 'MQ_INST_138015630679_BcZwWZ9k%'
const works = ['order_settlement_compensation', 'payment_notification_dispatcher', 'inventory_reservation_release']
const stages = ['service_prod_cn_hangzhou', 'worker_prod_cn_shanghai', 'service_gray_cn_beijing', 'listener_prod']
const kinds = ['concurrent', 'concurrent', 'orderly', 'grpc_fifo']
const longGroups = Array.from({ length: 40 }, (_, i) => ({
  name: `${`${instance}GID_${works[i % 3]}_${stages[i % 4]}`.slice(0, 77)}_${String(i + 1).padStart(2, '0')}`,
  topic: `${`${instance}${works[(i + 1) % 3]}_topic_${stages[(i + 2) % 4]}`.slice(0, 76)}_${(i % 9) + 1}`,
  kind: kinds[i % 4],
  online: i % 5 !== 3,
}))
const longTexts = [
  'com.alibaba.rocketmq.client.exception.MQClientException: consume message failed, connect to <10.20.113.207:10911> failed after 3000 ms; nested exception is java.net.SocketTimeoutException',
  '调用库存中心预占接口失败：inventory-center.prod.internal/api/v2/reservations 返回 503，已重试 3 次，最后一次耗时 3000 毫秒，请求号 b7c2f1',
]
const rnd = () => {
  seed = (seed * 1664525 + 1013904223) % 4294967296
  return seed / 4294967296
}
const pick = list => list[Math.floor(rnd() * list.length)]
const hex = n => Array.from({ length: n }, () => Math.floor(rnd() * 16).toString(16)).join('')

export const minute = 60_000
export const hour = 60 * minute
export const iso = ms => new Date(ms).toISOString()

const shortGroups = [
  { name: 'pay-service', topic: 'payments', kind: 'concurrent', online: true },
  { name: 'stock-service', topic: 'orders', kind: 'concurrent', online: true },
  { name: 'order-ledger', topic: 'orders', kind: 'orderly', online: true },
  { name: 'notify-service', topic: 'notifications', kind: 'concurrent', online: false },
  { name: 'settlement-grpc', topic: 'payments', kind: 'grpc_fifo', online: true },
]

export let groups = shortGroups
/** Puts 40 consumer groups with long names in the place of the few with short ones, or back. */
export const nameLong = long => {
  groups = long ? longGroups : shortGroups
}

const reasons = [
  [
    'network_timeout',
    [
      'connect timed out after 3000 ms: gateway.pay.internal:443',
      '连接支付网关超时（3000 ms）：gateway.pay.internal:443',
    ],
    'retry',
    'passing troubles heal by themselves',
  ],
  [
    'system_error',
    ['java.lang.IllegalStateException: pool exhausted (32/32 in use)', '数据库连接池耗尽（32/32）'],
    'retry',
    'passing troubles heal by themselves',
  ],
  [
    'data_format_error',
    [
      'body is not JSON: unexpected end of input at line 1 column 118',
      '消息体不是合法的 JSON：第 1 行第 118 列意外结束',
    ],
    'manual',
    'broken data needs a person',
  ],
  [
    'business_validation_error',
    ['amount must be positive, was -30.00', '金额必须为正数，实际为 -30.00'],
    'manual',
    'broken data needs a person',
  ],
  [
    'payment_timeout',
    ['no answer from the bank within 30 s', '银行 30 秒内未返回支付结果'],
    'compensate',
    'money and stock are settled',
  ],
  [
    'inventory_shortage',
    ['sku 88-1204: wanted 3, 1 left', 'SKU 88-1204 库存不足：需要 3，剩余 1'],
    'compensate',
    'money and stock are settled',
  ],
  ['retries_exhausted', [''], 'manual', 'everything else'],
]
const origins = {
  property: 'property.FAILURE_REASON',
  body: 'body.failure_reason',
  report: 'report',
  envelope: 'envelope',
  broker: 'broker',
}

const levels = [
  '1s',
  '5s',
  '10s',
  '30s',
  '1m',
  '2m',
  '3m',
  '4m',
  '5m',
  '6m',
  '7m',
  '8m',
  '9m',
  '10m',
  '20m',
  '30m',
  '1h',
  '2h',
]

/** One letter with everything that its page shows. */
export function makeLetter(id, now, over = {}) {
  const g = pick(groups)
  const [reason, texts, route, rule] = pick(reasons)
  const age = Math.floor(rnd() ** 2 * 26 * hour) + id * 137
  const died = now - age
  const origin = reason === 'retries_exhausted' ? 'broker' : pick(['property', 'property', 'body', 'report'])
  const prefix = { payments: 'PAY', orders: 'ORD', notifications: 'MSG' }[g.topic] ?? 'SETTLEMENT-COMPENSATION-2026'
  const key = `${prefix}-20261121-${String(10000 - id).padStart(5, '0')}`
  const uniq = `7F000001${hex(24).toUpperCase()}`
  const again = rnd() < 0.12
  const deaths = again ? 2 : 1
  const position = n => ({
    cluster: 'DefaultCluster',
    broker: 'broker-a',
    topic: `%DLQ%${g.name}`,
    number: 0,
    offset: String(1000 + id * 3 + n),
    stored_at: iso(died - n * hour),
  })
  const letter = {
    id: String(id),
    version: 3,
    state: 'open',
    route,
    hold: route === 'manual' ? undefined : 'automation_off',
    severity: pick([
      'high',
      'high',
      'normal',
      'normal',
      'normal',
      'low',
      reason === 'data_format_error' ? 'critical' : 'normal',
    ]),
    flags: again ? ['failed_again'] : [],
    reason,
    reason_text: groups === longGroups ? pick(longTexts) : pick(texts),
    reason_origin: origin,
    reason_field: origins[origin],
    fingerprint: hex(16),
    business: { payments: 'payment', orders: 'order' }[g.topic] ?? '',
    cluster: 'DefaultCluster',
    consumer_group: g.name,
    topic: g.topic,
    dlq_topic: `%DLQ%${g.name}`,
    message_id: `7F00000100002A9F${hex(16).toUpperCase()}`,
    origin_message_id: `7F00000100002A9F${hex(16).toUpperCase()}`,
    unique_key: uniq,
    keys: [key],
    tags: pick(['created', 'paid', '']),
    attempts: origin === 'broker' ? 16 : 3,
    deaths,
    replays: deaths - 1,
    size: 412,
    born_at: iso(died - 2 * hour),
    died_at: iso(died),
    arrived_at: iso(died + 900),
    changed_at: iso(died + 900),
    rule,
    rule_version: 4,
    runbook: route === 'manual' ? 'https://wiki.example/dead-letters' : undefined,
    owner: rnd() < 0.12 ? pick(['li.wei', 'anna', 'ops@example.com']) : undefined,
    ...over,
  }
  const body = JSON.stringify({
    order_id: 0,
    customer: { id: 'c-7741', name: '王小明', vip: true },
    amount: '128.50',
    currency: 'CNY',
    items: [
      { sku: '88-1204', qty: 3 },
      { sku: '17-0042', qty: 1 },
    ],
    failure_reason: reason,
    failure_detail: letter.reason_text,
    retry_count: 3,
    created_at: letter.born_at,
  }).replace('"order_id":0', `"order_id":90071992547409931${id}`)
  letter.size = over.size ?? Buffer.byteLength(body)
  const detail = {
    ...letter,
    properties: {
      KEYS: key,
      ...(letter.tags && { TAGS: letter.tags }),
      ...(origin === 'property' && { FAILURE_REASON: reason, FAILURE_DETAIL: letter.reason_text }),
      BUSINESS_TYPE: letter.business || 'notice',
      traceparent: `00-${hex(32)}-${hex(16)}-01`,
      UNIQ_KEY: uniq,
      RETRY_TOPIC: g.topic,
      ORIGIN_MESSAGE_ID: letter.origin_message_id,
      REAL_TOPIC: `%RETRY%${g.name}`,
      REAL_QID: '0',
      DELAY: '5',
      MAX_RECONSUME_TIMES: '3',
      MIN_OFFSET: '0',
      MAX_OFFSET: '1204',
      WAIT: 'true',
      MSG_REGION: 'DefaultRegion',
      TRACE_ON: 'true',
      CLUSTER: 'DefaultCluster',
      ...(over.properties ?? {}),
    },
    sys_flag: 0,
    born_host: '10.20.3.17:51544',
    store_host: '127.0.0.1:10911',
    body_state: 'plain',
    history: Array.from({ length: deaths }, (_, n) => ({
      ...position(n),
      id: String(id * 10 + n),
      message_id: n === 0 ? letter.message_id : `7F00000100002A9F${hex(16).toUpperCase()}`,
      phys_offset: String(100000 + id),
      attempts: letter.attempts,
      arrived_at: iso(died - n * hour + 900),
      ...(deaths > 1 && n === 0 && { replay_id: hex(32) }),
    })),
    replay_list: [],
    events: [
      {
        id: String(id * 100 + 2),
        letter_id: String(id),
        at: iso(died + 900),
        kind: deaths > 1 ? 'died_again' : 'arrived',
        actor: 'intake',
        rule,
        detail: { route, hold: letter.hold ?? '' },
      },
    ],
    calls: [],
  }
  return { detail, body: Buffer.from(over.body ?? body) }
}

/** What a replay of a letter would do. `kinds` are consumer groups that are of another kind than usual. */
export function optionsFor(l, kinds = {}) {
  const known = groups.find(x => x.name === l.consumer_group) ?? groups[0]
  const g = { ...known, kind: kinds[known.name] ?? known.kind }
  const others = groups.filter(x => x.topic === l.topic).map(x => x.name)
  const allowed = ['open', 'snoozed', 'scheduled'].includes(l.state)
  const door = (d, ok, why, warnings, target, receivers, more = {}) => ({
    door: d,
    allowed: ok,
    why,
    warnings,
    target,
    receivers,
    complete: true,
    delays: ok && d !== 'C',
    timer: ok && (d === 'B' || d === 'P'),
    new_key: ok && d !== 'C',
    ...more,
  })
  const offline = g.online ? [] : ['group_offline']
  const doors =
    g.kind === 'orderly'
      ? [
          door('C', true, 'orderly_online', ['one_attempt', 'out_of_order'], `%RETRY%${g.name}`, [g.name], {
            delays: false,
            timer: false,
          }),
          door('B', false, 'orderly_diverted', [], `%RETRY%${g.name}`, []),
          door('A', true, 'every_group', ['other_groups', 'out_of_order'], l.topic, others),
          door('P', false, 'not_grpc', [], '', []),
        ]
      : g.kind.startsWith('grpc')
        ? [
            ...(g.kind === 'grpc'
              ? [door('P', true, 'pop_retry_topic', [], `%RETRY%${g.name}_${l.topic}`, [g.name])]
              : []),
            door('A', true, g.kind === 'grpc' ? 'every_group' : 'only_topic', ['other_groups'], l.topic, others),
            door('B', false, 'grpc_never_reads', [], `%RETRY%${g.name}`, []),
            door('C', false, 'grpc_never_reads', [], '', []),
            ...(g.kind === 'grpc' ? [] : [door('P', false, 'fifo_reads_no_retry', [], '', [])]),
          ]
        : [
            door(
              'B',
              true,
              'only_this_group',
              [...offline, ...(l.flags.includes('possible_duplicate') ? ['possible_duplicate'] : [])],
              `%RETRY%${g.name}`,
              [g.name],
            ),
            door('A', true, 'every_group', ['other_groups'], l.topic, others),
            door('C', true, 'dead_copy', offline, `%RETRY%${g.name}`, [g.name], { delays: false, timer: false }),
            door('P', false, 'not_grpc', [], '', []),
          ]
  const probes = g.kind.startsWith('grpc') ? ['probe_untrusted'] : []
  doors.push({
    ...door('D', g.online, g.online ? 'probe' : 'group_offline', g.online ? probes : [], '', [g.name]),
    ...{ delays: false, timer: false, new_key: false },
  })
  return {
    letter_id: l.id,
    version: l.version,
    allowed,
    ...(!allowed && { why: `state_${l.state}` }),
    default: doors[0].door,
    doors,
    levels: levels.map((delay, i) => ({ level: i + 1, delay })),
    timer: true,
    timer_max: '3d',
    default_delay: g.kind === 'concurrent' ? '10s' : '0s',
    group: groupInfo(g),
    broker: {
      broker: 'broker-a',
      version: '5.5.0',
      major: 5,
      levels,
      timer: true,
      timer_max: '3d',
      orderly_diverts: true,
      refuses_empty: true,
    },
    same_last_5m: l.reason === 'network_timeout' ? 4 : 0,
    ...(l.replays > 0 && l.state === 'open' && l.flags.includes('regressed') && { confirmed_at: l.died_at }),
    dead_copy_until: iso(Date.parse(l.died_at) + 72 * hour),
    unwraps: !!l.envelope,
  }
}

const groupInfo = g => ({
  name: g.name,
  exists: true,
  kind: g.kind,
  kind_why: g.online ? 'online_listener' : 'seen_before',
  online: g.online,
  last_seen: iso(Date.now() - (g.online ? 0 : 42 * minute)),
  clients: g.online
    ? [0, 1].map(n => ({
        id: `10.20.3.${17 + n}@${4711 + n}`,
        address: `10.20.3.${17 + n}:51544`,
        language: g.kind.startsWith('grpc') || n === 0 ? 'JAVA' : 'GO',
        version: 'V5_1_0',
      }))
    : [],
  topics: [g.topic, `%RETRY%${g.name}`],
  lag: g.online ? 12 : 2317,
  max_retry: 3,
})

export const groupRows = (letters, repaired) =>
  groups.map(g => {
    const of = state => letters.filter(l => l.consumer_group === g.name && state.includes(l.state)).length
    const broken = g === groups[3] && !repaired.has(`%DLQ%${g.name}`)
    const topic = {
      cluster: 'DefaultCluster',
      broker: 'broker-a',
      topic: `%DLQ%${g.name}`,
      number: 0,
      consumer_group: g.name,
      perm: broken ? 2 : 6,
      readable: !broken,
      min: '0',
      max: '1204',
      next: broken ? '0' : '1204',
      unread: broken ? 31 : 0,
      ...(broken && { oldest_unread: iso(Date.now() - 50 * hour), expires_at: iso(Date.now() + 22 * hour) }),
      checked_at: iso(Date.now() - 4000),
    }
    return {
      name: g.name,
      letters_open: of(['open']),
      letters_in_flight: of(['scheduled', 'sending', 'awaiting', 'compensating']),
      unread: topic.unread,
      readable: !broken,
      ...(broken && { oldest_unread: topic.oldest_unread, expires_at: topic.expires_at }),
      topics: [topic],
    }
  })
export const infoOf = name => {
  const g = groups.find(x => x.name === name)
  return g && groupInfo(g)
}

/** Letters whose every field is written by somebody who wishes ill. */
export const hostile = [
  {
    keys: ['<script>window.hacked=1</script>'],
    reason_text: '"><img src=x onerror="window.hacked=1"><svg onload=window.hacked=1>',
    consumer_group: 'pay-service',
  },
  {
    keys: ['evil\u202Egnp.exe\u202C-\u0000\u0007-\u200B-end'],
    reason_text: 'right-to-left \u202Eneddih\u202C, zero\u200Bwidth, bell\u0007, nul\u0000, bom\uFEFF',
    consumer_group: 'gro\u202Eup',
  },
  {
    keys: [`LONG-${'x'.repeat(20_000)}`],
    reason: `r${'-very-long-reason'.repeat(400)}`,
    reason_text: 'long '.repeat(40_000),
    properties: {
      __proto__x: '<b>bold</b>',
      constructor: 'x',
      'javascript:alert(1)': 'javascript:window.hacked=1',
      HUGE: 'v'.repeat(1_000_000),
    },
    body: `{"big": "${'y'.repeat(1_000_000)}", "n": 12345678901234567890.1234567890, "<script>": "<script>window.hacked=1</script>", "__proto__": {"x": 1}, "dup": 1, "dup": 2}`,
  },
  {
    keys: ['not utf-8'],
    body: Buffer.from([0xff, 0xfe, 0x00, 0x3c, 0x73, 0x63, 0x72, 0x69, 0x70, 0x74, 0x3e, 0x80, 0x81]),
    reason_text: 'bytes',
  },
  { keys: ['deep'], body: '['.repeat(200_000), reason_text: 'nested' },
  {
    keys: ['empty'],
    body: '',
    reason_text: '',
    runbook: 'javascript:window.hacked=1',
    reason_origin: 'unknown',
    reason_field: undefined,
    reason: 'unknown',
  },
  { keys: ['العربية مرحبا', 'x'], reason_text: 'مرحبا <b>x</b> \u2066isolate\u2069', topic: '' },
]
