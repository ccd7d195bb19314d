import type { ReactNode } from 'react'
import type { Call, Detail, Letter, LetterEvent } from '../api/types'
import { apiDuration } from '../i18n/format'
import { code, codeWords, t } from '../i18n/i18n'
import { Id } from '../parts/Copy'
import { Icon, type IconName } from '../parts/Icon'
import { middle, plain } from '../parts/mask'
import { whyWords } from '../parts/problemWords'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import type { ProbeVerdict } from './types'
import '../style/timeline.css'
import { Said } from '../parts/Said'
import { VerdictChip } from './probe'
import { ReplayMarks } from './ReplayMarks'

const icons: Record<string, IconName> = {
  arrived: 'letters',
  died_again: 'alert',
  scheduled: 'clock',
  cancelled: 'stop',
  intended: 'replay',
  sent: 'replay',
  send_failed: 'alert',
  send_unknown: 'unknown',
  delivered: 'groups',
  confirmed: 'check',
  assumed: 'check',
  outcome_unknown: 'unknown',
  compensating: 'scale',
  call_answered: 'scale',
  compensated: 'check',
  resolved: 'check',
  discarded: 'trash',
  restored: 'restore',
  snoozed: 'clock',
  woke: 'clock',
  taken: 'person',
  released: 'person',
  noted: 'note',
  reported: 'report',
  reclassified: 'rules',
  edited: 'note',
  probed: 'probe',
  quarantined: 'pause',
  unquarantined: 'restore',
}
const bad = new Set(['died_again', 'send_failed', 'send_unknown', 'outcome_unknown', 'quarantined'])
const good = new Set(['confirmed', 'assumed', 'compensated', 'resolved'])
const machines = new Set(['automation', 'tracker', 'intake'])

/** Everything that happened to the letter, newest first. */
export function Timeline({ letter }: { letter: Detail }) {
  const events = letter.events ?? []
  return (
    <div className="timeline">
      <ol>
        {events.map(e => (
          <Entry key={e.id} e={e} letter={letter} />
        ))}
      </ol>
      {(letter.calls ?? []).map(c => (
        <CallLog key={c.id} c={c} />
      ))}
    </div>
  )
}

function Entry({ e, letter }: { e: LetterEvent; letter: Detail }) {
  const kind = bad.has(e.kind) ? 'bad' : good.has(e.kind) ? 'good' : ''
  const all = e.detail ?? {}
  const details = Object.entries(all).filter(
    ([k, v]) => v !== '' && !(k in elsewhere) && !(e.kind === 'probed' && k in answer) && !(k === 'base' && v === '0'),
  )
  // Replays of an operation have no event of their intent, which would say what was sent.
  const operation = Number(all.operation ?? 0)
  const replay = letter.replay_list?.find(r => r.id === e.replay_id)
  return (
    <li className={kind}>
      <span className="mark">
        <Icon name={icons[e.kind] ?? 'info'} size={12} />
      </span>
      <div className="grow">
        <p>
          <strong>{code('event', e.kind)}</strong>{' '}
          <span className="quiet">
            {machines.has(e.actor) ? code('actor', e.actor) : <Foreign text={code('actor', e.actor)} />}
            {e.rule && (
              <>
                {' · '}
                <Foreign text={e.rule} />
              </>
            )}
          </span>
        </p>
        {e.note && (
          <p className="entry-note">
            <Foreign text={e.note} />
          </p>
        )}
        {e.kind === 'probed' && <ProbeSaid d={all} />}
        {details.length > 0 && (
          <p className="small quiet entry-details">
            {details.map(([k, v]) => (
              <span key={k}>{detailWords(e.kind, k, v, letter)}</span>
            ))}
          </p>
        )}
        {e.replay_id && (
          <p className="small quiet">
            {t('way.id')} <Id value={e.replay_id} max={20} copy />
            {operation > 0 && <ReplayMarks r={replay ?? { operation }} />}
          </p>
        )}
      </div>
      <span className="entry-at quiet small num">
        <Time at={e.at} form="moment" />
        <br />
        <Time at={e.at} form="clock" /> · #{e.id}
      </span>
    </li>
  )
}

// Which family of codes a detail's value belongs to.
const families: Record<string, string> = {
  detail: 'detail',
  door: 'door.short',
  why: 'door.why',
  route: 'route',
  from_route: 'route',
  from_reason: 'reason',
  resolution: 'resolution',
  hold: 'hold',
  was: 'state',
  state: 'state',
  outcome: 'outcome',
  verdict: 'call.verdict',
  answer: 'call.verdict',
  origin: 'origin',
  reason_origin: 'origin',
  target_kind: 'way.target',
}

// What stands below: in the log of the call, and among the marks of the replay.
const elsewhere: Record<string, true> = { call: true, operation: true }
// What the answer of a probe says in its own way.
const answer: Record<string, true> = {
  verdict: true,
  client: true,
  trusted: true,
  text: true,
  reason: true,
  language: true,
  spent: true,
  on_dead: true,
}

/** What the probed consumer said. */
function ProbeSaid({ d }: { d: Record<string, string> }) {
  const trusted = d.trusted === 'true'
  return (
    <>
      <p className="small">
        <VerdictChip p={{ verdict: (d.verdict ?? '') as ProbeVerdict, trusted }} />{' '}
        {d.client && <Foreign className="mono" text={middle(d.client, 40)} />}{' '}
        <span className="quiet">
          {[d.language && plain(d.language, 20), d.spent && t('probe.spent', { d: apiDuration(d.spent) })]
            .filter(Boolean)
            .join(' · ')}
        </span>
      </p>
      {d.text && (
        <p className="entry-note mono small">
          <Foreign text={d.text} />
        </p>
      )}
      {!trusted && <p className="small amber">{t('probe.untrusted')}</p>}
      {d.on_dead && <p className="small quiet">{t('event.detail.on_dead')}</p>}
    </>
  )
}

/** One detail of an event in words; what this page does not know is shown as it is. */
function detailWords(kind: string, key: string, value: string, letter: Letter): ReactNode {
  const label =
    key === 'reason' && (kind === 'reported' || kind === 'reclassified' || kind === 'died_again')
      ? t('facet.reasons')
      : (codeWords('event.detail', key.replace(/_\d+$/, '')) ?? plain(key))
  const family = families[key]
  let words: ReactNode = plain(value, 400)
  if (key === 'why' && kind === 'cancelled')
    words = whyWords(value, { group: letter.consumer_group, topic: letter.topic }) ?? words
  else if (family) words = codeWords(family, value, { group: letter.consumer_group, topic: letter.topic }) ?? words
  else if (/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value)) words = <Time at={value} form="moment" />
  else if (value === 'true') words = t('event.detail.yes')
  else if (value === 'false') words = t('event.detail.no')
  else if (key === 'delay' || key === 'wait' || key === 'spent') words = apiDuration(value)
  return (
    <>
      {label}
      {t('colon')}
      {words}
    </>
  )
}

/** The questions to a compensation endpoint, with every attempt. */
function CallLog({ c }: { c: Call }) {
  return (
    <details className="call" open={c.state !== 'answered'}>
      <summary>
        <Icon name="scale" size={14} /> {t('call.title', { name: plain(c.name) })}{' '}
        <span className={`chip ${c.state === 'answered' ? 'green' : c.state === 'pending' ? 'blue' : 'amber'}`}>
          {code('call', c.state)}
        </span>{' '}
        {c.verdict && <span className="chip grey">{code('call.verdict', c.verdict)}</span>}
      </summary>
      {c.reason && (
        <p>
          <Foreign text={c.reason} />
        </p>
      )}
      {c.error && (
        <p className="bad">
          <Said text={c.error} />
        </p>
      )}
      {(c.refs ?? []).map(r => (
        <p key={`${r.kind} ${r.id}`} className="small">
          <Foreign text={r.kind} />
          {t('colon')}
          {r.url && /^https?:\/\//.test(r.url) ? (
            <a href={r.url} target="_blank" rel="noreferrer">
              <Foreign text={r.id} />
            </a>
          ) : (
            <Id value={r.id} max={36} copy />
          )}
        </p>
      ))}
      <p className="small quiet">
        webhook-id <Id value={c.id} max={30} copy />
      </p>
      <ol className="attempts">
        {(c.log ?? []).map(a => (
          <li key={a.number}>
            <span className="num">{t('call.attempt', { n: a.number })}</span> <Time at={a.at} form="clock" />{' '}
            <span className="num">{a.status > 0 ? `HTTP ${a.status}` : t('call.no_answer')}</span>{' '}
            <span className="quiet num">{apiDuration(a.duration)}</span>
            {a.error && (
              <span className="bad">
                {' '}
                <Said text={a.error} />
              </span>
            )}
            {a.answer && (
              <pre className="answer">
                <Foreign text={a.answer.slice(0, 4000)} />
              </pre>
            )}
          </li>
        ))}
      </ol>
    </details>
  )
}
