import { type ReactNode, useEffect, useRef, useState } from 'react'
import { Link, useSearch } from 'wouter'
import { asProblem, type Problem } from '../api/client'
import { useRights } from '../api/queries'
import { code, t, tx } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import { Time, useNow } from '../parts/Time'
import '../style/silences.css'
import type { Shared } from './AlertsView'
import { endSilence } from './api'
import { matches, phaseOf, type SilencePhase } from './logic'
import type { Silence } from './types'
import { MatcherChips } from './words'

/** What holds notifications back, will, and did. */
export function Silences({ data, silences, silence }: Shared) {
  const now = useNow(5000)
  const rights = useRights()
  const open = new URLSearchParams(useSearch()).get('silence')
  if (silences.length === 0)
    return (
      <div className="empty">
        <h2>{t('silences.none')}</h2>
        <p>{t('silences.none.text')}</p>
        <button type="button" className="button" disabled={!rights.act} onClick={() => silence()}>
          <Icon name="mute" /> {t('silence.do')}
        </button>
        {!rights.act && rights.known && <p className="small">{t('why.role')}</p>}
      </div>
    )
  const list = (phase: SilencePhase) => silences.filter(s => phaseOf(s, now) === phase)
  const item = (s: Silence, phase: SilencePhase) => (
    <Item
      key={s.id}
      s={s}
      phase={phase}
      marked={s.id === open}
      holds={data.items.filter(a => a.state === 'firing' && matches(s.matchers, a)).length}
    />
  )
  const section = (phase: SilencePhase, name: string): ReactNode => {
    const all = list(phase)
    return (
      all.length > 0 && (
        <section className={phase === 'over' ? 'alert-list over' : 'alert-list'} aria-label={name}>
          <h2>{name}</h2>
          <ul>{all.map(s => item(s, phase))}</ul>
        </section>
      )
    )
  }
  return (
    <>
      {section('now', t('silences.now'))}
      {section('later', t('silences.later'))}
      {list('now').length + list('later').length === 0 && <p className="hint">{t('silences.now.none')}</p>}
      {section('over', t('silences.over'))}
    </>
  )
}

function Item({ s, phase, marked, holds }: { s: Silence; phase: SilencePhase; marked: boolean; holds: number }) {
  const rights = useRights()
  const box = useRef<HTMLLIElement>(null)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  useEffect(() => {
    if (marked) box.current?.scrollIntoView({ block: 'nearest' })
  }, [marked])
  const end = async () => {
    setBusy(true)
    setProblem(undefined)
    try {
      await endSilence(s.id)
    } catch (e) {
      setProblem(asProblem(e))
    }
    setBusy(false)
  }
  return (
    <li className={`silence ${phase}${marked ? ' marked' : ''}`} ref={box}>
      <div className="silence-top">
        <span className="chips grow">
          <MatcherChips matchers={s.matchers} />
        </span>
        {phase !== 'over' && (
          <button
            type="button"
            className="button small"
            disabled={busy || !rights.act}
            title={rights.act ? undefined : t('why.role')}
            onClick={end}
          >
            {t('silence.end')}
          </button>
        )}
      </div>
      <p>
        “<Foreign text={s.note} />” <span className="quiet">— {<Foreign text={code('actor', s.author)} />}</span>
      </p>
      <p className="small quiet num">
        {phase === 'now' &&
          tx('silence.until', {
            at: <Time at={s.ends_at} form="moment" />,
            left: <Time at={s.ends_at} form="in" />,
          })}
        {phase === 'later' &&
          tx('silence.from', {
            from: <Time at={s.starts_at} form="moment" />,
            at: <Time at={s.ends_at} form="moment" />,
          })}
        {phase === 'over' &&
          (s.ended_by
            ? tx('silence.ended.by', {
                at: <Time at={s.ends_at} form="moment" />,
                who: <Foreign text={code('actor', s.ended_by)} />,
              })
            : tx('silence.ended', { at: <Time at={s.ends_at} form="moment" /> }))}
        {phase === 'now' && (
          <>
            {' · '}
            {holds > 0 ? <Link href="/alerts">{t('silence.holds', { n: holds })}</Link> : t('silence.holds.none')}
          </>
        )}
      </p>
      {problem && <ProblemBox error={problem} />}
    </li>
  )
}
