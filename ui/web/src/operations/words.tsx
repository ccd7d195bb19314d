import type { ReactNode } from 'react'
import { Link } from 'wouter'
import { count } from '../i18n/format'
import { code, codeWords, formatNumber, type Params, t, tx } from '../i18n/i18n'
import { Reason } from '../letters/words'
import type { IconName } from '../parts/Icon'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { Said } from '../parts/Said'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import '../style/outcomes.css'
import { badOf, sentOf, shares, through } from './spec'
import { type ItemState, inState, type Kind, type Operation } from './types'

const icons: Record<Kind, IconName> = {
  replay: 'replay',
  discard: 'trash',
  restore: 'restore',
  route: 'rules',
  resolve: 'check',
}

/** What an operation does. */
export function KindMark({ kind }: { kind: Kind }) {
  return (
    <span className="kind">
      <Icon name={icons[kind] ?? 'unknown'} size={14} /> {code('operation.kind', kind)}
    </span>
  )
}

const tones: Record<string, string> = {
  draft: 'grey',
  queued: 'blue',
  canary: 'blue',
  running: 'blue',
  paused: 'amber',
  settling: 'blue',
  settled: 'green',
}

/** Where an operation stands, and how it ended if not by coming to its last letter. */
export function StandChip({ o }: { o: Operation }) {
  if (o.end === 'cancelled' || o.end === 'failed')
    return (
      <>
        <span className={`chip ${o.end === 'failed' ? 'red' : 'grey'}`}>{t(`operation.end.${o.end}`)}</span>
        {o.state === 'settling' && <span className="chip blue">{code('operation.state', o.state)}</span>}
      </>
    )
  const bad = o.state === 'settled' && inState(o, 'failed_again', 'send_failed', 'unknown') > 0
  const calm = o.state === 'paused' && o.cause === 'window'
  return (
    <span className={`chip ${bad ? 'amber' : calm ? 'blue' : (tones[o.state] ?? 'grey')}`}>
      {calm ? t('operation.waits.window') : code('operation.state', o.state)}
    </span>
  )
}

/** Why a letter is not acted on. */
export function skipWords(why: string, params: Params = {}): string {
  if (why.startsWith('state_')) return t('skip.state', { state: code('state', why.slice(6)) })
  return codeWords('skip', why) ?? codeWords('door.shut', why, { group: '', topic: '', ...params }) ?? why
}

/** What became of a letter of an operation, in a word. */
export const itemWord = (s: ItemState): string => code('item', s)

/** An operation's letters as one bar, split by what became of them. Its words stand beside it. */
export function Split({ counts, className = '' }: { counts: Operation['counts']; className?: string }) {
  let x = 0
  return (
    <svg className={`op-split ${className}`} viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
      <rect width="100" height="1" className="item-none" />
      {shares(counts).map(([s, w]) => {
        x += w
        return <rect key={s} x={x - w} width={w} height="1" className={`item-${s}`} />
      })}
    </svg>
  )
}

/** A failure group that stopped an operation, as a link to its letters. */
export function FailureLink({ o }: { o: Operation }) {
  const { fingerprint, reason } = o.cause_detail ?? {}
  const text = o.preview?.causes?.find(c => c.fingerprint === fingerprint)?.reason_text
  if (!fingerprint && !reason) return null
  const words = (
    <>
      <Reason reason={reason || 'unknown'} />
      {text && (
        <>
          {t('colon')}
          <Foreign text={plain(text, 160)} />
        </>
      )}
    </>
  )
  return fingerprint ? (
    <Link href={`/letters?fingerprint=${encodeURIComponent(fingerprint)}`} className="failure-link">
      {words}
    </Link>
  ) : (
    words
  )
}

/** Why an operation is paused or could not go on; undefined when it is neither. */
export function causeWords(o: Operation): ReactNode {
  const d = o.cause_detail ?? {}
  const n = Number(d.failed ?? 0)
  const numbers = { n, of: Number(d.of ?? 0), above: Number(d.above ?? 0) }
  const named = d.fingerprint || d.reason ? <FailureLink o={o} /> : undefined
  if (o.end === 'failed')
    return d.error ? tx('operation.failed.why', { error: <Said text={d.error} /> }) : t('operation.failed')
  if (o.state !== 'paused') return undefined
  switch (o.cause) {
    case 'breaker':
    case 'canary':
      return (
        <>
          {t(`operation.cause.${o.cause}.n`, numbers)}
          {named && (
            <>
              {t('list.space')}
              {tx('operation.cause.most', { failure: named })}
            </>
          )}
        </>
      )
    case 'window':
      return o.opens_at
        ? tx('operation.cause.window.at', {
            at: <Time at={o.opens_at} form="moment" />,
            in: <Time at={o.opens_at} form="in" />,
          })
        : t('operation.cause.window')
    case 'stop':
      return t('operation.cause.stop')
    default:
      return t('operation.cause.by_hand')
  }
}

/** Letters per second as people say them. */
export const rateWords = (rate: number): string =>
  rate <= 0 ? t('operation.rate.none') : t('operation.rate', { n: formatNumber(rate < 10 ? rate : Math.round(rate)) })

/** The address of the letters that an operation was made from; undefined for a selection. */
export const queryHref = (o: Operation): string | undefined => (o.query ? `/letters?${o.query}` : undefined)

export const countOf = (total: { count: number; exact: boolean }): string => count(total.count, total.exact)

/** How far an operation is: what was sent or done, and what of it did not go well. */
export function progressWords(o: Operation): string {
  const replay = o.kind === 'replay'
  const n = replay ? sentOf(o) : through(o)
  const words = t(replay ? 'operation.sent' : 'operation.through', { n, of: count(o.letters) })
  const bad = badOf(o)
  return bad > 0 ? t('operation.progress.bad', { words, n: bad }) : words
}
