import type { ProblemBody } from '../api/types'
import { apiDuration, moment } from '../i18n/format'
import { code, codeWords, currentLang, type Key, type Params, t } from '../i18n/i18n'
import { sentenceWords } from './sentences'

/** An error in the page's language. */
export interface ProblemWords {
  /** What happened. */
  title: string
  /** What the server says beyond it: names, numbers, a better hint. */
  detail: string
  /** What to do. */
  hint: string
  /** The server's own English, where it says more than the words above: shown on demand in a page that is not English. */
  original: string
}

// Sentences that say all that the server's says, and the parameters that they need. The first that fits is taken.
const whole: Readonly<Record<string, readonly (readonly [Key, ...string[]])[]>> = {
  conflict: [
    ['problem.conflict.letter', 'id', 'by', 'what', 'state'],
    ['problem.conflict.event', 'actor', 'event', 'at'],
    ['problem.conflict.state', 'id', 'state'],
    ['problem.conflict.by', 'by'],
  ],
  refused: [['problem.refused.state', 'id', 'state', 'trigger']],
  invalid: [['problem.invalid.longest', 'longest']],
  not_found: [['problem.not_found.letter', 'id']],
  rate_limited: [['problem.rate_limited.wait', 'retry_after']],
}

// Parameters that are codes or values with words of their own.
const values: Readonly<Record<string, (v: string) => string>> = {
  by: v => code('actor', v),
  actor: v => code('actor', v),
  what: v => code('event', v),
  event: v => code('event', v),
  state: v => code('state', v),
  trigger: v => code('trigger', v),
  at: v => moment(new Date(v)),
  longest: apiDuration,
}

/** The words for a code that says why something is not done, whichever family it is of. */
export function whyWords(why: string, params: Params): string | undefined {
  for (const family of ['replay.why', 'door.shut', 'door.warning', 'door.why']) {
    const words = codeWords(family, why, params)
    if (words) return words
  }
  return undefined
}

/**
 * The words for an error: by its stable code and parameters where this page has them, else the server's own sentence.
 * `about` names the consumer group and topic that it is about.
 */
export function problemWords(body: ProblemBody, about: Params = {}): ProblemWords {
  const english = currentLang() === 'en'
  const given = body.params ?? {}
  const params = Object.fromEntries(Object.entries(given).map(([k, v]) => [k, values[k]?.(v) ?? v]))
  const fit = whole[body.code]?.find(([, ...names]) => names.every(n => given[n]))
  const said = fit && sentence(fit[0], params)
  // A refusal that says why needs no general words on what to do.
  const hint = given.why ? '' : (codeWords('problem.hint', body.code, { request: body.request_id || '–' }) ?? '')
  if (said) return { title: said, detail: '', hint, original: '' }

  const detail = body.detail ?? ''
  const title = codeWords('problem', body.code) ?? (english ? '' : t('problem.unknown', { code: body.code }))
  if (!title) return { title: detail || body.title || body.code, detail: '', hint: body.hint ?? '', original: '' }
  // The log is searched by the request's id, which only this page's hint names.
  if (body.code === 'internal' && body.request_id) return { title, detail: english ? detail : '', hint, original: '' }
  if (english) return { title, detail, hint: body.hint || hint, original: '' }
  const names = { group: t('about.group'), topic: t('about.topic'), ...about }
  const why = given.why && whyWords(given.why, names)
  const known = sentenceWords(detail)
  const todo = body.hint && sentenceWords(body.hint)
  return {
    title: why ? `${title}${t('colon')}${why}` : title,
    detail: known ?? '',
    hint: todo || hint,
    original: [known === undefined && detail, !todo && body.hint].filter(Boolean).join(' · '),
  }
}

// Undefined while the words are being loaded.
function sentence(key: Key, params: Params): string | undefined {
  const words = t(key, params)
  return words === key ? undefined : words
}
