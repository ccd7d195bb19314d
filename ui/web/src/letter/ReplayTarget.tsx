import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { get } from '../api/client'
import type { Detail, DoorOption, ReplayOptions, TargetKind } from '../api/types'
import { code, t, tx } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'

/** To whom a replay goes, as the form has it. */
export interface TargetWish {
  kind: TargetKind
  name: string
  /** The topic under which the consumer group shall get it, where nobody can tell the original one. */
  topic: string
  /** The person has said that this name is meant. */
  sure: boolean
}

export const named = (kind: TargetKind) => kind === 'other_topic' || kind === 'other_group'

/** Whether a topic is named under which the failed consumer group shall get it. */
export const under = (w: TargetWish) => w.kind === '' && w.topic.trim() !== ''

/** What a replay to somebody who is named, or under a topic that is, would do; asked a moment after the last key. */
export function useTargetOptions(letter: Detail, w: TargetWish) {
  const [name, setName] = useState('')
  const wanted = named(w.kind) ? w.name.trim() : under(w) ? w.topic.trim() : ''
  useEffect(() => {
    const timer = setTimeout(() => setName(wanted), 350)
    return () => clearTimeout(timer)
  }, [wanted])
  const query = useQuery({
    queryKey: ['options', letter.id, letter.version, w.kind, name],
    queryFn: ({ signal }) => {
      const p = new URLSearchParams(named(w.kind) ? { target_kind: w.kind, target_name: name } : { target_topic: name })
      return get<ReplayOptions>(`/letters/${letter.id}/replay-options?${p}`, signal)
    },
    enabled: name !== '' && name === wanted,
    staleTime: 15_000,
  })
  return { ...query, data: name === wanted ? query.data : undefined }
}

interface Props {
  letter: Detail
  w: TargetWish
  /** The doors to the failed consumer group alone. */
  group: readonly DoorOption[]
  /** The door to the original topic. */
  topic: DoorOption | undefined
  found: ReturnType<typeof useTargetOptions>
  onChange: (w: TargetWish) => void
}

/** The choice of who gets the message. What is not open stays in sight and says why. */
export function ReplayTarget({ letter, w, group, topic, found, onChange }: Props) {
  const params = { group: letter.consumer_group, topic: letter.topic || w.topic.trim() || t('topic.unknown') }
  const choose = (kind: TargetKind) => onChange({ kind, name: '', topic: '', sure: false })
  const groupOpen = group.some(d => d.allowed)
  const known = found.data?.doors?.some(d => d.allowed) ?? false
  const name = <Foreign text={plain(w.name.trim(), 80)} />
  return (
    <fieldset className="targets">
      <legend>{t('replay.target')}</legend>
      <label className={groupOpen ? 'check' : 'check shut'}>
        <input type="radio" name="target" checked={w.kind === ''} disabled={!groupOpen} onChange={() => choose('')} />
        <span>
          {tx('replay.target.group', { group: <Foreign text={letter.consumer_group} /> })}
          {!groupOpen &&
            group.map(d => (
              <small key={d.door} className="why-shut">
                {code('door', d.door)}
                {t('colon')}
                {code('door.shut', d.why, params)}
              </small>
            ))}
        </span>
      </label>
      {w.kind === '' && letter.topic === '' && (
        <div className="other-target">
          <label>
            {tx('replay.target.under', { group: <Foreign text={letter.consumer_group} /> })}
            <input
              type="text"
              className="mono"
              spellCheck={false}
              autoComplete="off"
              maxLength={127}
              value={w.topic}
              onChange={e => onChange({ ...w, topic: e.target.value })}
            />
          </label>
          <p className="small quiet">{t('replay.target.under.text')}</p>
          {under(w) && found.error && <ProblemBox error={found.error} />}
        </div>
      )}
      {topic && (
        <label className={topic.allowed ? 'check' : 'check shut'}>
          <input
            type="radio"
            name="target"
            checked={w.kind === 'topic'}
            disabled={!topic.allowed}
            onChange={() => choose('topic')}
          />
          <span>
            {tx('replay.target.topic', {
              topic: letter.topic ? <Foreign text={letter.topic} /> : t('topic.unknown'),
            })}
            {topic.allowed ? (
              <small className="quiet">
                {(topic.receivers ?? []).map((g, i) => (
                  <span key={g}>
                    {i > 0 ? t('list.comma') : ''}
                    <Foreign text={g} />
                  </span>
                ))}
                {!topic.complete && ` ${t('replay.receivers.more')}`}
              </small>
            ) : (
              <small className="why-shut">{code('door.shut', topic.why, params)}</small>
            )}
          </span>
        </label>
      )}
      {(['other_topic', 'other_group'] as const).map(kind => (
        <label key={kind} className="check">
          <input type="radio" name="target" checked={w.kind === kind} onChange={() => choose(kind)} />
          <span>{t(`replay.target.${kind}`)}</span>
        </label>
      ))}
      {(w.kind === 'other_topic' || w.kind === 'other_group') && (
        <div className="other-target">
          <label>
            {t(`replay.target.name.${w.kind}`)}
            <input
              type="text"
              className="mono"
              required
              spellCheck={false}
              autoComplete="off"
              value={w.name}
              onChange={e => onChange({ ...w, name: e.target.value, sure: false })}
            />
          </label>
          {w.name.trim() !== '' && (
            <p className="small" role="status">
              {found.error ? (
                <ProblemBox error={found.error} />
              ) : !found.data ? (
                <span className="quiet">{t('replay.target.asking')}</span>
              ) : known ? (
                <span className="good">
                  <Icon name="check" size={12} /> {t('replay.target.there')}
                </span>
              ) : (
                <span className="field-error">
                  {code('door.shut', found.data.doors?.[0]?.why ?? '', { group: w.name.trim(), topic: w.name.trim() })}
                </span>
              )}
            </p>
          )}
          {known && w.kind === 'other_topic' && <p className="quiet small">{t('replay.target.nobody')}</p>}
          {known && (
            <label className="check">
              <input type="checkbox" checked={w.sure} onChange={e => onChange({ ...w, sure: e.target.checked })} />
              <span>
                {tx(`replay.target.sure.${w.kind}`, { name, group: <Foreign text={letter.consumer_group} /> })}
              </span>
            </label>
          )}
        </div>
      )}
    </fieldset>
  )
}
