import type { DoorOption, ReplayOptions } from '../api/types'
import { apiDuration } from '../i18n/format'
import { t } from '../i18n/i18n'
import type { DelayPlan, DelayWish } from './delay'

interface Props {
  o: ReplayOptions
  door: DoorOption
  wish: DelayWish
  plan: DelayPlan
  onChange: (w: DelayWish) => void
}

/** How long a replay waits at the broker: one of its levels, a time of one's own, or an instant where it has a timer. */
export function ReplayDelay({ o, door, wish, plan, onChange }: Props) {
  if (!door.delays && !door.timer) return <p className="quiet small">{t('replay.no_delay')}</p>
  return (
    <>
      <label>
        {t('replay.delay')}
        <select value={wish.choice} onChange={e => onChange({ ...wish, choice: e.target.value })}>
          <option value="">{t('replay.at_once')}</option>
          {door.delays &&
            o.levels?.map(l => (
              <option key={l.level} value={l.delay}>
                {t('replay.level', { d: apiDuration(l.delay), n: l.level })}
              </option>
            ))}
          <option value="own">{t('replay.own')}</option>
          {door.timer && <option value="at">{t('replay.at')}</option>}
        </select>
      </label>
      {wish.choice === 'own' && (
        <div className="own-delay">
          <label>
            {t('replay.own.how')}
            <input
              type="number"
              min="1"
              step="1"
              required
              value={wish.n}
              onChange={e => onChange({ ...wish, n: e.target.value })}
            />
          </label>
          <select
            aria-label={t('replay.delay')}
            value={wish.unit}
            onChange={e => onChange({ ...wish, unit: e.target.value as DelayWish['unit'] })}
          >
            {(['s', 'm', 'h'] as const).map(u => (
              <option key={u} value={u}>
                {t(`replay.unit.${u}`)}
              </option>
            ))}
          </select>
        </div>
      )}
      {wish.choice === 'at' && door.timer && (
        <label>
          {t('replay.at.when')}
          <input
            type="datetime-local"
            required
            step="1"
            value={wish.at}
            onChange={e => onChange({ ...wish, at: e.target.value })}
          />
        </label>
      )}
      {plan.wrong ? (
        <p className="field-error" role="alert">
          {plan.wrong === 'past'
            ? t('replay.at.past')
            : plan.wrong === 'none'
              ? t('replay.own.none')
              : t(plan.wrong === 'late' ? 'replay.own.late' : 'replay.at.late', { d: apiDuration(plan.most ?? '') })}
        </p>
      ) : (
        (plan.delay || plan.deliverAt) && (
          <p className="quiet small">
            {plan.say === 'level' && plan.level
              ? `${t('replay.own.level', { n: plan.level.level })} `
              : plan.say === 'up' && plan.level
                ? `${t('replay.own.up', { d: apiDuration(plan.level.delay), n: plan.level.level })} `
                : plan.say === 'timer'
                  ? `${t('replay.own.timer')} `
                  : ''}
            {t('replay.parked')}
          </p>
        )
      )}
    </>
  )
}
