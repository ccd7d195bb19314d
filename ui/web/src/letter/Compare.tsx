import { useMemo, useState } from 'react'
import { t } from '../i18n/i18n'
import { middle } from '../parts/mask'
import { Foreign } from '../parts/Text'
import type { PropertyChange } from './editing'
import { layJSON, parseJSON } from './json'
import { compare, type Line } from './lines'

// So many lines are shown at first, and so many characters of one on each side of what differs in it.
const some = 600
const wide = 240

const signs = { '+': 'plus', '-': 'minus', '@': 'left-out', ' ': undefined }

/** What a body became. JSON is laid out on both sides, so that a change in one long line can be seen. */
export function BodyChange({ before, after }: { before: string; after: string }) {
  const json = useMemo(() => parseJSON(before) !== undefined && parseJSON(after) !== undefined, [before, after])
  const [exact, setExact] = useState(false)
  const [many, setMany] = useState(some)
  const laid = json && !exact
  const lines = useMemo(
    () => (laid ? compare(layJSON(before, true), layJSON(after, true)) : compare(before, after)),
    [before, after, laid],
  )
  if (before === after) return <p className="quiet">{t('edit.diff.same')}</p>
  return (
    <>
      {json && (
        <fieldset className="switch words">
          <legend className="off-screen">{t('edit.diff.form')}</legend>
          <button type="button" aria-pressed={laid} onClick={() => setExact(false)}>
            {t('edit.diff.laid')}
          </button>
          <button type="button" aria-pressed={!laid} onClick={() => setExact(true)}>
            {t('edit.diff.exact')}
          </button>
        </fieldset>
      )}
      {lines.length === 0 ? (
        <p className="quiet">{t('edit.diff.blanks')}</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        <pre className="compare mono" tabIndex={0}>
          {lines.slice(0, many).map((l, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: lines of texts that do not change
            <span key={i} className={signs[l.sign]}>
              {l.sign === '@' ? t('edit.diff.skip', { n: l.n }) : <Marked l={l} />}
              {'\n'}
            </span>
          ))}
        </pre>
      )}
      {lines.length > many && (
        <button type="button" className="button small" onClick={() => setMany(m => m * 4)}>
          {t('edit.diff.more', { n: lines.length - many })}
        </button>
      )}
    </>
  )
}

/** A line with its sign, and what differs in it marked; of a very long one only what stands around that. */
function Marked({ l }: { l: Line }) {
  const { sign, text, from = 0, to = 0 } = l
  const start = text.length > 2 * wide ? Math.max(0, from - wide) : 0
  const end = text.length > 2 * wide ? Math.min(text.length, Math.max(to, start + wide) + wide) : text.length
  const differs = middle(text.slice(from, to), 4000)
  return (
    <>
      {sign} {start > 0 && '…'}
      <Foreign text={text.slice(start, from)} />
      {to > from && (
        <mark>
          <Foreign text={differs} />
        </mark>
      )}
      <Foreign text={text.slice(Math.max(to, from), end)} />
      {end < text.length && '…'}
    </>
  )
}

/** How properties change; values whose names look like secrets' only on demand. */
export function PropertyTable({ changes }: { changes: readonly PropertyChange[] }) {
  const [shown, setShown] = useState<ReadonlySet<string>>(new Set())
  const value = (c: PropertyChange, v: string | undefined) =>
    v === undefined ? (
      <em className="quiet">{t('edit.diff.absent')}</em>
    ) : v === '' ? (
      <em className="quiet">{t('edit.diff.empty')}</em>
    ) : c.sensitive && !shown.has(c.name) ? (
      <button
        type="button"
        className="link small"
        aria-label={t('edit.reveal.name', { name: c.name })}
        onClick={() => setShown(s => new Set(s).add(c.name))}
      >
        ••••••
      </button>
    ) : (
      <Foreign className="mono" text={middle(v, 600)} />
    )
  return (
    <table className="props-table compared">
      <thead>
        <tr>
          <th scope="col">{t('props.name')}</th>
          <th scope="col">{t('edit.diff.before')}</th>
          <th scope="col">{t('edit.diff.after')}</th>
        </tr>
      </thead>
      <tbody>
        {changes.map(c => (
          <tr key={c.name}>
            <th scope="row">
              <Foreign text={c.name} />
            </th>
            <td className={c.before === undefined ? undefined : 'minus'}>{value(c, c.before)}</td>
            <td className={c.after === undefined ? undefined : 'plus'}>{value(c, c.after)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
