import { type FormEvent, useState } from 'react'
import { asProblem, type Problem } from '../api/client'
import { type Detail, titleOf } from '../api/types'
import { exact, moment } from '../i18n/format'
import { t } from '../i18n/i18n'
import { Dialog } from '../parts/Dialog'
import { middle } from '../parts/mask'
import { NoteField } from '../parts/NoteField'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import { doAct } from './acts'
import { RouteChoice, type RouteWish } from './RouteChoice'

export type DialogAct = 'discard' | 'resolve' | 'snooze' | 'notes' | 'route' | 'unquarantine'

const hour = 3_600_000

/** The times to put a letter off to, from now on in the viewer's zone. */
export function snoozeTimes(now: Date): { key: 'hour' | 'four' | 'morning' | 'tomorrow' | 'monday'; at: Date }[] {
  const morning = (days: number) => {
    const d = new Date(now)
    d.setDate(d.getDate() + days)
    d.setHours(9, 0, 0, 0)
    return d
  }
  const night = now.getHours() < 6
  const toMonday = (8 - now.getDay()) % 7 || 7
  return [
    { key: 'hour', at: new Date(now.getTime() + hour) },
    { key: 'four', at: new Date(now.getTime() + 4 * hour) },
    // In the night it is the morning that comes next.
    night ? { key: 'morning', at: morning(0) } : { key: 'tomorrow', at: morning(1) },
    { key: 'monday', at: morning(toMonday) },
  ]
}

/** Asks for the note, the time or the route that an act needs, and says what the act does. */
export function ActDialog({ act, letter, onClose }: { act: DialogAct; letter: Detail; onClose: () => void }) {
  const [note, setNote] = useState('')
  const [times] = useState(() => snoozeTimes(new Date()))
  const [when, setWhen] = useState<string>('hour')
  const [own, setOwn] = useState('')
  const [route, setRoute] = useState<RouteWish>('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  // A route's own words have its name in front.
  const words = act === 'route' ? 'reroute' : act
  const noted = act === 'discard' || act === 'resolve' || act === 'notes' || act === 'unquarantine'
  const until = when === 'own' ? (own ? new Date(own) : undefined) : times.find(x => x.key === when)?.at
  const past = act === 'snooze' && until !== undefined && until.getTime() <= Date.now()

  const submit = async (e: FormEvent) => {
    e.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      await doAct(act, letter, {
        ...(note.trim() && { note: note.trim() }),
        ...(act === 'snooze' && until && { until: until.toISOString() }),
        ...(act === 'route' && route && { route }),
      })
      onClose()
    } catch (err) {
      setProblem(asProblem(err))
      setBusy(false)
    }
  }
  return (
    <Dialog title={t(`${words}.title`)} onClose={onClose}>
      <form onSubmit={submit}>
        <div className="dialog-body">
          <p className="mono quiet">
            <Foreign text={middle(titleOf(letter), 56)} />
          </p>
          {words !== 'notes' && <p>{t(`${words}.text`)}</p>}
          {act === 'snooze' && (
            <fieldset className="choices">
              <legend className="off-screen">{t('snooze.until')}</legend>
              {times.map(x => (
                <label key={x.key} className="check">
                  <input type="radio" name="until" checked={when === x.key} onChange={() => setWhen(x.key)} />
                  <span>{t(`snooze.${x.key}`)}</span>
                  <small className="quiet num" title={exact(x.at)}>
                    {moment(x.at)}
                  </small>
                </label>
              ))}
              <label className="check">
                <input type="radio" name="until" checked={when === 'own'} onChange={() => setWhen('own')} />
                <span>{t('snooze.own')}</span>
                <input
                  type="datetime-local"
                  aria-label={t('snooze.until')}
                  value={own}
                  onFocus={() => setWhen('own')}
                  onChange={e => setOwn(e.target.value)}
                />
              </label>
              {past && <p className="field-error">{t('replay.at.past')}</p>}
            </fieldset>
          )}
          {act === 'route' && <RouteChoice value={route} onChange={setRoute} />}
          <NoteField
            value={note}
            onChange={setNote}
            required={noted}
            placeholder={act === 'notes' || act === 'snooze' || act === 'route' ? '' : t(`note.why.${act}`)}
          />
          {problem && <ProblemBox error={problem} />}
        </div>
        <footer>
          <button type="button" className="button" onClick={onClose}>
            {t('cancel')}
          </button>
          <button
            type="submit"
            className={`button ${act === 'discard' ? 'danger' : 'primary'}`}
            disabled={busy || (noted && !note.trim()) || past || (act === 'snooze' && !until)}
          >
            {t(`${words}.do`)}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
