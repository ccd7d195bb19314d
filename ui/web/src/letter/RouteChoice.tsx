import { code, t } from '../i18n/i18n'

/** Where a letter can be sent by hand; '' lets the rules in force decide anew. */
export type RouteWish = '' | 'manual' | 'retry' | 'compensate'

const wishes: readonly RouteWish[] = ['', 'manual', 'retry', 'compensate']

export function RouteChoice({ value, onChange }: { value: RouteWish; onChange: (r: RouteWish) => void }) {
  return (
    <fieldset className="choices">
      <legend>{t('reroute.which')}</legend>
      {wishes.map(r => (
        <label key={r} className="check">
          <input type="radio" name="route" checked={value === r} onChange={() => onChange(r)} />
          <span>
            {r ? code('route', r) : t('reroute.rules')}{' '}
            <small className="quiet">{t(r ? `route.${r}.text` : 'reroute.rules.text')}</small>
          </span>
        </label>
      ))}
    </fieldset>
  )
}
