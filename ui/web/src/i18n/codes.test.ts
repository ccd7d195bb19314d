import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { chinese, english } from './all'

// The codes are those of the program: its Go sources and the description of its API are the lists.
const repo = join(import.meta.dirname, '../../../..')
const read = (path: string) => readFileSync(join(repo, path), 'utf8')
/** All sources of a Go package, without its tests. */
const sources = (folder: string) =>
  readdirSync(join(repo, folder))
    .filter(f => f.endsWith('.go') && !f.endsWith('_test.go'))
    .map(f => read(folder + f))
    .join('\n')
const found = (text: string, form: RegExp) => [...text.matchAll(form)].map(m => m[1] ?? '')

const catalogs = { English: english, Chinese: chinese }

function expectWords(family: string, codes: readonly string[]) {
  for (const [language, words] of Object.entries(catalogs))
    for (const c of codes)
      expect(words, `${language} words for the ${family} “${c}”`).toHaveProperty([`${family}.${c}`])
}

describe('every code of the API has words', () => {
  const api = read('docs/openapi.yaml').split(/^ {2}schemas:$/m)[1] ?? ''
  const enumOf = (schema: string) => {
    const from = api.indexOf(`\n    ${schema}:\n`)
    const list = from < 0 ? undefined : /^ {6}enum: \[(.*)\]$/m.exec(api.slice(from))
    return list?.[1]?.split(',').map(c => c.trim().replace(/^"|"$/g, '')) ?? []
  }
  it.each([
    ['Code', 'problem'],
    ['Code', 'problem.hint'],
    ['State', 'state'],
    ['Tab', 'tab'],
    ['Route', 'route'],
    ['Severity', 'severity'],
    ['Resolution', 'resolution'],
    ['Resolution', 'resolution.long'],
    ['Flag', 'flag'],
    ['Flag', 'flag.why'],
    ['Hold', 'hold'],
    ['ReasonOrigin', 'origin'],
    ['Outcome', 'outcome'],
    ['Door', 'door'],
    ['Door', 'door.short'],
    ['EventKind', 'event'],
    ['GroupKind', 'group.kind'],
    ['GapKind', 'gap'],
    ['AwayCause', 'broker.why'],
    ['BrokerRole', 'broker.away'],
    ['BrokerRole', 'strip.member'],
    ['ProbeVerdict', 'probe.verdict'],
    ['ProbeVerdict', 'probe.short'],
    ['TargetKind', 'way.target'],
    ['CallState', 'call'],
    ['CallVerdict', 'call.verdict'],
    ['DiagnosticSeverity', 'diagnostic'],
    // A body as it came needs no word.
    ['BodyState', 'body.state', 'plain'],
  ])('%s as %s', (schema, family, but = '') => {
    const codes = enumOf(schema).filter(c => c !== '' && c !== but)
    expect(codes.length, `members of ${schema}`).toBeGreaterThan(2)
    expectWords(family, codes)
  })
})

describe('every code of this page', () => {
  it('has words: an API that does not answer', () => {
    expectWords('problem', ['offline'])
    expectWords('problem.hint', ['offline', 'unanswered'])
  })
})

describe('every code of the Go sources has words', () => {
  it.each([
    ['errors', 'dlq/', /\bCode\w+\s+Code = "(\w+)"/g, 'problem'],
    ['hints', 'dlq/', /\bCode\w+\s+Code = "(\w+)"/g, 'problem.hint'],
    ['triggers', 'dlq/', /\bTrigger\w+\s+Trigger = "(\w+)"/g, 'trigger'],
    ['why a door is open', 'replay/', /^\tWhy\w+\s+= "(\w+)"/gm, 'door.why'],
    ['why a letter is quarantined', 'replay/', /^const Why\w+ = "(\w+)"/gm, 'door.why'],
    ['why a door is shut', 'replay/', /^\tShut\w+\s+= "(\w+)"/gm, 'door.shut'],
    ['warnings of doors', 'replay/', /^\tWarn\w+\s+= "(\w+)"/gm, 'door.warning'],
    ['why a letter cannot be replayed', 'replay/', /^\tStuck\w+\s+= "(\w+)"/gm, 'replay.why'],
    ['what was seen of a replay', 'replay/', /^\tDetail\w+\s+= "(\w+)"/gm, 'detail'],
    ['how the kind of a consumer group was told', 'broker/rocketmq/', /^\tKind\w+\s+= "(\w+)"/gm, 'group.why'],
    ['the same, of the stand-in', 'broker/simulated/', /KindWhy: "(\w+)"/g, 'group.why'],
    ['actors', 'dlq/', /^\tActor\w+\s+= "(\w+)"/gm, 'actor'],
    // The keys of an event's details, in the literal and set one by one.
    ['details of events', 'handlers/', /\bDetail\["(\w+?)_?"/g, 'event.detail'],
    ['details of events', 'replay/', /\b[dD]etail\["(\w+)"\]/g, 'event.detail'],
  ])('%s', (_, folder, form, family) => {
    const codes = [...new Set(found(sources(folder), form))]
    expect(codes.length).toBeGreaterThan(0)
    expectWords(family, codes)
  })

  it.each([
    ['kinds of operations', 'Kind', 'operation.kind'],
    ['states of operations', 'State', 'operation.state'],
    ['ends of operations', 'End', 'operation.end'],
    ['why operations are paused', 'Pause', 'operation.cause.short'],
    ['what became of letters', 'Item', 'item'],
    ['changes of messages', 'Transform', 'transform'],
  ])('%s', (_, prefix, family) => {
    const type = { Kind: 'OperationKind', State: 'OperationState', End: 'OperationEnd' }[prefix]
    const form = {
      Pause: /\bPause\w+\s+PauseCause = "(\w+)"/g,
      Item: /\bItem\w+\s+ItemState = "(\w+)"/g,
      Transform: /\bTransform\w+\s+TransformDo = "(\w+)"/g,
    }[prefix]
    const codes = found(read('dlq/operation.go'), form ?? new RegExp(`\\s${type} = "(\\w+)"`, 'g'))
    expect(codes.length).toBeGreaterThan(2)
    expectWords(family, codes)
  })

  it('why letters of operations are skipped', () => {
    const codes = found(read('dlq/operation.go'), /^\tSkip\w+\s+= "(\w+)"/gm)
    expect(codes.length).toBeGreaterThan(5)
    expectWords('skip', codes)
  })

  it('what operations wait for, what happens to them, and its details', () => {
    const text = sources('replay/operation/')
    const waits = [
      ...found(text, /^\twaits\w+\s+= "(\w+)"/gm),
      ...found(read('dlq/operation.go'), /^const Waits\w+ = "(\w+)"/gm),
    ]
    expect(waits.length).toBeGreaterThan(2)
    expectWords('operation.waits', waits)
    const kinds = new Set(found(text, /OperationEvent\{Kind: "(\w+)"/g))
    expect(kinds.size).toBeGreaterThan(7)
    expectWords('operation.event', [...kinds])
    // Parameters of errors are not details of events.
    const literals = found(text, /(?<!Params = )map\[string\]string\{([^}]*)\}/g)
    const keys = new Set(literals.flatMap(l => found(l, /"(\w+)":/g)))
    expect(keys.size).toBeGreaterThan(8)
    expectWords('operation.detail', [...keys])
  })

  it('operators of rules', () => {
    const list = found(sources('classifier/'), /^var operators = \[\]string\{(.*)\}$/gm)[0] ?? ''
    const operators = found(list, /"(\w+)"/g)
    expect(operators.length).toBeGreaterThan(10)
    expectWords('op', operators)
  })

  it('details of events that are written at once', () => {
    // The id of the call stands in its own log.
    const elsewhere = new Set(['call'])
    const literals = ['handlers/', 'replay/', 'store/'].flatMap(f =>
      found(sources(f), /\b[dD]etail(?::| =| :=) map\[string\]string\{([^}]*)\}/g),
    )
    const keys = new Set(literals.flatMap(l => found(l, /"(\w+)":/g)).filter(k => !elsewhere.has(k)))
    expect(keys.size).toBeGreaterThan(10)
    expectWords('event.detail', [...keys])
  })
})
