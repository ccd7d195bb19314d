// The imitation of /api/v1/rules for the mock server.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hour, iso, minute } from './data.mjs'
import { diagnostics, refusal, rulesText } from './ruleData.mjs'

const schema = JSON.parse(readFileSync(new URL('../../../docs/rules.schema.json', import.meta.url), 'utf8'))
const etagOf = text => createHash('sha256').update(text).digest('hex')
const routesKnown = ['retry', 'manual', 'compensate', 'discard']

/** An answer of several lines of JSON. */
export class Lines {
  constructor(items) {
    this.text = items.map(x => `${JSON.stringify(x)}\n`).join('')
  }
}

/** The file and its versions as a new console has them. */
export const freshRules = now => ({
  text: rulesText,
  writable: { ok: true },
  versions: [
    { version: 4, sha256: etagOf(rulesText), text: rulesText, author: 'file', at: iso(now - 5 * hour) },
    {
      version: 3,
      sha256: 'c0ffee',
      text: rulesText.replace('[network_timeout, system_error]', 'network_timeout'),
      author: 'anna',
      note: 'the bank was down',
      at: iso(now - 30 * hour),
    },
  ],
})

/** Just enough of the program's check to see the page work: rules by their names, and routes that do not exist. */
function outline(text) {
  const rules = []
  const alerts = []
  const found = []
  let section = ''
  for (const [i, line] of text.split('\n').entries()) {
    section = /^(\w+):/.exec(line)?.[1] ?? section
    const name = /^ {2}- name: (.*)$/.exec(line)?.[1]
    const list = section === 'alerts' ? alerts : rules
    if (name && (section === 'rules' || section === 'alerts'))
      list.push({ name, line: i + 1, end_line: i + 1, route: '', signal: '', off: false })
    const last = list.at(-1)
    if (last && line.trim() !== '') last.end_line = i + 1
    if (last && /^ {4}off: true/.test(line)) last.off = true
    const route = /^( {4}route: )(\S+)/.exec(line)
    if (route && last) last.route = route[2]
    if (route && !routesKnown.includes(route[2]))
      found.push({
        severity: 'error',
        code: 'unknown-route',
        line: i + 1,
        column: route[1].length + 1,
        end_line: i + 1,
        end_column: route[0].length + 1,
        message: { en: `There is no route “${route[2]}”.`, zh: `没有名为“${route[2]}”的处理方式。` },
        suggestion: routesKnown.find(r => r[0] === route[2][0]) ?? 'manual',
        rule: last?.name,
      })
  }
  return { rules, alerts, diagnostics: found.length || text !== rulesText ? found : diagnostics }
}

export function rulesRoutes({ get, details, find, brief, status, Refusal }) {
  const view = () => {
    const { rules, alerts } = outline(get().rules.text)
    const refused = status().rules.refused ? refusal(iso(Date.now() - 2 * minute)) : null
    const text = refused?.text ?? get().rules.text
    return {
      version: get().rules.versions[0],
      diagnostics: outline(get().rules.text).diagnostics,
      refused,
      path: './rules.yaml',
      text,
      etag: etagOf(text),
      writable: get().rules.writable,
      rules,
      alerts,
      hits: rules.map(({ name: rule }, i) => {
        const n = details().filter(l => l.rule === rule).length
        return {
          rule,
          total: n,
          day: n,
          hours: Array.from({ length: 24 }, (_, h) => Math.floor(Math.abs(Math.sin(h * (i + 1))) * (i * 3))),
        }
      }),
    }
  }
  return [
    ['GET', /^\/rules$/, () => view()],
    [
      'PUT',
      /^\/rules$/,
      (_, body, __, req) => {
        if (req.headers['if-match'] !== `"${etagOf(get().rules.text)}"`)
          throw new Refusal(409, 'conflict', 'the rules file was changed by anna in the meantime', 'compare both', {
            rules: {
              text: get().rules.text,
              etag: etagOf(get().rules.text),
              version: { ...get().rules.versions[0], text: undefined },
            },
          })
        const old = body.version && get().rules.versions.find(v => v.version === body.version)
        get().rules.text = old ? old.text : body.text
        get().rules.versions.unshift({
          version: get().rules.versions[0].version + 1,
          sha256: etagOf(get().rules.text),
          text: get().rules.text,
          author: 'local',
          note: body.note,
          at: iso(Date.now()),
          ...(old && { reverts: old.version }),
        })
        return view()
      },
    ],
    [
      'POST',
      /^\/rules\/check$/,
      (_, body) => ({
        etag: etagOf(get().rules.text),
        ...outline(body.text),
        compensations: ['settle'],
        receivers: ['ops'],
      }),
    ],
    [
      'POST',
      /^\/rules\/edit$/,
      (_, body) => {
        const list = body.text.split('\n')
        if (body.letter_id) {
          const l = find(body.letter_id)
          const at = list.findIndex(x => x.includes('name: replayed enough'))
          list.splice(
            at,
            0,
            `  - name: ${l.reason} of ${l.consumer_group}`,
            `    match: {reason: ${l.reason}, consumer_group: ${l.consumer_group}}`,
            '    route: manual',
          )
          return { text: list.join('\n'), line: at + 1, end_line: at + 3, diagnostics: [] }
        }
        const at = list.findIndex(x => x.includes(`name: ${body.switch.name}`))
        if (body.switch.off) list.splice(at + 1, 0, '    off: true')
        else list.splice(at + 1, 1)
        return { text: list.join('\n'), line: at + 1, end_line: at + 3, diagnostics: [] }
      },
    ],
    [
      'POST',
      /^\/rules\/backtest$/,
      (_, body) => {
        const moved =
          /route: manual # was retry/.test(body.text) || (body.text.match(/route: retry/g) ?? []).length === 0
        const all = details()
        const then = l => (moved && l.route === 'retry' ? 'manual' : l.route)
        if (body.cell)
          return {
            items: all
              .filter(
                l =>
                  (!body.cell.now || l.route === body.cell.now) &&
                  (!body.cell.then || then(l) === body.cell.then) &&
                  (!body.cell.changed || l.route !== then(l)) &&
                  (body.cell.rule_now === undefined || l.rule === body.cell.rule_now),
              )
              .slice(0, 50)
              .map(l => ({ letter: brief(l), now: l.route, then: then(l), rule_now: l.rule, rule_then: l.rule })),
          }
        const matrix = new Map()
        for (const l of all) matrix.set(`${l.route} ${then(l)}`, (matrix.get(`${l.route} ${then(l)}`) ?? 0) + 1)
        const of = name => all.filter(l => l.rule === name).length
        return new Lines([
          {
            version: get().rules.versions[0].version,
            done: all.length,
            total: all.length,
            changed: all.filter(l => l.route !== then(l)).length,
            matrix: [...matrix].map(([k, count]) => ({ now: k.split(' ')[0], then: k.split(' ')[1], count })),
            rules: outline(body.text).rules.map(r => ({ name: r.name, now: of(r.name), then: of(r.name) })),
            finished: true,
          },
        ])
      },
    ],
    ['GET', /^\/rules\/versions$/, () => ({ items: get().rules.versions.map(v => ({ ...v, text: undefined })) })],
    [
      'GET',
      /^\/rules\/versions\/(\d+)$/,
      ([n]) => {
        const v = get().rules.versions.find(x => x.version === Number(n))
        return {
          version: v,
          against: v.version - 1,
          diff: `--- ${v.version - 1}\n+++ ${v.version}\n@@ -19,3 +19,3 @@\n   - name: passing troubles heal by themselves\n-    match: {reason: network_timeout}\n+    match: {reason: [network_timeout, system_error]}\n`,
        }
      },
    ],
    [
      'GET',
      /^\/rules\/completions$/,
      () => ({
        reasons: [...new Set(details().map(l => l.reason))],
        consumer_groups: [...new Set(details().map(l => l.consumer_group))],
        topics: ['orders'],
        clusters: ['prod'],
        businesses: ['payment'],
        tags: [],
        properties: ['FAILURE_REASON'],
        body_paths: ['order_id'],
      }),
    ],
    ['GET', /^\/rules\/schema$/, () => schema],
  ]
}
