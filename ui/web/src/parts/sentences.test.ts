import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { chinese, english } from '../i18n/all'
import { applyCatalog, type Catalog } from '../i18n/i18n'
import { zhSaid } from '../i18n/zh.said'
import { problemWords } from './problemWords'
import { sentenceWords } from './sentences'

const use = (lang: 'en' | 'zh') => applyCatalog(lang, (lang === 'en' ? english : chinese) as Catalog)
afterEach(() => use('en'))

const repo = join(import.meta.dirname, '../../../..')
const read = (folder: string) =>
  readdirSync(join(repo, folder))
    .filter(n => n.endsWith('.go') && !n.endsWith('_test.go'))
    .map(n => readFileSync(join(repo, folder, n), 'utf8'))
    .join('\n')
const folders = 'alerts alerts/notify broker/rocketmq classifier cmd/dlq dlq handlers replay rulebook store ui webhook'
const sources = folders.split(' ').map(f => [f, read(f)] as const)

/** A literal of Go as a sentence whose places are all alike. What an error hides from people stands behind ": %w". */
const shape = (literal: string) =>
  literal
    .replace(/\\"/g, '"')
    .replace(/(: %w)+$/, '')
    .replace(/%q/g, '"{}"')
    .replace(/%0?\d*[a-z]/g, '{}')
const shapeOfKnown = (text: string) => text.replace(/\{\w+\}/g, '{}')
const knownShapes = Object.keys(zhSaid).map(shapeOfKnown)

// Said before the page is there, on the command line alone, or of what no page ever asks for.
const neverOnThePage = [
  /--|PEM|listen address|public URL|[Tt]oken file|the name \{\}|the name "\{\}"|no role|token with the role|only reporters|roles are/,
  /schema \{\}|SQLite|write-ahead|data file|database \{\}|no rules were ever in force|without full text|go build|backup/,
  /queue \{\} of|a letter cannot arrive|verdict comes with|JSON: |cannot be written as JSON|would have been deleted|compressed: |body cannot be compressed/,
  /no letter would be replayed|there is no signal|damaged|range "?\{\}|not a range|among those that can be opened|token with|127\.0\.0\.1:|several names|process/,
  /for example 127|known as host:port|host:port|a line is:|chmod|chown|stop the program|start the console|give another path|another name for the token|does not wait for its turn/,
  /^(100|these are 100|.*64:ff9b)/,
]
const hidden = (s: string) => neverOnThePage.some(n => n.test(s))

describe('sentences of the program', () => {
  it('are still in its sources', () => {
    const said = new Set(
      sources.flatMap(([, s]) => [...s.matchAll(/"((?:[^"\\\n]|\\.)*)"/g)].map(([, text]) => shape(text ?? ''))),
    )
    // A sentence that is put together from several texts: each piece of it is in one of them.
    const all = sources.map(([, s]) => s.replaceAll('\\"', '"')).join('\n')
    const pieces = (s: string) => s.split(/\{\}|: |"| is (?=not )|\. |, /).filter(p => p.trim().length > 3)
    const gone = knownShapes.filter(s => !said.has(s) && !pieces(s).every(p => all.includes(p.trim())))
    expect(gone).toEqual([])
  })

  it('have words in Chinese, each that the page can show', () => {
    use('zh')
    const missing = sources
      .filter(([f]) => f !== 'cmd/dlq')
      .flatMap(([f, s]) => [
        ...[...s.matchAll(/Errorf\((?:dlq\.)?Code(\w+),\s*"((?:[^"\\\n]|\\.)*)"/g)].map(m => [f, m[2] ?? '']),
        ...[...s.matchAll(/WithHint\("((?:[^"\\\n]|\\.)*)"/g)].map(m => [f, m[1] ?? '']),
      ])
      .map(([f, text]) => [f, shape(text ?? '')] as const)
      // Nothing but what others say.
      .filter(([, text]) => /[a-z]{3}/.test(text.replace(/\{\}/g, '')) && !hidden(text))
      .filter(([, text]) => {
        const words = sentenceWords(text.replace(/\{\}/g, '1').replace(/%%/g, '%%'))
        return !words || !/[\u4e00-\u9fff]/.test(words)
      })
    expect(missing).toEqual([])
  })

  it('name in Chinese all that they name', () => {
    const places = (s: string) => [...new Set(s.match(/\{\w+\}/g))].sort()
    for (const [text, words] of Object.entries(zhSaid)) {
      expect(places(words), text).toEqual(places(text))
      expect(words, text).toMatch(/[\u4e00-\u9fff]/)
      expect(words, text).not.toMatch(/[\u4e00-\u9fff][,;:!?]/)
      expect(words, text).not.toMatch(/[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u4e00-\u9fff]/)
    }
  })

  it('are said in Chinese with what they name, and as they come in English', () => {
    const text = 'no name server answers (10.0.0.1:9876, 10.0.0.2:9876)'
    expect(sentenceWords(text)).toBeUndefined()
    use('zh')
    expect(sentenceWords(text)).toBe('没有 NameServer 应答（10.0.0.1:9876, 10.0.0.2:9876）。')
    expect(sentenceWords('the moon is down')).toBeUndefined()
    expect(sentenceWords('letter 7 is awaiting: resolve is not possible')).toBe(
      '死信 7 当前状态为“处理中”，不能执行“标记解决”。'.replace('处理中', chinese['state.awaiting']),
    )
    expect(sentenceWords('the query parameter "limit" is not a whole number')).toBe('查询参数 limit 不是整数。')
  })

  it('leave what others say as it came, as a quotation', () => {
    use('zh')
    expect(sentenceWords('the broker b-a refuses the message (code 13): the message body size over max value')).toBe(
      'broker b-a 拒收该消息（错误码 13）：“the message body size over max value”',
    )
    expect(sentenceWords('a is not known: the broker b-a does not answer')).toContain('broker b-a 没有应答。')
  })

  it('stand in errors too, with what to do', () => {
    use('zh')
    const body = { code: 'unavailable', detail: 'the broker broker-a does not answer' }
    expect(problemWords(body)).toMatchObject({ detail: 'broker broker-a 没有应答。', original: '' })
    expect(problemWords({ ...body, hint: 'port 1' })).toMatchObject({
      detail: 'broker broker-a 没有应答。',
      original: 'port 1',
    })
    expect(problemWords({ ...body, hint: 'try again when it answers' })).toMatchObject({
      hint: '请等它恢复应答后再试。',
      original: '',
    })
  })
})
