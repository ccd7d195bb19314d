import { t } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { stepGap } from './spec'
import { type TransformDo, type TransformStep, transformDos } from './types'

/** The steps that change every message of an operation on its way. The stored letters stay as they are. */
export function Steps({
  steps,
  onChange,
}: {
  steps: readonly TransformStep[]
  onChange: (steps: TransformStep[]) => void
}) {
  const put = (i: number, s: TransformStep) => onChange(steps.map((old, j) => (j === i ? s : old)))
  return (
    <div className="how-fields">
      <p className="quiet small">{t('transform.text')}</p>
      {steps.length > 0 && (
        <ol className="op-transform">
          {steps.map((s, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: steps have no other identity
            <li key={i}>
              <Step
                s={s}
                n={i + 1}
                onChange={x => put(i, x)}
                onRemove={() => onChange(steps.filter((_, j) => j !== i))}
              />
            </li>
          ))}
        </ol>
      )}
      <button
        type="button"
        className="button small"
        disabled={steps.length >= 20}
        onClick={() => onChange([...steps, { do: 'set', path: '', value: '' }])}
      >
        {t('transform.add')}
      </button>
    </div>
  )
}

const empty: Record<TransformDo, TransformStep> = {
  set: { do: 'set', path: '', value: '' },
  remove: { do: 'remove', path: '' },
  rename: { do: 'rename', path: '', to: '' },
  set_property: { do: 'set_property', name: '', value: '' },
  remove_property: { do: 'remove_property', name: '' },
}

type Field = 'path' | 'to' | 'value' | 'name'
const fields: Record<TransformDo, readonly Field[]> = {
  set: ['path', 'value'],
  remove: ['path'],
  rename: ['path', 'to'],
  set_property: ['name', 'value'],
  remove_property: ['name'],
}
const hints: Record<Field, string> = { path: '/amount', to: '/total', value: '12.50', name: 'TAGS' }

function Step({
  s,
  n,
  onChange,
  onRemove,
}: {
  s: TransformStep
  n: number
  onChange: (s: TransformStep) => void
  onRemove: () => void
}) {
  const gap = stepGap(s)
  const bad = (f: Field) => gap === f && !!s[f]
  return (
    <div className="op-step">
      <div className="op-step-line">
        <select
          aria-label={t('transform.do', { n })}
          value={s.do}
          onChange={e => {
            const next = empty[e.target.value as TransformDo]
            onChange({ ...next, ...(next.path !== undefined && s.path && { path: s.path }) })
          }}
        >
          {transformDos.map(d => (
            <option key={d} value={d}>
              {t(`transform.${d}`)}
            </option>
          ))}
        </select>
        {fields[s.do].map(f => (
          <input
            key={f}
            type="text"
            className="mono"
            aria-label={t(`transform.${f === 'value' && s.do === 'set' ? 'json' : f}`, { n })}
            aria-invalid={bad(f) || undefined}
            placeholder={s.do === 'set_property' && f === 'value' ? '' : hints[f]}
            spellCheck={false}
            autoComplete="off"
            value={s[f] ?? ''}
            onChange={e => onChange({ ...s, [f]: e.target.value })}
          />
        ))}
        <button
          type="button"
          className="icon-button tiny"
          aria-label={t('transform.remove.step', { n })}
          title={t('transform.remove.step', { n })}
          onClick={onRemove}
        >
          <Icon name="close" size={13} />
        </button>
      </div>
      {gap && bad(gap) && (
        <p className="field-error">{t(gap === 'value' ? 'transform.bad.json' : 'transform.bad.path')}</p>
      )}
    </div>
  )
}
