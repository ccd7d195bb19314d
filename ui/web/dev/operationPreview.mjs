// MOCK PREVIEW of an operation.
import { hour, infoOf, iso, optionsFor } from './data.mjs'

const may = {
  replay: ['open', 'snoozed', 'scheduled'],
  discard: ['open', 'snoozed', 'scheduled'],
  resolve: ['open', 'snoozed', 'scheduled'],
  restore: ['resolved', 'discarded'],
  route: ['open'],
}
export const eligible = (o, l) =>
  may[o.kind].includes(l.state) &&
  !(l.flags.includes('quarantined') && !o.spec.replay?.include_quarantined && o.kind === 'replay') &&
  !(stale(l) && !o.spec.replay?.include_stale && o.kind === 'replay')
const stale = l => l.topic === 'notifications' && Date.now() - Date.parse(l.died_at) > 12 * hour
export const skipOf = (o, l) =>
  !may[o.kind].includes(l.state)
    ? `state_${l.state}`
    : o.kind === 'replay' && l.flags.includes('quarantined') && !o.spec.replay?.include_quarantined
      ? 'quarantined'
      : o.kind === 'replay' && stale(l) && !o.spec.replay?.include_stale
        ? 'stale'
        : ''

/** What a draft would do. */
export function previewOf(o, find) {
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

const stranger = name => ({
  name,
  exists: false,
  kind: 'unknown',
  kind_why: 'offline_without_sign',
  online: false,
  lag: -1,
  max_retry: -1,
})

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
