// The imitation of edits, targets, probes and the release from quarantine for the mock server.
import { iso } from './data.mjs'
import { charsetOf, decode } from './reading.mjs'

const locked =
  /^(UNIQ_KEY|RETRY_TOPIC|REAL_TOPIC|REAL_QID|ORIGIN_MESSAGE_ID|DELAY|M(IN|AX)_OFFSET|MAX_RECONSUME_TIMES|WAIT|MSG_REGION|TRACE_ON|CLUSTER|DLQ_\w+)$/
const stripped =
  /^(RETRY_TOPIC|REAL_TOPIC|REAL_QID|DELAY|M(IN|AX)_OFFSET|MAX_RECONSUME_TIMES|MSG_REGION|TRACE_ON|CLUSTER)$/
const secret = /pass|secret|token|auth|credential|cookie|session|api[-_.]?key|private/i

/** The message of a letter as an editor opens it. */
export const editable = (x, edits, charset = '') => ({
  ...transcript(x, edits, charset),
  letter_id: x.detail.id,
  version: x.detail.version,
  deaths: x.detail.deaths,
  undecoded: x.detail.body_state === 'undecoded',
  properties: Object.entries(x.detail.properties)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => ({
      name,
      value,
      locked: locked.test(name),
      stripped: stripped.test(name),
      sensitive: secret.test(name),
    })),
})

/** The bodies, as text in UTF-8 where they are asked for in a charset and written in another. */
function transcript(x, edits, wanted) {
  const c = wanted === 'auto' || wanted === '' ? charsetOf(x) : wanted
  const as = bytes => (wanted && c && c !== 'utf-8' ? Buffer.from(decode(bytes, c) ?? '') : bytes)
  const whole = c !== '' && decode(x.body, c) !== undefined
  return {
    charset: c,
    transcript: wanted !== '' && whole && c !== 'utf-8',
    body: (whole ? as(Buffer.from(x.body)) : Buffer.from(x.body)).toString('base64'),
    edits: whole ? edits.map(e => ({ ...e, body: as(Buffer.from(e.body, 'base64')).toString('base64') })) : edits,
  }
}

/** The options of a replay to somebody else than the failed consumer group. */
export function optionsTo(o, kind, name, topics, groups) {
  const a = o.doors.find(d => d.door === 'A')
  const b = {
    ...a,
    door: 'B',
    why: 'other_group',
    warnings: [],
    target: `%RETRY%${name}`,
    receivers: [name],
    timer: true,
  }
  const shut = why => ({ allowed: false, why, receivers: [], warnings: [] })
  const doors =
    kind === 'topic'
      ? [a]
      : kind === 'other_topic'
        ? [
            {
              ...a,
              why: 'other_topic',
              target: name,
              warnings: [],
              receivers: groups.filter(g => g.topic === name).map(g => g.name),
              ...(name.startsWith('%') ? shut('topic_reserved') : !topics.includes(name) && shut('topic_missing')),
            },
          ]
        : [
            {
              ...b,
              ...(groups.some(g => g.name === name)
                ? groups.find(g => g.name === name).topic !== o.topic && { warnings: ['not_subscribed'] }
                : shut('group_missing')),
            },
          ]
  return { ...o, doors, default: doors.find(d => d.allowed)?.door ?? '' }
}

const said = {
  exception:
    'java.lang.IllegalStateException: amount is text: "128.50"\n\tat shop.Pay.settle(Pay.java:88)\n\tat shop.Pay.consume(Pay.java:41)',
  later: '',
  null: '',
  timeout: '',
  success: '',
}

export function editRoutes({ get, find, check, event, changed, brief, Refusal, act }) {
  const editsOf = id => get().edits.get(id) ?? []
  const probe = (l, { client_id, note }) => {
    const verdict = get().probes.shift() ?? 'exception'
    const p = {
      letter_id: l.id,
      at: iso(Date.now()),
      actor: get().session.actor,
      note,
      client_id: client_id || '10.20.3.17@4711',
      language: 'JAVA',
      verdict,
      text: said[verdict],
      ...(verdict === 'exception' && { reason: 'java.lang.IllegalStateException' }),
      spent: verdict === 'timeout' ? '10s' : '42ms',
      trusted: true,
    }
    if (verdict === 'success' || verdict === 'timeout') l.flags = [...new Set([...l.flags, 'possible_duplicate'])]
    if (p.reason && ['broker', 'unknown'].includes(l.reason_origin)) {
      l.reason = p.reason
      l.reason_text = p.text.split('\n')[0]
      l.reason_origin = 'probe'
      l.reason_field = 'probe'
    }
    event(l, 'probed', {
      note,
      detail: {
        verdict,
        client: p.client_id,
        trusted: String(p.trusted),
        language: p.language,
        spent: p.spent,
        ...(p.text && { text: p.text }),
        ...(p.reason && { reason: p.reason }),
      },
    })
    changed([l.id])
    return p
  }
  return [
    ['GET', /^\/letters\/(\d+)\/edits$/, ([id], _, q) => editable(find(id), editsOf(id), q.get('charset') ?? '')],
    [
      'POST',
      /^\/letters\/(\d+)\/edits$/,
      ([id], b) => {
        const l = find(id).detail
        check(l, b.version)
        if (!b.note) throw new Refusal(400, 'invalid', 'the field "note" is missing', 'write why')
        const edit = {
          letter_id: id,
          number: editsOf(id).length + 1,
          base: b.base,
          deaths: l.deaths,
          author: get().session.actor,
          note: b.note,
          at: iso(Date.now()),
          // Only the program can write other charsets: the imitation keeps what was asked for.
          body: b.body,
          ...(b.charset && { charset: b.charset }),
          set: b.set,
          remove: b.remove,
        }
        get().edits.set(id, [edit, ...editsOf(id)])
        event(l, 'edited', { note: b.note, detail: { edit: String(edit.number), base: String(edit.base) } })
        changed([id])
        return { edit, letter: brief(l) }
      },
    ],
    [
      'POST',
      /^\/letters\/(\d+)\/probe$/,
      ([id], b) => {
        const l = find(id).detail
        check(l, b.version)
        return { probe: probe(l, b), letter: brief(l) }
      },
    ],
    [
      'POST',
      /^\/letters\/(\d+)\/unquarantine$/,
      ([id], b) => {
        const l = find(id).detail
        check(l, b.version)
        l.flags = l.flags.filter(f => f !== 'quarantined')
        if (l.hold === 'quarantined') l.hold = undefined
        event(l, 'unquarantined', { note: b.note })
        changed([id])
        return brief(l)
      },
    ],
    [
      'POST',
      /^\/letters\/actions$/,
      (_, b) =>
        b.action === 'probe'
          ? {
              results: b.ids.map(id => {
                const l = find(id).detail
                return { id, ok: true, probe: probe(l, b), letter: brief(l) }
              }),
            }
          : act(b),
    ],
  ]
}
