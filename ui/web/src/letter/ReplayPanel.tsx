import type { UseQueryResult } from '@tanstack/react-query'
import { type FormEvent, useId, useState } from 'react'
import { type Detail, type Door, type DoorOption, type ReplayOptions, titleOf } from '../api/types'
import { apiDuration, parseDuration } from '../i18n/format'
import { code, codeWords, t, tx } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'
import { undo } from '../replays/undo'
import { grave } from './replayWords'

interface Props {
  letter: Detail
  query: UseQueryResult<ReplayOptions>
  onClose: () => void
}

/** Everything a person should know and can choose before a replay. */
export function ReplayPanel({ letter, query, onClose }: Props) {
  if (query.error) return <ProblemBox error={query.error} again={() => query.refetch()} />
  if (!query.data)
    return (
      <div className="replay-panel">
        <Wait lines={4} />
      </div>
    )
  return <Form letter={letter} o={query.data} onClose={onClose} />
}

const beside = new Set(['not_yet', 'not_grpc'])

function Form({ letter, o, onClose }: { letter: Detail; o: ReplayOptions; onClose: () => void }) {
  // Ways that are not meant for such a group are worth a line only where no way is open at all.
  const all = o.doors ?? []
  const doors = all.some(d => d.allowed) ? all.filter(d => d.allowed || !beside.has(d.why)) : all
  const [chosen, setChosen] = useState<Door | ''>(o.default)
  const door = doors.find(d => d.door === chosen && d.allowed)
  const [delay, setDelay] = useState(o.default_delay === '0s' ? '' : o.default_delay)
  const [at, setAt] = useState('')
  const [asNew, setAsNew] = useState(false)
  const [note, setNote] = useState('')
  const name = useId()
  const exactTime = delay === 'at' && door?.timer
  const max = o.timer_max ? parseDuration(o.timer_max) : Number.NaN
  const deliverAt = exactTime && at ? new Date(at) : undefined
  const late = deliverAt !== undefined && !Number.isNaN(max) && deliverAt.getTime() - Date.now() > max
  const past = deliverAt !== undefined && deliverAt.getTime() <= Date.now()
  const asDelay = delay !== 'at' && door?.delays ? delay : ''
  const words = exactTime
    ? tx('replay.do.at', { group: <Foreign text={letter.consumer_group} /> })
    : asDelay
      ? tx('replay.to.delay', { group: <Foreign text={letter.consumer_group} />, delay: apiDuration(asDelay) })
      : door?.door === 'A'
        ? tx('replay.to.all', { n: door.receivers?.length ?? 0 })
        : tx('replay.to', { group: <Foreign text={letter.consumer_group} /> })

  const submit = (e: FormEvent) => {
    e.preventDefault()
    if (!door) return
    undo.add(
      { id: letter.id, title: titleOf(letter), group: letter.consumer_group },
      {
        version: letter.version,
        door: door.door,
        ...(asDelay && { delay: asDelay }),
        ...(deliverAt && { deliver_at: deliverAt.toISOString() }),
        ...(asNew && door.new_key && { as_new: true }),
        ...(note.trim() && { note: note.trim() }),
      },
    )
    onClose()
  }
  return (
    <form className="replay-panel" onSubmit={submit} aria-label={t('replay.options')}>
      <Cause letter={letter} o={o} />
      {o.broker_error && (
        <p className="note-amber">
          <Icon name="alert" size={14} /> {plain(o.broker_error)}
        </p>
      )}
      {o.unwraps && (
        <p className="hint">
          <Icon name="letters" size={14} /> {t('replay.unwraps')}
        </p>
      )}
      <fieldset className="doors">
        <legend>{t('replay.door')}</legend>
        {doors.map(d => (
          <DoorChoice
            key={d.door}
            d={d}
            letter={letter}
            name={name}
            checked={chosen === d.door}
            isDefault={d.door === o.default}
            onChoose={() => setChosen(d.door)}
          />
        ))}
      </fieldset>
      {door && (
        <div className="replay-how">
          {door.delays || door.timer ? (
            <label>
              {t('replay.delay')}
              <select value={delay} onChange={e => setDelay(e.target.value)}>
                <option value="">{t('replay.at_once')}</option>
                {door.delays &&
                  o.levels?.map(l => (
                    <option key={l.level} value={l.delay}>
                      {t('replay.level', { d: apiDuration(l.delay), n: l.level })}
                    </option>
                  ))}
                {door.timer && <option value="at">{t('replay.at')}</option>}
              </select>
            </label>
          ) : (
            <p className="quiet small">{t('replay.no_delay')}</p>
          )}
          {exactTime && (
            <label>
              {t('replay.at.when')}
              <input type="datetime-local" required step="1" value={at} onChange={e => setAt(e.target.value)} />
            </label>
          )}
          {(late || past) && (
            <p className="field-error" role="alert">
              {late ? t('replay.at.late', { d: apiDuration(o.timer_max ?? '') }) : t('replay.at.past')}
            </p>
          )}
          {(asDelay || exactTime) && <p className="quiet small">{t('replay.parked')}</p>}
          {door.new_key && (
            <label className="check">
              <input type="checkbox" checked={asNew} onChange={e => setAsNew(e.target.checked)} />
              <span>
                {t('replay.as_new')}{' '}
                <small className="quiet">{t(asNew ? 'replay.as_new.on' : 'replay.as_new.off')}</small>
              </span>
            </label>
          )}
          <label>
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
        <button
          type="submit"
          className="button primary"
          disabled={!door || late || past || (!!exactTime && !deliverAt)}
        >
          <Icon name="replay" /> <span>{words}</span>
        </button>
        <button type="button" className="button" onClick={onClose}>
          {t('cancel')}
        </button>
        <small className="quiet">{t('replay.undo')}</small>
      </footer>
    </form>
  )
}

interface DoorProps {
  d: DoorOption
  letter: Detail
  name: string
  checked: boolean
  isDefault: boolean
  onChoose: () => void
}

/** One way back: who gets the message, what speaks against it, or why it is shut. */
function DoorChoice({ d, letter, name, checked, isDefault, onChoose }: DoorProps) {
  const params = { group: letter.consumer_group, topic: letter.topic, n: d.receivers?.length ?? 0 }
  const receivers = d.receivers ?? []
  return (
    <label className={`door${checked ? ' checked' : ''}${d.allowed ? '' : ' shut'}`}>
      <input type="radio" name={name} value={d.door} checked={checked} disabled={!d.allowed} onChange={onChoose} />
      <span className="grow">
        <strong>{code('door', d.door)}</strong> {isDefault && <span className="chip blue">{t('replay.default')}</span>}
        <span className="door-why">{code(d.allowed ? 'door.why' : 'door.shut', d.why, params)}</span>
        {d.allowed && receivers.length > 0 && (
          <span className="door-who">
            {t('replay.receivers')}
            {t('colon')}
            {receivers.map((g, i) => (
              <span key={g} className={g === letter.consumer_group ? 'strong' : undefined}>
                {i > 0 ? ', ' : ''}
                <Foreign text={g} />
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
        {d.allowed && d.target && (
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
          {codeWords('group.why', g.kind_why) ? ` (${codeWords('group.why', g.kind_why)})` : ''}
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
