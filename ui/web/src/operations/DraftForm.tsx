import { type FormEvent, type ReactNode, useState } from 'react'
import { useReplayOptions, useRights, useStatus } from '../api/queries'
import { apiDuration, count } from '../i18n/format'
import { t } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { NoteField } from '../parts/NoteField'
import { ProblemBox } from '../parts/Problem'
import { Wait } from '../parts/Wait'
import '../style/draft.css'
import { start, useItems } from './api'
import { How } from './How'
import { hold } from './held'
import { doWords, Preview } from './Preview'
import type { Operation } from './types'
import { useDraft } from './useDraft'

interface Props {
  o: Operation
  /** The operation as it was started. */
  onStarted: (o: Operation) => void
  /** Buttons beside the one that starts it; what they are given keeps the note with the draft. */
  children?: (keepNote: () => Promise<boolean>) => ReactNode
}

/** What a draft will do, at the left, and how, at the right; with the button that starts it. */
export function DraftForm({ o, onStarted, children }: Props) {
  const [note, setNote] = useState(o.note)
  const draft = useDraft(o, note)
  const { spec, setSpec, gap, problem } = draft
  const [starting, setStarting] = useState(false)
  // To whom else it goes must have been read, for each choice anew.
  const aim = JSON.stringify(spec.replay?.target ?? {})
  const [read, setRead] = useState('')
  const wide = (spec.replay?.target.kind ?? '') !== ''
  const stopped = useStatus().data?.automation.stopped ?? false
  const rights = useRights()
  const sample = useItems(o, '').data?.pages[0]?.items?.find(i => i.letter)?.letter
  const options = useReplayOptions(
    sample?.id ?? '',
    sample?.version ?? 0,
    o.kind === 'replay' && sample !== undefined,
  ).data
  const p = o.preview
  const n = p?.eligible ?? 0

  const why = !rights.act
    ? t('why.role')
    : stopped
      ? t('draft.why.stopped')
      : n === 0 && p
        ? t('draft.why.none')
        : gap
          ? t(`draft.why.${gap}`)
          : wide && read !== aim
            ? t('draft.why.target')
            : !note.trim()
              ? t('draft.why.note')
              : undefined
  const waiting = draft.stale && !problem && !gap

  const submit = async (e: FormEvent) => {
    e.preventDefault()
    if (why || draft.stale || starting) return
    setStarting(true)
    const ok = await draft.run(async d => {
      const after = await start(d, note.trim())
      if (after.hold_until) hold(after)
      onStarted(after)
      return after
    })
    if (!ok) setStarting(false)
  }

  return (
    <form onSubmit={submit} className="draft">
      <div className="draft-body">
        <section
          className={`draft-what${draft.stale ? ' stale' : ''}`}
          aria-label={t('sheet.what')}
          aria-busy={draft.stale}
        >
          <h3>
            {t('sheet.what')}
            {draft.stale && <span className="chip grey">{t(waiting ? 'draft.counting' : 'draft.uncounted')}</span>}
          </h3>
          <p className="quiet">{t(`draft.${o.kind}.text`)}</p>
          {p ? (
            <Preview
              o={o}
              p={p}
              replay={spec.replay}
              onInclude={c => spec.replay && setSpec({ ...spec, replay: { ...spec.replay, ...c } })}
              onRefresh={draft.recount}
            />
          ) : (
            <Wait lines={8} />
          )}
        </section>
        <section className="draft-how" aria-label={t('sheet.how')}>
          <h3>{t('sheet.how')}</h3>
          <NoteField
            value={note}
            onChange={setNote}
            placeholder={o.kind === 'route' ? t('draft.route.why') : t(`note.why.${o.kind}`)}
          />
          <How o={o} spec={spec} onChange={setSpec} options={options} />
          {wide && (
            <label className="check op-wide">
              <input type="checkbox" checked={read === aim} onChange={e => setRead(e.target.checked ? aim : '')} />
              <span>{t('draft.read')}</span>
            </label>
          )}
          {problem && <ProblemBox error={problem} />}
        </section>
      </div>
      <footer>
        <p className="grow small quiet draft-estimate" aria-live="polite">
          {waiting ? (
            t('draft.counting')
          ) : why ? (
            <>
              <Icon name="info" size={13} /> {why}
            </>
          ) : (
            estimate(o)
          )}
        </p>
        {children?.(draft.keepNote)}
        <button
          type="submit"
          className={`button ${o.kind === 'discard' ? 'danger' : 'primary'}`}
          disabled={!!why || draft.stale || starting}
          title={why}
        >
          {starting ? t('working') : doWords(o.kind, n)}
        </button>
      </footer>
    </form>
  )
}

/** How long it will take, and the time in which it can be undone. */
function estimate(o: Operation): string {
  const p = o.preview
  const parts: string[] = []
  if (p?.sends_per_second) parts.push(t('draft.speed', { n: p.sends_per_second, count: count(p.sends_per_second) }))
  if (p?.duration_estimate && p.duration_estimate !== '0s')
    parts.push(t('draft.estimate', { d: apiDuration(p.duration_estimate) }))
  if (o.spec.hold && o.spec.hold !== '0s') parts.push(t('draft.hold', { d: apiDuration(o.spec.hold) }))
  return parts.join(t('list.separator'))
}
