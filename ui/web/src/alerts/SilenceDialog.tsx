import { type FormEvent, useMemo, useState } from 'react'
import { asProblem, type Problem, randomID } from '../api/client'
import { useFacets } from '../api/queries'
import { exact, moment } from '../i18n/format'
import { code, t } from '../i18n/i18n'
import { Dialog } from '../parts/Dialog'
import { Icon } from '../parts/Icon'
import { NoteField } from '../parts/NoteField'
import { ProblemBox } from '../parts/Problem'
import '../style/silences.css'
import { addSilence } from './api'
import { endOf, type Length, lengths, type MatcherRow, matchersFor, matchersOf, matches, phaseOf } from './logic'
import type { Alert, Alerts, Silence } from './types'
import { AlertTitle, labelName } from './words'

interface Props {
  alert: Alert | undefined
  data: Alerts
  silences: readonly Silence[]
  onClose: () => void
}

const known = ['rule', 'consumer_group', 'topic', 'reason', 'severity', 'cluster']

function firstRows(a: Alert | undefined, data: Alerts): MatcherRow[] {
  const rows = a
    ? Object.entries(matchersFor(a, data.rules)).flatMap(([label, values]) => values.map(value => ({ label, value })))
    : [{ label: 'rule', value: '' }]
  return rows.map((r, id) => ({ ...r, id }))
}

/** Which alerts to hold back, for how long, and why. */
export function SilenceDialog({ alert, data, silences, onClose }: Props) {
  const [rows, setRows] = useState(() => firstRows(alert, data))
  const [length, setLength] = useState<Length>('1h')
  const [own, setOwn] = useState('')
  const [note, setNote] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  // The same press twice is one silence.
  const [key] = useState(randomID)
  const [opened] = useState(() => new Date())
  const values = useValues(data)

  const matchers = matchersOf(rows)
  const chosen = Object.keys(matchers).length > 0
  const hit = data.items.filter(a => matches(matchers, a))
  const twin = silences.some(
    s => phaseOf(s, Date.now()) === 'now' && hit.length > 0 && hit.every(a => matches(s.matchers, a)),
  )
  const end = endOf(length, own, opened)
  const past = length === 'own' && end !== undefined && end.getTime() <= Date.now()

  const change = (id: number, part: Partial<MatcherRow>) =>
    setRows(all => all.map(r => (r.id === id ? { ...r, ...part } : r)))
  const submit = async (e: FormEvent) => {
    e.preventDefault()
    if (!end) return
    setBusy(true)
    setProblem(undefined)
    try {
      // A length counts from the server's clock; an instant is an instant.
      const until = length === 'tomorrow' || length === 'own' ? { ends_at: end.toISOString() } : { duration: length }
      await addSilence({ matchers, ...until, note: note.trim() }, key)
      onClose()
    } catch (err) {
      setProblem(asProblem(err))
      setBusy(false)
    }
  }
  return (
    <Dialog title={t('silence.title')} onClose={onClose} className="silence-dialog">
      <form onSubmit={submit}>
        <div className="dialog-body">
          <p className="hint">{t('silence.text')}</p>
          <fieldset className="matchers">
            <legend>{t('silence.which')}</legend>
            {rows.map((r, i) => (
              <div key={r.id} className="matcher-row">
                <select
                  aria-label={t('silence.label', { n: i + 1 })}
                  value={r.label}
                  onChange={e => change(r.id, { label: e.target.value, value: '' })}
                >
                  {[...new Set([...known, ...Object.keys(values), r.label])].map(l => (
                    <option key={l} value={l}>
                      {labelName(l)}
                    </option>
                  ))}
                </select>
                {r.label === 'severity' ? (
                  <select
                    aria-label={t('silence.value', { n: i + 1 })}
                    value={r.value}
                    onChange={e => change(r.id, { value: e.target.value })}
                  >
                    <option value="">{t('silence.choose')}</option>
                    {(['critical', 'warning', 'info'] as const).map(s => (
                      <option key={s} value={s}>
                        {code('alert.severity', s)}
                      </option>
                    ))}
                  </select>
                ) : (
                  <input
                    aria-label={t('silence.value', { n: i + 1 })}
                    value={r.value}
                    maxLength={255}
                    list={`values-${r.label}`}
                    placeholder={t('silence.value.hint')}
                    spellCheck={false}
                    autoComplete="off"
                    onChange={e => change(r.id, { value: e.target.value })}
                  />
                )}
                <button
                  type="button"
                  className="icon-button"
                  aria-label={t('silence.less', { n: i + 1 })}
                  title={t('silence.less', { n: i + 1 })}
                  disabled={rows.length === 1}
                  onClick={() => setRows(all => all.filter(x => x.id !== r.id))}
                >
                  <Icon name="close" size={14} />
                </button>
              </div>
            ))}
            <button
              type="button"
              className="link small"
              disabled={rows.length >= 20}
              onClick={() =>
                setRows(all => [...all, { id: Math.max(...all.map(r => r.id)) + 1, label: nextLabel(all), value: '' }])
              }
            >
              {t('silence.more')}
            </button>
            {Object.entries(values).map(([l, all]) => (
              <datalist key={l} id={`values-${l}`}>
                {all.map(v => (
                  <option key={v} value={v} />
                ))}
              </datalist>
            ))}
          </fieldset>
          <div className="matched" role="status">
            {!chosen ? (
              <span className="quiet">{t('silence.matched.empty')}</span>
            ) : hit.length === 0 ? (
              <span className="quiet">{t('silence.matched.none')}</span>
            ) : (
              <>
                <span>{t('silence.matched', { n: hit.length })}</span>
                <ul>
                  {hit.slice(0, 4).map(a => (
                    <li key={a.id}>
                      <AlertTitle labels={a.labels} rule={a.rule} />
                    </li>
                  ))}
                  {hit.length > 4 && <li className="quiet">{t('more.n', { n: hit.length - 4 })}</li>}
                </ul>
                {twin && <span className="note-amber">{t('silence.twin')}</span>}
              </>
            )}
          </div>
          <fieldset className="choices">
            <legend>{t('silence.length')}</legend>
            {lengths.map(l => {
              const at = l === 'own' ? undefined : endOf(l, '', opened)
              return (
                <label key={l} className="check">
                  <input type="radio" name="length" checked={length === l} onChange={() => setLength(l)} />
                  <span>{t(`silence.length.${l}`)}</span>
                  {at ? (
                    <small className="quiet num" title={exact(at)}>
                      {moment(at)}
                    </small>
                  ) : (
                    <input
                      type="datetime-local"
                      aria-label={t('silence.length')}
                      value={own}
                      onFocus={() => setLength('own')}
                      onChange={e => setOwn(e.target.value)}
                    />
                  )}
                </label>
              )
            })}
            {past && <p className="field-error">{t('replay.at.past')}</p>}
          </fieldset>
          <NoteField value={note} onChange={setNote} placeholder={t('silence.note.hint')} />
          {problem && <ProblemBox error={problem} />}
        </div>
        <footer>
          <button type="button" className="button" onClick={onClose}>
            {t('cancel')}
          </button>
          <button type="submit" className="button primary" disabled={busy || !chosen || !note.trim() || !end || past}>
            {t('silence.submit')}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}

const nextLabel = (rows: readonly MatcherRow[]): string => known.find(l => !rows.some(r => r.label === l)) ?? 'rule'

/** Values really seen, by label. */
function useValues(data: Alerts): Record<string, string[]> {
  const facets = useFacets('tab=attention').data
  return useMemo(() => {
    const all: Record<string, Set<string>> = {}
    const add = (label: string, value: string) => {
      if (value === '') return
      const have = all[label] ?? new Set()
      all[label] = have.add(value)
    }
    for (const r of data.rules) {
      add('rule', r.name)
      for (const v of r.values) for (const [l, value] of Object.entries(v.labels)) add(l, value)
    }
    for (const a of [...data.items, ...data.recent]) {
      add('rule', a.rule)
      for (const [l, v] of Object.entries(a.labels)) add(l, v)
    }
    for (const f of facets?.consumer_groups ?? []) add('consumer_group', f.value)
    for (const f of facets?.topics ?? []) add('topic', f.value)
    for (const f of facets?.reasons ?? []) add('reason', f.value)
    return Object.fromEntries(Object.entries(all).map(([l, v]) => [l, [...v].sort()]))
  }, [data, facets])
}
