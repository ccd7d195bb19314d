import type { UseQueryResult } from '@tanstack/react-query'
import { type FormEvent, useId, useState } from 'react'
import { type Detail, type Door, type DoorOption, type ReplayOptions, titleOf } from '../api/types'
import { apiDuration } from '../i18n/format'
import { code, codeWords, t, tx } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Said } from '../parts/Said'
import { Foreign, Name } from '../parts/Text'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'
import { undo } from '../replays/undo'
import { firstWish, planDelay } from './delay'
import { ReplayDelay } from './ReplayDelay'
import { named, ReplayTarget, type TargetWish, under, useTargetOptions } from './ReplayTarget'
import { grave, hasEdits } from './replayWords'
import { useEdits } from './useEdits'

interface Props {
  letter: Detail
  /** Number of the edit to be sent, where it was chosen already. */
  edit?: number
  onEdit: () => void
  onClose: () => void
}

/** Everything a person should know and can choose before a replay. */
export function ReplayPanel({ query, ...props }: Props & { query: UseQueryResult<ReplayOptions> }) {
  if (query.error) return <ProblemBox error={query.error} again={() => query.refetch()} />
  if (!query.data)
    return (
      <div className="replay-panel">
        <Wait lines={4} />
      </div>
    )
  return <Form {...props} o={query.data} />
}

function Form({ letter, o, edit: firstEdit, onEdit, onClose }: Props & { o: ReplayOptions }) {
  const edits = useEdits(letter, hasEdits(letter) || firstEdit !== undefined)
  const [edit, setEdit] = useState(firstEdit)
  // The newest edit is what somebody made it for; the original is one choice away.
  const sent = edit ?? edits?.[0]?.number ?? 0
  const [target, setTarget] = useState<TargetWish>({ kind: '', name: '', topic: '', sure: false })
  const found = useTargetOptions(letter, target)
  const [chosen, setChosen] = useState<Door | ''>('')
  const [wish, setWish] = useState(() => firstWish(o))
  const [asNew, setAsNew] = useState(false)
  const [note, setNote] = useState('')
  const name = useId()

  const all = (o.doors ?? []).filter(d => d.door !== 'D').map(d => carrying(d, sent))
  const topic = all.find(d => d.door === 'A')
  const renamed = under(target)
  const group = renamed ? (found.data?.doors ?? []).map(d => carrying(d, sent)) : all.filter(d => d.door !== 'A')
  const kind = target.kind === '' && !group.some(d => d.allowed) && topic?.allowed ? 'topic' : target.kind
  const ways = (
    kind === ''
      ? group
      : kind === 'topic'
        ? topic
          ? [topic]
          : []
        : (found.data?.doors ?? []).map(d => carrying(d, sent))
  ).filter(meant)
  const best = kind === '' && !renamed ? o.default : (found.data?.default ?? '')
  const open = (which: Door | '') => ways.find(d => d.door === which && d.allowed)
  const door = open(chosen) ?? open(best) ?? ways.find(d => d.allowed)
  const to = kind === 'topic' ? t('target.topic', { topic: plain(letter.topic) }) : target.name.trim()
  const plan = door ? planDelay(wish, o, door, Date.now()) : {}
  const ready =
    door && edits && !plan.wrong && (!named(kind) || (target.sure && found.data)) && (!renamed || found.data)

  const who = <Name text={kind === '' ? letter.consumer_group : to} />
  const words = plan.deliverAt
    ? tx('replay.do.at', { group: who })
    : plan.delay
      ? tx('replay.to.delay', { group: who, delay: apiDuration(plan.level?.delay ?? plan.delay) })
      : kind === 'topic'
        ? tx('replay.to.all', { n: topic?.receivers?.length ?? 0 })
        : tx('replay.to', { group: who })

  const submit = (e: FormEvent) => {
    e.preventDefault()
    if (!door || !ready) return
    undo.add(
      { id: letter.id, title: titleOf(letter), group: kind === '' ? letter.consumer_group : to },
      {
        version: letter.version,
        ...(kind && { target: { kind, ...(named(kind) && { name: target.name.trim() }) } }),
        ...(renamed && { target: { topic: target.topic.trim() } }),
        ...(sent > 0 && { edit: sent }),
        door: door.door,
        ...(plan.delay && { delay: plan.delay }),
        ...(plan.deliverAt && { deliver_at: plan.deliverAt.toISOString() }),
        ...(asNew && door.new_key && { as_new: true }),
        ...(note.trim() && { note: note.trim() }),
      },
    )
    onClose()
  }
  return (
    <form className="replay-panel" onSubmit={submit} aria-label={t('replay.options')}>
      <Cause letter={letter} o={kind === 'other_group' && found.data ? found.data : o} />
      {o.broker_error && (
        <p className="note-amber">
          <Icon name="alert" size={14} /> <Said text={o.broker_error} />
        </p>
      )}
      {o.holder_error && (
        <p className="note-amber">
          <Icon name="alert" size={14} /> {tx('replay.holder_away', { broker: <Foreign text={letter.broker} /> })}
        </p>
      )}
      {door && (
        <div className="replay-how">
          <ReplayDelay o={o} door={door} wish={wish} plan={plan} onChange={setWish} />
        </div>
      )}
      <div className="replay-what">
        <label>
          {t('replay.what')}
          <select value={sent} onChange={e => setEdit(Number(e.target.value))}>
            <option value={0}>{t('replay.what.original')}</option>
            {sent > 0 && !edits?.some(e => e.number === sent) && (
              <option value={sent}>{t('edit.number', { n: sent })}</option>
            )}
            {edits?.map(e => (
              <option key={e.number} value={e.number}>
                {t('replay.what.edit', { n: e.number, who: plain(code('actor', e.author), 60) })}
                {e.note ? ` · ${plain(e.note, 60)}` : ''}
              </option>
            ))}
          </select>
        </label>
        <button type="button" className="button" title={`${t('act.edit')} (e)`} onClick={onEdit}>
          <Icon name="note" size={14} /> {t('edit.short')}
        </button>
      </div>
      {o.unwraps && (
        <p className="hint">
          <Icon name="letters" size={14} /> {t('replay.unwraps')}
        </p>
      )}
      <ReplayTarget
        letter={letter}
        w={{ ...target, kind }}
        group={group.filter(meant)}
        topic={topic}
        found={found}
        onChange={w => {
          setTarget(w)
          setChosen('')
        }}
      />
      {(door || !named(kind)) && ways.length > 0 && (
        <fieldset className="doors">
          <legend>{t('replay.way')}</legend>
          {ways.map(d => (
            <DoorChoice
              key={d.door}
              d={d}
              params={{
                group: kind === 'other_group' ? to : letter.consumer_group,
                topic: kind === 'other_topic' ? to : letter.topic || target.topic.trim() || t('about.topic'),
                n: d.receivers?.length ?? 0,
              }}
              name={name}
              other={named(kind)}
              checked={door?.door === d.door}
              isDefault={ways.length > 1 && d.door === best && d.allowed}
              onChoose={() => setChosen(d.door)}
            />
          ))}
        </fieldset>
      )}
      {door && (
        <div className="replay-how">
          {door.new_key && (
            <label className="check">
              <input type="checkbox" checked={asNew} onChange={e => setAsNew(e.target.checked)} />
              <span>
                {t('replay.as_new')}{' '}
                <small className="quiet">{t(asNew ? 'replay.as_new.on' : 'replay.as_new.off')}</small>
              </span>
            </label>
          )}
          <label className="whole-line">
            {t('note.optional')}
            <input
              type="text"
              value={note}
              maxLength={2000}
              placeholder={t('note.why.replay')}
              onChange={e => setNote(e.target.value)}
            />
          </label>
        </div>
      )}
      <footer>
        <button type="submit" className="button primary" disabled={!ready}>
          <Icon name="replay" /> <span>{words}</span>
        </button>
        <button type="button" className="button" onClick={onClose}>
          {t('cancel')}
        </button>
        <span className="quiet small">{t('replay.undo')}</span>
      </footer>
    </form>
  )
}

/** Ways that no consumer group of this kind knows are not worth a line. */
const meant = (d: DoorOption) => d.why !== 'not_grpc'

/** A door as it is for an edit: the dead copy goes back as it is and cannot carry one. */
const carrying = (d: DoorOption, edit: number): DoorOption =>
  edit > 0 && d.door === 'C' && d.allowed ? { ...d, allowed: false, why: 'edited' } : d

interface DoorProps {
  d: DoorOption
  params: { group: string; topic: string; n: number }
  name: string
  /** It leads to somebody else than the failed consumer group. */
  other: boolean
  checked: boolean
  isDefault: boolean
  onChoose: () => void
}

/** One way back: who gets the message, what speaks against it, or why it is shut. */
function DoorChoice({ d, params, name, other, checked, isDefault, onChoose }: DoorProps) {
  const receivers = d.receivers ?? []
  return (
    <label className={`door${checked ? ' checked' : ''}${d.allowed ? '' : ' shut'}`}>
      <input type="radio" name={name} value={d.door} checked={checked} disabled={!d.allowed} onChange={onChoose} />
      <span className="grow">
        <strong>{code(other ? 'door.other' : 'door', d.door)}</strong>{' '}
        {isDefault && <span className="chip blue">{t('replay.default')}</span>}
        <span className="door-why">{code(d.allowed ? 'door.why' : 'door.shut', d.why, params)}</span>
        {checked && receivers.length > 0 && (
          <span className="door-who">
            {t('replay.receivers')}
            {t('colon')}
            {receivers.map((g, i) => (
              <span key={g}>
                {i > 0 ? t('list.comma') : ''}
                <span className={g === params.group ? 'strong' : undefined}>
                  <Foreign text={g} />
                </span>
              </span>
            ))}
            {!d.complete && ` ${t('replay.receivers.more')}`}
          </span>
        )}
        {d.allowed &&
          (d.warnings ?? []).map(w => (
            <span key={w} className={grave(w) ? 'warn grave' : 'warn'}>
              <Icon name={grave(w) ? 'alert' : 'info'} size={12} /> {code('door.warning', w, params)}
            </span>
          ))}
        {checked && d.target && (
          <span className="door-target quiet">
            → <Foreign text={d.target} className="mono" />
          </span>
        )}
      </span>
    </label>
  )
}

/** Whether the cause seems gone. */
function Cause({ letter, o }: { letter: Detail; o: ReplayOptions }) {
  const g = o.group
  return (
    <ul className="cause">
      <li className={g.online ? 'good' : 'amber'}>
        <Icon name={g.online ? 'check' : 'alert'} size={14} />
        {g.online
          ? t('cause.online', { n: g.clients?.length ?? 0 })
          : g.last_seen
            ? tx('cause.offline.since', { at: <Time at={g.last_seen} /> })
            : t('cause.offline')}
        <span className="quiet">
          {' '}
          · {code('group.kind', g.kind)}
          {codeWords('group.why', g.kind_why) && t('cause.kind.why', { why: code('group.why', g.kind_why) })}
        </span>
      </li>
      {g.lag >= 0 && (
        <li className={g.lag > 1000 ? 'amber' : undefined}>
          <Icon name="groups" size={14} /> {t('cause.lag', { n: g.lag })}
        </li>
      )}
      <li className={o.same_last_5m > 0 ? 'amber' : 'good'}>
        <Icon name={o.same_last_5m > 0 ? 'alert' : 'check'} size={14} />
        {o.same_last_5m > 0 ? t('cause.same', { n: o.same_last_5m }) : t('cause.same.none')}
      </li>
      {o.confirmed_at ? (
        <li className="amber">
          <Icon name="alert" size={14} /> {tx('cause.confirmed', { at: <Time at={o.confirmed_at} /> })}
        </li>
      ) : (
        letter.replays > 0 && (
          <li>
            <Icon name="replay" size={14} /> {t('cause.replays', { n: letter.replays })}
          </li>
        )
      )}
      {o.dead_copy_until && (
        <li className="quiet">
          <Icon name="clock" size={14} /> {tx('cause.copy', { at: <Time at={o.dead_copy_until} form="moment" /> })}
        </li>
      )}
    </ul>
  )
}
