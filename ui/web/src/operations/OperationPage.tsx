import { useEffect } from 'react'
import { Link, useLocation, useSearch } from 'wouter'
import { asProblem } from '../api/client'
import { client, useStatus } from '../api/queries'
import { count } from '../i18n/format'
import { code, t, tx } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'
import '../style/letters.css'
import '../style/operation.css'
import { drop, useOperation } from './api'
import { Controls } from './Controls'
import { DraftForm } from './DraftForm'
import { History } from './History'
import { Items } from './Items'
import { Log } from './Log'
import { Preview } from './Preview'
import { canaryOf, shownStates } from './spec'
import { SpecFacts } from './specWords'
import { acts, type ItemState, inState, itemStates, type Operation } from './types'
import { causeWords, itemWord, KindMark, progressWords, queryHref, rateWords, Split, StandChip } from './words'

const parts = ['items', 'log', 'preview'] as const
type Part = (typeof parts)[number]

/** One operation: where it stands, what became of its letters, and what can be done with it. */
export function OperationPage({ id }: { id: string }) {
  const query = useOperation(id)
  const o = query.data
  if (!o)
    return (
      <div className="view operation">
        <Back />
        {query.error ? (
          asProblem(query.error).code === 'not_found' ? (
            <div className="empty">
              <h1>{t('operation.gone')}</h1>
              <p>{t('operation.gone.text')}</p>
            </div>
          ) : (
            <ProblemBox error={query.error} again={() => query.refetch()} />
          )
        ) : (
          <Wait lines={8} />
        )}
      </div>
    )
  return (
    <div className={`view operation${o.state === 'draft' ? ' is-draft' : ''}`}>
      <Back />
      <Head o={o} />
      {query.error && <ProblemBox error={query.error} again={() => query.refetch()} />}
      {o.state === 'draft' ? <DraftPart o={o} /> : <Running o={o} />}
    </div>
  )
}

const Back = () => (
  <p className="op-back">
    <Link href="/operations">
      <Icon name="left" size={13} /> {t('nav.operations')}
    </Link>
  </p>
)

function Head({ o }: { o: Operation }) {
  const href = queryHref(o)
  return (
    <header className="op-head">
      <div className="grow">
        <h1>
          <KindMark kind={o.kind} /> <span className="num quiet">#{o.number}</span> <StandChip o={o} />
        </h1>
        {o.note && o.state !== 'draft' && (
          <p className="op-why">
            <Foreign text={plain(o.note, 2000)} />
          </p>
        )}
        <p className="quiet small">
          {tx('operation.by', {
            who: <Foreign text={code('actor', o.actor)} />,
            at: <Time at={o.started_at ?? o.created_at} form="moment" />,
          })}
          {' · '}
          {href
            ? tx('operation.of.query', {
                n: o.letters,
                count: count(o.letters),
                filter: <Link href={href}>{t('operation.of.filter')}</Link>,
              })
            : t('operation.of.selection', { n: o.letters, count: count(o.letters) })}
        </p>
      </div>
      {o.state !== 'draft' && <Controls o={o} />}
    </header>
  )
}

function DraftPart({ o }: { o: Operation }) {
  const [, go] = useLocation()
  return (
    <>
      <h2 className="off-screen">{code('operation.state', 'draft')}</h2>
      <DraftForm key={o.number} o={o} onStarted={() => undefined}>
        {() => (
          <button
            type="button"
            className="button"
            onClick={() => {
              drop(o)
              go('/operations')
            }}
          >
            {t('draft.drop')}
          </button>
        )}
      </DraftForm>
    </>
  )
}

function Running({ o }: { o: Operation }) {
  const [, go] = useLocation()
  const search = useSearch()
  // What is looked at no more once it is settled is looked at once when it came to that.
  useEffect(() => {
    if (o.state !== 'settled') return
    for (const key of [
      ['operation-history', o.number],
      ['operation-items', o.number, ''],
    ])
      client.invalidateQueries({ queryKey: key })
  }, [o.number, o.state])
  const p = new URLSearchParams(search)
  const part = parts.find(x => x === p.get('part')) ?? 'items'
  const state = itemStates.find(s => s === p.get('state')) ?? ''
  const address = (more: Record<string, string>) => {
    const next = new URLSearchParams(more)
    return `/operations/${o.number}${next.size > 0 ? `?${next}` : ''}`
  }
  const tab = (x: Part) => address(x === 'items' ? (state ? { state } : {}) : { part: x })
  return (
    <>
      <Stand o={o} />
      <section className="op-bar" aria-label={t('operation.outcomes')}>
        <Split counts={o.counts} className="large" />
        <ul className="op-legend">
          {shownStates(o).map(s => (
            <li key={s}>
              <Link href={address({ state: s })} aria-current={part === 'items' && state === s ? 'true' : undefined}>
                <span className={`op-dot item-${s}`} />
                <span className="num strong">{count(inState(o, s))}</span> <span>{itemWord(s)}</span>
              </Link>
            </li>
          ))}
        </ul>
      </section>
      <div className="op-columns">
        <section className="card" aria-label={t('history')}>
          <h2>{t('history')}</h2>
          <History o={o} />
        </section>
        <section className="card" aria-label={t('sheet.how')}>
          <h2>{t('sheet.how')}</h2>
          <SpecFacts o={o} />
        </section>
      </div>
      <div className="tabs op-tabs" role="tablist" aria-label={t('operation.parts')}>
        {parts.map(x => (
          <button
            key={x}
            type="button"
            role="tab"
            id={`op-tab-${x}`}
            aria-selected={x === part}
            aria-controls="op-part"
            onClick={() => go(tab(x))}
          >
            {t(`operation.part.${x}`)}
          </button>
        ))}
      </div>
      <div id="op-part" role="tabpanel" aria-labelledby={`op-tab-${part}`} className="op-part">
        {part === 'items' && <Items o={o} state={state} onState={s => go(s ? address({ state: s }) : address({}))} />}
        {part === 'log' && <Log o={o} />}
        {part === 'preview' && (
          <>
            <h3 className="off-screen">{t('operation.part.preview')}</h3>
            {o.preview ? <Preview o={o} p={o.preview} /> : <p className="quiet">{t('operation.no_preview')}</p>}
          </>
        )}
      </div>
    </>
  )
}

/** Where it stands in a sentence, and what it waits for. */
function Stand({ o }: { o: Operation }) {
  const stopped = useStatus().data?.automation.stopped ?? false
  const cause = causeWords(o)
  const waiting = inState(o, 'waiting')
  const sentence: string[] = []
  if (o.state === 'queued') sentence.push(t('operation.queued'))
  else if (acts(o.state)) sentence.push(progressWords(o))
  else if (o.state === 'settling') sentence.push(t('operation.settling', { n: waiting, count: count(waiting) }))
  else sentence.push(t(o.end ? `operation.over.${o.end}` : 'operation.over'))
  if (o.state === 'running' || o.state === 'canary') {
    sentence.push(rateWords(o.rate))
    if (o.pace_limit && o.spec.pace.rate > 0 && o.pace_limit < o.spec.pace.rate)
      sentence.push(t('operation.ramping', { n: o.pace_limit, count: count(Math.round(o.pace_limit * 10) / 10) }))
  }
  return (
    <>
      <p className="op-stand" aria-live="polite">
        <span>{sentence.join(' · ')}</span>
        {o.state === 'running' && o.done_at && (
          <span className="quiet">
            {' · '}
            {t('operation.eta')} <Time at={o.done_at} form="in" />
          </span>
        )}
        {o.state === 'queued' && o.hold_until && (
          <span className="quiet">
            {' · '}
            <Time at={o.hold_until} form="in" />
          </span>
        )}
      </p>
      {o.waits_for && (
        <p className="op-waits">
          <Icon name="clock" size={14} /> {code('operation.waits', o.waits_for)}
        </p>
      )}
      {cause && (
        <div
          className={`op-cause ${o.end === 'failed' ? 'bad' : o.cause === 'window' ? 'calm' : 'warn'}`}
          role="status"
        >
          <Icon name={o.end === 'failed' ? 'alert' : o.cause === 'window' ? 'clock' : 'pause'} />
          <div>
            <p>{cause}</p>
            {(o.cause === 'breaker' || o.cause === 'canary') && o.state === 'paused' && (
              <p>
                <Link href={`/operations/${o.number}?state=failed_again`}>
                  {t('operation.cause.items', { n: inState(o, 'failed_again') })}
                </Link>
              </p>
            )}
            {o.cause === 'stop' && stopped && <p className="small">{t('operation.cause.stop.lift')}</p>}
          </div>
        </div>
      )}
      {o.state === 'canary' && o.canary_letters > 0 && <Canary o={o} />}
    </>
  )
}

/** How far the first letters are. */
function Canary({ o }: { o: Operation }) {
  const n = o.canary_letters || canaryOf(o.spec.canary, o.letters)
  // While the canary is out nothing else is: what has an outcome is of it.
  const back = Math.min(
    n,
    inState(o, ...(['confirmed', 'assumed', 'failed_again', 'send_failed', 'unknown'] as ItemState[])),
  )
  return (
    <div className="op-canary">
      <p>
        {t('operation.canary', { n, back: count(back), count: count(n) })}{' '}
        <span className="quiet">{t('operation.canary.text')}</span>
      </p>
      <progress max={n} value={back} aria-label={t('how.canary')} />
    </div>
  )
}
