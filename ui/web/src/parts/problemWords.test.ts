import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { ProblemBody } from '../api/types'
import { chinese, english } from '../i18n/all'
import { en } from '../i18n/en'
import { applyCatalog } from '../i18n/i18n'
import { problemWords } from './problemWords'

const use = (lang: 'en' | 'zh') => applyCatalog(lang, lang === 'en' ? english : chinese)
afterEach(() => use('en'))
use('en')

const away: ProblemBody = {
  code: 'unavailable',
  detail: 'the broker broker-a does not answer',
  hint: 'check that 10.0.0.7:10911 can be reached',
}

describe('an error', () => {
  it('in English is the sentence of the server under the words of its code', () => {
    expect(problemWords(away)).toEqual({
      title: 'Not available now',
      detail: away.detail,
      hint: away.hint,
      original: '',
    })
    expect(problemWords({ code: 'not_supported', detail: 'no levels' }).hint).toBe('Choose another way.')
  })

  it('in Chinese is said in Chinese first, and loses no fact of the server', () => {
    use('zh')
    const words = problemWords(away)
    expect(words.title).toBe('暂时不可用')
    expect(words.hint).toContain('请稍后再试')
    expect(words.detail).toBe('broker broker-a 没有应答。')
    expect(words.original).toContain('10.0.0.7:10911')
  })

  it('is said whole from its parameters', () => {
    const taken: ProblemBody = {
      code: 'conflict',
      detail: 'letter 5 changed since you looked: taken, by anna; it is open now',
      hint: 'look at it again, then decide',
      params: { id: '5', by: 'anna', what: 'taken', state: 'open', version: '4' },
    }
    expect(problemWords(taken)).toEqual({
      title: 'Letter #5 changed since you looked: Taken, by anna. It is open now.',
      detail: '',
      hint: 'Look at it as it is now, then decide again.',
      original: '',
    })
    use('zh')
    expect(problemWords(taken).title).toBe('死信 #5 在此期间已变化（anna：已认领），当前状态：待处理。')
    expect(problemWords(taken).detail).toBe('')
    expect(problemWords({ code: 'refused', params: { id: '7', state: 'resolved', trigger: 'discard' } }).title).toBe(
      '死信 #7 当前状态为“已解决”，不能执行“丢弃”。',
    )
    expect(problemWords({ code: 'invalid', params: { longest: '2h' } }).title).toBe('该 broker 的最长延迟为 2 小时。')
    expect(problemWords({ code: 'rate_limited', params: { retry_after: '30' } }).title).toContain('30 秒')
  })

  it('says why in Chinese, with names where they are known, and keeps what else the server says', () => {
    use('zh')
    const shut: ProblemBody = {
      code: 'refused',
      detail: 'door B is shut for this letter: no broker knows the consumer group',
      params: { why: 'group_missing' },
    }
    expect(problemWords(shut, { group: 'pay-service' }).title).toBe(
      '已拒绝：没有 broker 认识 pay-service，不会有人读取。',
    )
    expect(problemWords(shut).title).not.toContain('{')
    expect(problemWords(shut).original).toContain('door B')
    expect(problemWords({ ...shut, params: { why: 'brand_new' } })).toMatchObject({
      title: '已拒绝',
      original: shut.detail,
    })
  })

  it('is the sentence of the server where its code is not known, and in Chinese still Chinese', () => {
    const body = { code: 'brand_new', detail: 'the moon is down', hint: 'wait' }
    use('en')
    expect(problemWords(body)).toEqual({ title: 'the moon is down', detail: '', hint: 'wait', original: '' })
    use('zh')
    expect(problemWords(body)).toMatchObject({ title: '未能完成（brand_new）', original: 'the moon is down · wait' })
  })

  it('of ours names the request under which the log has its cause', () => {
    for (const lang of ['en', 'zh'] as const) {
      use(lang)
      expect(problemWords({ code: 'internal', detail: 'Internal error', request_id: 'r-17' }).hint).toContain('r-17')
    }
  })

  it('is shown before its words are loaded', () => {
    applyCatalog('en', en)
    const body: ProblemBody = {
      code: 'conflict',
      detail: 'letter 5 was changed',
      hint: 'look again',
      params: { id: '5', state: 'open' },
    }
    expect(problemWords(body)).toMatchObject({ detail: 'letter 5 was changed', hint: 'look again' })
  })

  it('in Chinese has no English sentence, whatever the program says', () => {
    use('zh')
    const found = saidByTheProgram()
    expect(found.length).toBeGreaterThan(250)
    const wrong = found.filter(({ code, text }) => {
      const w = problemWords({ code, detail: text, hint: `look at ${text} as it is`, request_id: 'r-1' })
      const shown = [w.title, w.detail, w.hint].join(' ')
      return !/\p{Script=Han}/u.test(w.title) || /[a-z]+ [a-z]+ [a-z]+/.test(shown.replace(/"[^"]*"|%\w/g, ''))
    })
    expect(wrong).toEqual([])
  })
})

/** The errors that the program makes, with their codes, from its sources. */
function saidByTheProgram(): { code: string; text: string }[] {
  const repo = join(import.meta.dirname, '../../../..')
  const read = (folder: string) =>
    readdirSync(join(repo, folder))
      .filter(n => n.endsWith('.go') && !n.endsWith('_test.go'))
      .map(n => readFileSync(join(repo, folder, n), 'utf8'))
      .join('\n')
  const codes = new Map([...read('dlq').matchAll(/\b(Code\w+)\s+Code = "(\w+)"/g)].map(m => [m[1], m[2]]))
  const folders =
    'alerts alerts/notify broker/rocketmq classifier cmd/dlq dlq handlers replay rulebook store ui webhook'
  return folders.split(' ').flatMap(f =>
    [...read(f).matchAll(/Errorf\((?:dlq\.)?(Code\w+),\s*"((?:[^"\\\n]|\\.)*)"/g)].map(m => ({
      code: codes.get(m[1]) ?? '',
      text: (m[2] ?? '').replace(/\\"/g, '"').replace(/: %w$/, ''),
    })),
  )
}
