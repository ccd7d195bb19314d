import { useState } from 'react'
import { code, codeWords, t } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { masked, middle, plain } from '../parts/mask'
import { Foreign } from '../parts/Text'
import { type Draft, newRow, type Row, rowFault } from './editing'
import type { EditableProperty } from './types'

interface Props {
  properties: readonly EditableProperty[]
  rows: Draft['rows']
  onChange: (rows: Draft['rows']) => void
}

/** Tags, keys and the application's properties as rows; those that are locked are folded and say why. */
export function PropertyRows({ properties, rows, onChange }: Props) {
  const originals = new Map(properties.filter(p => !p.locked && !p.stripped).map(p => [p.name, p]))
  const put = (next: Row) => onChange(rows.map(r => (r.key === next.key ? next : r)))
  const gone = [...originals.values()].filter(
    p => p.name !== 'TAGS' && p.name !== 'KEYS' && !rows.some(r => r.name === p.name),
  )
  const locked = properties.filter(p => p.locked && !p.stripped)
  const stripped = properties.filter(p => p.stripped)
  return (
    <>
      <div className="edit-rows">
        {rows.map(r => (
          <PropertyRow
            key={r.key}
            r={r}
            rows={rows}
            original={originals.get(r.name)}
            onChange={put}
            onRemove={() => onChange(rows.filter(o => o.key !== r.key))}
          />
        ))}
        {gone.map(p => (
          <div key={p.name} className="edit-row gone">
            <s className="mono">
              <Foreign text={middle(p.name, 40)} />
            </s>
            <span className="quiet small">{t('edit.prop.gone')}</span>
            <button
              type="button"
              className="icon-button"
              aria-label={t('edit.prop.back', { name: plain(p.name) })}
              title={t('edit.prop.back', { name: plain(p.name) })}
              onClick={() => onChange([...rows, newRow(p.name, p.value)])}
            >
              <Icon name="restore" size={14} />
            </button>
          </div>
        ))}
      </div>
      <p>
        <button type="button" className="button small" onClick={() => onChange([...rows, newRow()])}>
          {t('edit.prop.add')}
        </button>
      </p>
      {locked.length > 0 && (
        <Folded title={t('edit.locked', { n: locked.length })} why={t('edit.locked.why')} all={locked} />
      )}
      {stripped.length > 0 && (
        <Folded title={t('edit.stripped', { n: stripped.length })} why={t('edit.stripped.why')} all={stripped} />
      )}
    </>
  )
}

interface RowProps {
  r: Row
  rows: Draft['rows']
  original: EditableProperty | undefined
  onChange: (r: Row) => void
  onRemove: () => void
}

function PropertyRow({ r, rows, original, onChange, onRemove }: RowProps) {
  const [shown, setShown] = useState(false)
  const fixed = r.name === 'TAGS' || r.name === 'KEYS'
  const fault = rowFault(rows, r)
  const hidden = original?.sensitive && r.value === original.value && !shown
  const state = fixed
    ? r.value !== (original?.value ?? '')
      ? 'changed'
      : ''
    : !original
      ? 'new'
      : original.value !== r.value
        ? 'changed'
        : ''
  const named = fixed ? t(r.name === 'TAGS' ? 'edit.tags' : 'edit.keys') : plain(r.name, 60) || t('edit.prop.name')
  return (
    <div className={`edit-row${fault ? ' wrong' : ''}`}>
      {fixed ? (
        <span className="edit-name" title={codeWords('prop', r.name)}>
          {named} <code className="quiet">{r.name}</code>
        </span>
      ) : (
        <input
          type="text"
          className="mono"
          aria-label={t('edit.prop.name')}
          aria-invalid={!!fault}
          value={r.name}
          spellCheck={false}
          onChange={e => onChange({ ...r, name: e.target.value })}
        />
      )}
      {hidden ? (
        <span className="edit-secret" title={t('edit.hidden')}>
          ••••••{' '}
          <button
            type="button"
            className="link small"
            aria-label={t('edit.reveal.name', { name: named })}
            onClick={() => setShown(true)}
          >
            {t('edit.reveal')}
          </button>
        </span>
      ) : (
        <textarea
          rows={1}
          className="mono"
          aria-label={t('edit.prop.value', { name: named })}
          value={r.value}
          spellCheck={false}
          autoComplete="off"
          onChange={e => onChange({ ...r, value: e.target.value })}
        />
      )}
      {fixed ? (
        <span />
      ) : (
        <button
          type="button"
          className="icon-button"
          aria-label={t('edit.prop.remove', { name: named })}
          title={t('edit.prop.remove', { name: named })}
          onClick={onRemove}
        >
          <Icon name="close" size={14} />
        </button>
      )}
      {(fault || state || (!hidden && masked(r.value))) && (
        <p className="small edit-row-say">
          {fault ? (
            <span className="field-error" role="alert">
              {code('edit.fault', fault)}
            </span>
          ) : (
            state && <span className={`chip ${state === 'new' ? 'green' : 'blue'}`}>{t(`edit.prop.${state}`)}</span>
          )}
          {!hidden && masked(r.value) && (
            <span className="quiet mono">
              {' '}
              <Foreign text={middle(r.value, 200)} />
            </span>
          )}
        </p>
      )}
    </div>
  )
}

function Folded({ title, why, all }: { title: string; why: string; all: readonly EditableProperty[] }) {
  const [shown, setShown] = useState<ReadonlySet<string>>(new Set())
  return (
    <details className="edit-locked">
      <summary>
        <Icon name="system" size={13} /> {title}
      </summary>
      <p className="quiet small">{why}</p>
      <table className="props-table">
        <tbody>
          {all.map(p => (
            <tr key={p.name}>
              <th scope="row" title={codeWords('prop', p.name)}>
                <Foreign text={middle(p.name, 60)} />
              </th>
              <td className="mono">
                {p.sensitive && !shown.has(p.name) ? (
                  <button
                    type="button"
                    className="link small"
                    aria-label={t('edit.reveal.name', { name: plain(p.name) })}
                    onClick={() => setShown(s => new Set(s).add(p.name))}
                  >
                    ••••••
                  </button>
                ) : (
                  <Foreign text={middle(p.value, 200)} />
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  )
}
