import { Suspense, useState } from 'react'
import { Link } from 'wouter'
import { useExplain, useRights } from '../api/queries'
import type { Clause, Death, Detail, RuleTrace, Verdict } from '../api/types'
import { apiDuration, count } from '../i18n/format'
import { code, codeWords, t, tx } from '../i18n/i18n'
import { Reason, RouteMark, SeverityMark } from '../letters/words'
import { Id } from '../parts/Copy'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'
import '../style/why.css'
import { part } from '../app/part'
import { mayStart } from './acts'

const ProbeDialog = part(() => import('./ProbeDialog'))
const ProbeSample = part(() => import('./ProbeSample'))

// Nobody who could know has said why.
const weak = new Set(['broker', 'unknown', ''])

/** The verdict clause by clause, the failures of the same kind, and every death. */
export function Why({ letter }: { letter: Detail }) {
  const query = useExplain(letter)
  const rights = useRights()
  const [asking, setAsking] = useState<'one' | 'sample'>()
  const askable = rights.act && mayStart('probe', letter.state)
  return (
    <div className="why">
      {askable && (weak.has(letter.reason_origin) || letter.reason_death) && (
        <section aria-label={t('probe.unknown')} className="ask-why">
          <Icon name="probe" size={14} />
          <span className="grow">{t('probe.text')}</span>
          <button type="button" className="button small" onClick={() => setAsking('one')}>
            {t('probe.unknown')}…
          </button>
        </section>
      )}
      <section aria-label={t('why.verdict')}>
        <h2>{t('why.verdict')}</h2>
        {query.error ? (
          <ProblemBox error={query.error} again={() => query.refetch()} />
        ) : query.data ? (
          <>
            <VerdictLine v={query.data.verdict} />
            {(query.data.rules ?? []).length === 0 && <p className="quiet">{t('why.no_rules')}</p>}
            <ol className="traces">
              {[...(query.data.rules ?? [])]
                .reverse()
                .sort((a, b) => Number(b.matched) - Number(a.matched))
                .map(r => (
                  <Trace key={`${r.line} ${r.rule}`} r={r} />
                ))}
            </ol>
            {rights.act && (
              <p>
                <Link href={`/rules?letter=${letter.id}`} className="button small">
                  <Icon name="rules" size={14} /> {t('rules.from-letter')}
                </Link>
              </p>
            )}
          </>
        ) : (
          <Wait lines={4} />
        )}
      </section>
      <section aria-label={t('why.same')}>
        <h2>{t('why.same')}</h2>
        <p className="same">
          <code>{letter.fingerprint}</code>
          <Link href={`/letters?fingerprint=${encodeURIComponent(letter.fingerprint)}`} className="button small">
            {t('why.same.show')}
          </Link>
          {rights.act && (
            <button type="button" className="button small" onClick={() => setAsking('sample')}>
              {t('probe.sample')}
            </button>
          )}
        </p>
      </section>
      <Deaths deaths={letter.history ?? []} headline={letter.reason_death} />
      {asking && (
        <Suspense fallback={null}>
          {asking === 'one' ? (
            <ProbeDialog letter={letter} onClose={() => setAsking(undefined)} />
          ) : (
            <ProbeSample fingerprint={letter.fingerprint} onClose={() => setAsking(undefined)} />
          )}
        </Suspense>
      )}
    </div>
  )
}

function VerdictLine({ v }: { v: Verdict }) {
  return (
    <p className="verdict">
      <RouteMark route={v.route} words />
      <span>
        {v.rule
          ? tx('why.rule', {
              rule: (
                <Link href={`/rules?rule=${encodeURIComponent(v.rule)}&version=${v.rule_version}`}>
                  <Foreign text={v.rule} />
                </Link>
              ),
              version: v.rule_version,
            })
          : t(v.over_budget ? 'why.over_budget' : 'why.no_rule')}
      </span>
      {v.retry && (
        <span className="quiet">
          {t('why.retry', { delay: apiDuration(v.retry.delay), max: v.retry.max, backoff: v.retry.backoff })}
        </span>
      )}
      {v.compensation && (
        <span className="quiet">
          {t('why.compensation', { name: plain(v.compensation.name) })}
          {v.compensation.disabled ? ` ${code('hold', 'compensation_off')}` : ''}
        </span>
      )}
      {v.note && (
        <span className="quiet">
          “<Foreign text={v.note} />”
        </span>
      )}
    </p>
  )
}

function Trace({ r }: { r: RuleTrace }) {
  const clauses = r.clauses ?? []
  const missed = clauses.find(c => !c.group && c.ok === (c.not ?? false))
  return (
    <li className={r.matched ? 'trace matched' : 'trace'}>
      <details open={r.matched}>
        <summary>
          <Icon name={r.matched ? 'check' : 'close'} size={14} />
          <span className="grow">
            <Foreign text={r.rule} />
            <span className="off-screen"> ({t(r.matched ? 'why.matched' : 'why.missed')})</span>
            {!r.matched && missed && (
              <span className="quiet missed">
                {' '}
                <ClauseWords c={missed} />
              </span>
            )}
          </span>
        </summary>
        {clauses.length === 0 ? (
          <p className="quiet small">{t('why.everything')}</p>
        ) : (
          <ul className="clauses">
            {clauses.map((c, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: clauses are ordered and never change
              <li key={i} className={c.ok ? 'ok' : 'no'} style={{ paddingInlineStart: `${(c.depth ?? 0) * 16}px` }}>
                <Icon name={c.ok ? 'check' : 'close'} size={12} />
                <span className="off-screen">{t(c.ok ? 'why.ok' : 'why.not_ok')}: </span>
                {c.group ? <em>{code('clause.group', c.group)}</em> : <ClauseWords c={c} />}
              </li>
            ))}
          </ul>
        )}
        {r.line > 0 && (
          <p className="small">
            <Link href={`/rules?line=${r.line}`}>{t('why.line', { n: String(r.line) })}</Link>
          </p>
        )}
      </details>
    </li>
  )
}

/** One condition: the field, how it is compared, what is wanted, what the letter has. */
function ClauseWords({ c }: { c: Clause }) {
  return (
    <span className="clause">
      <code>{plain(c.field)}</code> {code('op', c.op)}{' '}
      {c.op !== 'exists' &&
        (c.want ?? []).map((w, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: values are ordered and never change
          <span key={i}>
            {i > 0 && ' · '}
            <code className="want">
              <Foreign text={w.slice(0, 256)} />
            </code>
          </span>
        ))}
      {c.op === 'exists' && <code className="want">{(c.want ?? ['true']).join()}</code>}
      <span className="got">
        {' '}
        {c.have
          ? tx('why.got', {
              got: (
                <code>
                  <Foreign text={(c.got ?? []).join(' · ').slice(0, 300)} />
                </code>
              ),
            })
          : t('why.absent')}
      </span>
    </span>
  )
}

/** What one death itself says. */
function DeathReason({ d, headline }: { d: Death; headline: boolean }) {
  if (!d.reason) return <div className="quiet small">{t('death.unsaid')}</div>
  return (
    <div className="death-reason">
      {d.severity && <SeverityMark severity={d.severity} />} <Reason reason={d.reason} />{' '}
      <span className="quiet small">
        {d.reason_field ? <Foreign text={d.reason_field} /> : codeWords('origin', d.reason_origin ?? '')}
        {d.rule && (
          <>
            {' · '}
            <Foreign text={d.rule} />
          </>
        )}
      </span>{' '}
      {headline && <span className="chip">{t('death.headline')}</span>}
      {d.reason_text && (
        <div className="small quiet">
          <Foreign text={d.reason_text.slice(0, 500)} />
        </div>
      )}
    </div>
  )
}

function Deaths({ deaths, headline }: { deaths: readonly Death[]; headline: string | undefined }) {
  return (
    <section aria-label={t('why.deaths')}>
      <h2>
        {t('why.deaths')} <span className="quiet num">{count(deaths.length)}</span>
      </h2>
      <ol className="deaths-list">
        {deaths.map(d => (
          <li key={d.id}>
            <Time at={d.stored_at} form="moment" />{' '}
            <span className="quiet">
              <Time at={d.stored_at} />
            </span>
            <DeathReason d={d} headline={d.id === headline} />
            <div className="quiet small">
              <Foreign text={d.broker} /> · <Foreign text={d.topic} className="mono" /> ·{' '}
              {t('death.place', { queue: String(d.number), offset: d.offset })} ·{' '}
              {t('letter.attempts', { n: d.attempts })}
            </div>
            <div className="small">
              <Id value={d.message_id} max={36} copy />{' '}
              {d.replay_id && (
                <span className="chip amber" title={d.replay_id}>
                  {t('death.replay')}
                </span>
              )}
              {d.foreign_replay && <span className="chip amber">{t('death.foreign')}</span>}
            </div>
          </li>
        ))}
      </ol>
    </section>
  )
}
