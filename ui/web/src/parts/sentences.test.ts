import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { en } from '../i18n/en'
import { enMore } from '../i18n/en.more'
import { applyCatalog, type Catalog } from '../i18n/i18n'
import { zh } from '../i18n/zh'
import { zhMore } from '../i18n/zh.more'
import { problemWords } from './problemWords'
import { known, sentenceWords } from './sentences'

const english = () => applyCatalog('en', { ...en, ...enMore } as Catalog)
const chinese = () => applyCatalog('zh', { ...zh, ...zhMore } as Catalog)
afterEach(english)

describe('sentences of the program', () => {
  it('are still in its sources', () => {
    const repo = join(import.meta.dirname, '../../../..')
    const folders = ['broker/rocketmq', 'cmd/dlq', 'handlers', 'replay', 'store', 'ui', 'webhook']
    const sources = folders.flatMap(f =>
      readdirSync(join(repo, f))
        .filter(n => n.endsWith('.go') && !n.endsWith('_test.go'))
        .map(n => readFileSync(join(repo, f, n), 'utf8')),
    )
    // What an error hides from people stands behind ": %w".
    const said = new Set(
      sources.flatMap(s =>
        [...s.matchAll(/"((?:[^"\\\n]|\\.)*)"/g)].map(([, text]) =>
          (text ?? '').replace(/: %w$/, '').replace(/%[a-z]/g, '{}'),
        ),
      ),
    )
    const gone = Object.entries(known).filter(([, text]) => !said.has(text.replace(/\{\w+\}/g, '{}')))
    expect(gone).toEqual([])
  })

  it('are said in Chinese with what they name, and as they come in English', () => {
    const text = 'no name server answers (10.0.0.1:9876, 10.0.0.2:9876)'
    expect(sentenceWords(text)).toBeUndefined()
    chinese()
    expect(sentenceWords(text)).toBe('没有 NameServer 应答（10.0.0.1:9876, 10.0.0.2:9876）。')
    expect(sentenceWords(`${text}!`)).toBeUndefined()
    expect(sentenceWords('the moon is down')).toBeUndefined()
  })

  it('stand in errors too', () => {
    chinese()
    const body = { code: 'unavailable', detail: 'the broker broker-a does not answer' }
    expect(problemWords(body)).toMatchObject({ detail: 'broker broker-a 没有应答。', original: '' })
    expect(problemWords({ ...body, hint: 'port 1' })).toMatchObject({
      detail: 'broker broker-a 没有应答。',
      original: 'port 1',
    })
  })
})
