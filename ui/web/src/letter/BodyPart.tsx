import { type ReactNode, Suspense, useDeferredValue, useMemo } from 'react'
import { part } from '../app/part'
import { bytes as size } from '../i18n/format'
import { t } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { Wait } from '../parts/Wait'
import { bodyLocked, bodyMax, textOf } from './editing'
import { jsonFault, layJSON } from './json'
import type { Editable } from './types'

const BodyEditor = part(() => import('./BodyEditor'))

interface Props {
  e: Editable
  text: string
  loaded: number
  /** Chooses in which charset the body is read and written. */
  charset: ReactNode
  onChange: (text: string) => void
  /** Puts another text into the editor. */
  onSet: (text: string) => void
  onReview: () => void
}

/** The body's editor with what is known of its text; or why it has none. */
export function BodyPart({ e, text, loaded, charset, onChange, onSet, onReview }: Props) {
  const locked = bodyLocked(e)
  const original = useMemo(() => textOf(e.body) ?? '', [e.body])
  const calm = useDeferredValue(text)
  // A body that died of not being JSON is mended as JSON.
  const json = useMemo(() => jsonFault(original) === undefined, [original]) || /^\s*[[{]/.test(calm)
  const fault = useMemo(() => (json ? jsonFault(calm) : undefined), [json, calm])
  const words = useMemo(
    () => fault && { at: fault.at, words: t('edit.json.not', { line: fault.line, column: fault.column }) },
    [fault],
  )
  const length = useMemo(() => new TextEncoder().encode(calm).length, [calm])
  if (locked)
    return (
      <section aria-label={t('edit.body')}>
        <div className="edit-bar">
          <h3>{t('edit.body')}</h3>
          {locked === 'binary' && charset}
        </div>
        <p className="note-amber">
          <Icon name="info" size={14} /> {t(`edit.body.${locked}`)} {t('edit.body.kept')}
        </p>
      </section>
    )
  return (
    <section aria-label={t('edit.body')} className="edit-body">
      <div className="edit-bar">
        <h3>{t('edit.body')}</h3>
        <span role="status" className="small">
          {json &&
            (words ? (
              <span className="chip amber">{words.words}</span>
            ) : (
              <span className="chip green">
                <Icon name="check" size={11} /> JSON
              </span>
            ))}
        </span>
        <span className={length > bodyMax ? 'field-error num' : 'quiet small num'}>
          {length > bodyMax / 2 ? t('edit.size', { size: size(length), most: size(bodyMax) }) : size(length)}
        </span>
        {charset}
        <span className="grow" />
        {json && (
          <>
            <button
              type="button"
              className="button small"
              disabled={!!fault}
              title={t('edit.lay.title')}
              onClick={() => onSet(layJSON(text, true))}
            >
              {t('edit.lay')}
            </button>
            <button
              type="button"
              className="button small"
              disabled={!!fault}
              title={t('edit.line.title')}
              onClick={() => onSet(layJSON(text, false))}
            >
              {t('edit.line')}
            </button>
          </>
        )}
        <button type="button" className="button small" disabled={text === original} onClick={() => onSet(original)}>
          {t('edit.reset')}
        </button>
      </div>
      <Suspense fallback={<Wait lines={8} />}>
        <BodyEditor
          text={text}
          loaded={loaded}
          json={json}
          fault={words}
          label={t('edit.body')}
          onChange={onChange}
          onSave={onReview}
        />
      </Suspense>
    </section>
  )
}
