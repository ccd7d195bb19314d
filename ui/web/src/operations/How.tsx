import { useId } from 'react'
import type { ReplayOptions, Route } from '../api/types'
import { apiDuration, count } from '../i18n/format'
import { t } from '../i18n/i18n'
import { RouteChoice, type RouteWish } from '../letter/RouteChoice'
import { canaryOf, few } from './spec'
import { brakeWords, canaryWords, changeWords, speedWords, whenWords, whomWords } from './specWords'
import { Steps } from './Transform'
import type { Operation, ReplaySpec, Spec, TargetKind } from './types'

interface Props {
  o: Operation
  spec: Spec
  onChange: (s: Spec) => void
  /** What the broker of one of the letters can do; undefined while it is being asked. */
  options: ReplayOptions | undefined
}

/** How an operation shall act. What few people need is folded, with what it stands at. */
export function How({ o, spec, onChange, options }: Props) {
  const replay = spec.replay
  if (o.kind === 'route')
    return (
      <RouteChoice
        value={(spec.route ?? '') as RouteWish}
        onChange={route => onChange({ ...spec, route: route as Route | '' })}
      />
    )
  if (!replay) return null
  const setReplay = (more: Partial<ReplaySpec>) => onChange({ ...spec, replay: { ...replay, ...more } })
  const many = o.letters > few
  return (
    <>
      <details className="how" open={many}>
        <summary>
          <span>{t('how.speed')}</span> <small>{speedWords(spec)}</small>
        </summary>
        <Speed spec={spec} onChange={onChange} />
      </details>
      <details className="how" open={many}>
        <summary>
          <span>{t('how.care')}</span>{' '}
          <small>
            {canaryWords(spec, o.preview?.eligible ?? o.letters)}
            {t('list.separator')}
            {brakeWords(spec)}
          </small>
        </summary>
        <Care o={o} spec={spec} onChange={onChange} />
      </details>
      <details className="how">
        <summary>
          <span>{t('how.when')}</span> <small>{whenWords(spec)}</small>
        </summary>
        <When spec={spec} onChange={onChange} setReplay={setReplay} options={options} />
      </details>
      <details className="how">
        <summary>
          <span>{t('how.target')}</span> <small>{whomWords(spec)}</small>
        </summary>
        <Whom replay={replay} setReplay={setReplay} />
      </details>
      <details className="how">
        <summary>
          <span>{t('how.transform')}</span> <small>{changeWords(spec)}</small>
        </summary>
        <Steps steps={replay.transform ?? []} onChange={transform => setReplay({ transform })} />
      </details>
    </>
  )
}

type Part = Pick<Props, 'spec' | 'onChange'>

const ramps = ['0s', '30s', '1m', '5m', '15m']

function Speed({ spec, onChange }: Part) {
  const pace = spec.pace
  const set = (more: Partial<Spec['pace']>) => onChange({ ...spec, pace: { ...pace, ...more } })
  return (
    <div className="how-fields three">
      <label>
        {t('how.rate.field')}
        <input
          type="number"
          min="0"
          max="100000"
          step="any"
          inputMode="decimal"
          value={pace.rate > 0 ? pace.rate : ''}
          placeholder={t('operation.rate.none')}
          onChange={e => set({ rate: Math.max(0, Number(e.target.value) || 0) })}
        />
      </label>
      <Choose
        label={t('how.ramp.field')}
        value={pace.ramp_up}
        list={ramps}
        none={t('how.ramp.none')}
        onChange={ramp_up => set({ ramp_up })}
      />
      <label>
        {t('how.concurrency.field')}
        <select value={pace.concurrency || 16} onChange={e => set({ concurrency: Number(e.target.value) })}>
          {[...new Set([1, 2, 4, 8, 16, pace.concurrency || 16])]
            .sort((a, b) => a - b)
            .map(n => (
              <option key={n} value={n}>
                {n}
              </option>
            ))}
        </select>
      </label>
    </div>
  )
}

/** A choice of durations; one that is not in the list is added to it. */
function Choose({
  label,
  value,
  list,
  none,
  onChange,
}: {
  label: string
  value: string
  list: readonly string[]
  none: string
  onChange: (d: string) => void
}) {
  const at = value || '0s'
  return (
    <label>
      {label}
      <select value={at} onChange={e => onChange(e.target.value)}>
        {[...new Set([...list, at])].map(d => (
          <option key={d} value={d}>
            {d === '0s' ? none : apiDuration(d)}
          </option>
        ))}
      </select>
    </label>
  )
}

const canaries: readonly Spec['canary'][] = [
  { letters: 0, percent: 0 },
  { letters: 1, percent: 0 },
  { letters: 5, percent: 0 },
  { letters: 1, percent: 1 },
  { letters: 5, percent: 5 },
]

function Care({ o, spec, onChange }: Part & { o: Operation }) {
  const { canary, brake } = spec
  const letters = o.preview?.eligible ?? o.letters
  const key = (c: Spec['canary']) => `${c.letters}/${c.percent}`
  const list = canaries.some(c => key(c) === key(canary)) ? canaries : [...canaries, canary]
  const words = (c: Spec['canary']) => {
    const n = canaryOf(c, letters)
    if (n === 0) return t('how.canary.none')
    return c.percent > 0
      ? t('how.canary.percent', { percent: c.percent, n, count: count(n) })
      : t('how.canary.n', { n, count: count(n) })
  }
  return (
    <div className="how-fields">
      <label>
        {t('how.canary.field')}
        <select
          value={key(canary)}
          onChange={e => {
            const c = list.find(x => key(x) === e.target.value)
            if (c) onChange({ ...spec, canary: c })
          }}
        >
          {list.map(c => (
            <option key={key(c)} value={key(c)}>
              {words(c)}
            </option>
          ))}
        </select>
      </label>
      <label className="check">
        <input
          type="checkbox"
          checked={brake.of > 0}
          onChange={e => onChange({ ...spec, brake: e.target.checked ? { of: 20, above: 50 } : { of: 0, above: 0 } })}
        />
        <span>{t('how.brake.field')}</span>
      </label>
      {brake.of > 0 && (
        <div className="how-fields two indent">
          <label>
            {t('how.brake.above')}
            <input
              type="number"
              min="0"
              max="100"
              required
              value={brake.above}
              onChange={e => onChange({ ...spec, brake: { ...brake, above: clamp(e.target.value, 0, 100) } })}
            />
          </label>
          <label>
            {t('how.brake.of')}
            <input
              type="number"
              min="1"
              max="1000"
              required
              value={brake.of}
              onChange={e => onChange({ ...spec, brake: { ...brake, of: clamp(e.target.value, 1, 1000) } })}
            />
          </label>
        </div>
      )}
    </div>
  )
}

const clamp = (text: string, least: number, most: number): number =>
  Math.min(most, Math.max(least, Math.round(Number(text) || 0)))

const spreads = ['0s', '1m', '10m', '30m', '1h', '4h', '12h']

/** Local time as the field for it wants it. */
function localTime(iso: string | undefined): string {
  if (!iso) return ''
  const d = new Date(iso)
  if (Number.isNaN(d.getTime())) return ''
  return new Date(d.getTime() - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}

function When({
  spec,
  onChange,
  setReplay,
  options,
}: Part & { setReplay: (more: Partial<ReplaySpec>) => void; options: ReplayOptions | undefined }) {
  const r = spec.replay
  // An exact time that is still to be filled in is an empty text: such a spec is not asked for.
  const exact = r?.deliver_at !== undefined
  const delay = exact ? 'at' : (r?.delay ?? '0s')
  const levels = options?.levels?.map(l => l.delay) ?? []
  const past = !!r?.deliver_at && Date.parse(r.deliver_at) <= Date.now()
  return (
    <div className="how-fields">
      <label>
        {t('replay.delay')}
        <select
          value={delay}
          onChange={e => {
            const v = e.target.value
            setReplay({ delay: v === 'at' || v === '0s' ? undefined : v, deliver_at: v === 'at' ? '' : undefined })
          }}
        >
          <option value="0s">{t('replay.at_once')}</option>
          {[...new Set([...levels, ...(delay === '0s' || delay === 'at' ? [] : [delay])])].map(d => (
            <option key={d} value={d}>
              {apiDuration(d)}
            </option>
          ))}
          {(options?.timer || exact) && <option value="at">{t('replay.at')}</option>}
        </select>
      </label>
      {exact && (
        <label>
          {t('replay.at.when')}
          <input
            type="datetime-local"
            required
            step="1"
            value={localTime(r?.deliver_at)}
            onChange={e => {
              const at = new Date(e.target.value)
              setReplay({ deliver_at: Number.isNaN(at.getTime()) ? '' : at.toISOString() })
            }}
          />
        </label>
      )}
      {past && (
        <p className="field-error" role="alert">
          {t('replay.at.past')}
        </p>
      )}
      <Choose
        label={t('how.spread.field')}
        value={r?.spread ?? '0s'}
        list={spreads}
        none={t('how.spread.none')}
        onChange={d => setReplay({ spread: d === '0s' ? undefined : d })}
      />
      {(delay !== '0s' || !!r?.spread) && <p className="quiet small">{t('replay.parked')}</p>}
      <label className="check">
        <input
          type="checkbox"
          checked={spec.window !== undefined}
          onChange={e => {
            const { window: _, ...rest } = spec
            onChange(e.target.checked ? { ...rest, window: { from: '02:00', to: '05:00' } } : rest)
          }}
        />
        <span>
          {t('how.window.field')} <small className="quiet">{t('how.window.text')}</small>
        </span>
      </label>
      {spec.window && (
        <div className="how-fields two indent">
          {(['from', 'to'] as const).map(side => (
            <label key={side}>
              {t(`how.window.${side}`)}
              <input
                type="time"
                required
                value={spec.window?.[side] ?? ''}
                onChange={e => spec.window && onChange({ ...spec, window: { ...spec.window, [side]: e.target.value } })}
              />
            </label>
          ))}
        </div>
      )}
    </div>
  )
}

const targets: readonly TargetKind[] = ['', 'topic', 'other_topic', 'other_group']
const targetKey = { '': 'group', topic: 'topic', other_topic: 'other_topic', other_group: 'other_group' } as const

function Whom({ replay, setReplay }: { replay: ReplaySpec; setReplay: (more: Partial<ReplaySpec>) => void }) {
  const kind = replay.target.kind ?? ''
  const name = useId()
  const other = kind === 'other_topic' || kind === 'other_group'
  return (
    <div className="how-fields">
      <fieldset className="choices">
        <legend className="off-screen">{t('how.target')}</legend>
        {targets.map(k => (
          <label key={k} className="check">
            <input
              type="radio"
              name={name}
              checked={kind === k}
              onChange={() => setReplay({ target: k === '' ? {} : { kind: k } })}
            />
            <span>
              {t(`how.target.${targetKey[k]}`)} <small className="quiet">{t(`how.target.${targetKey[k]}.text`)}</small>
            </span>
          </label>
        ))}
      </fieldset>
      {other && (
        <label>
          {t(`how.target.${kind}.name`)}
          <input
            type="text"
            required
            spellCheck={false}
            autoComplete="off"
            maxLength={255}
            value={replay.target.name ?? ''}
            onChange={e => setReplay({ target: { kind, name: e.target.value } })}
          />
        </label>
      )}
      <label className="check">
        <input
          type="checkbox"
          checked={replay.as_new ?? false}
          onChange={e => setReplay({ as_new: e.target.checked || undefined })}
        />
        <span>
          {t('replay.as_new')}{' '}
          <small className="quiet">{t(replay.as_new ? 'replay.as_new.on' : 'replay.as_new.off')}</small>
        </span>
      </label>
      <label className="check">
        <input
          type="checkbox"
          checked={replay.keep_order ?? false}
          onChange={e => setReplay({ keep_order: e.target.checked || undefined })}
        />
        <span>
          {t('how.order.field')} <small className="quiet">{t('how.order.text')}</small>
        </span>
      </label>
    </div>
  )
}
