import { Link } from 'wouter'
import { count } from '../i18n/format'
import { code, t } from '../i18n/i18n'
import { RouteMark } from '../letters/words'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import { Foreign } from '../parts/Text'
import type { AlertLine, Diagnostic, RuleHits, RuleLine } from './types'

export interface SwitchOf {
  section: 'rules' | 'alerts'
  name: string
  off: boolean
}

interface Props {
  rules: readonly RuleLine[]
  alerts: readonly AlertLine[]
  hits: readonly RuleHits[]
  found: readonly Diagnostic[]
  line: number
  onJump: (line: number) => void
  /** Left out where the person may not edit. */
  onSwitch: ((s: SwitchOf) => void) | undefined
}

/** The rules of the text in their order, with what each caught, and the alert rules below. */
export function RuleList({ rules, alerts, hits, found, line, onJump, onSwitch }: Props) {
  const byRule = new Map(hits.map(h => [h.rule, h]))
  // One scale for all rules, so that the bars can be compared.
  const top = Math.max(1, ...hits.flatMap(h => h.hours ?? []))
  return (
    <section aria-label={t('rules.list')} className="rules-list">
      <ol>
        {rules.map((x, i) => (
          <Item key={`${x.line} ${x.name}`} x={x} n={i + 1} section="rules" {...{ found, line, onJump, onSwitch }}>
            <RouteMark route={x.route} words />
            <HitBars h={byRule.get(x.name)} top={top} />
            <Link
              href={`/letters?tab=all&rule=${encodeURIComponent(x.name)}`}
              className="num"
              title={t('rules.hits.title')}
            >
              {t('rules.hits', { n: byRule.get(x.name)?.day ?? 0, total: count(byRule.get(x.name)?.total ?? 0) })}
            </Link>
          </Item>
        ))}
      </ol>
      {rules.length === 0 && (
        <p className="quiet">{t(found.some(d => d.severity === 'error') ? 'rules.none.broken' : 'rules.none.text')}</p>
      )}
      {alerts.length > 0 && (
        <>
          <h2>{t('rules.alerts')}</h2>
          <ol>
            {alerts.map((x, i) => (
              <Item key={`${x.line} ${x.name}`} x={x} n={i + 1} section="alerts" {...{ found, line, onJump, onSwitch }}>
                <span className="quiet">{code('signal', x.signal)}</span>
              </Item>
            ))}
          </ol>
        </>
      )}
    </section>
  )
}

function Item({
  x,
  n,
  section,
  found,
  line,
  onJump,
  onSwitch,
  children,
}: Pick<Props, 'found' | 'line' | 'onJump' | 'onSwitch'> & {
  x: { name: string; line: number; end_line: number; off: boolean }
  n: number
  section: SwitchOf['section']
  children: React.ReactNode
}) {
  const here = line >= x.line && line <= x.end_line
  const bad = found.some(d => d.line >= x.line && d.line <= x.end_line && d.severity !== 'hint')
  return (
    <li className={`${here ? 'current' : ''}${x.off ? ' off' : ''}`}>
      <div className="rule-head">
        <button type="button" className="rule-name" onClick={() => onJump(x.line)}>
          <span className="num quiet">{n}</span>
          <span className="grow">
            <Foreign text={x.name} />
            {bad && (
              <>
                {' '}
                <Icon name="alert" size={12} className="amber" />
              </>
            )}
          </span>
        </button>
        <button
          type="button"
          role="switch"
          aria-checked={!x.off}
          className="toggle"
          aria-label={t('rules.switch', { name: plain(x.name, 80) })}
          title={t(x.off ? 'rules.is-off' : 'rules.is-on')}
          disabled={!onSwitch}
          onClick={() => onSwitch?.({ section, name: x.name, off: !x.off })}
        >
          <span />
        </button>
      </div>
      <div className="rule-facts">{x.off ? <span className="quiet">{t('rules.is-off')}</span> : children}</div>
    </li>
  )
}

/** The arrivals of a rule by hour, the last 24 hours. */
function HitBars({ h, top }: { h: RuleHits | undefined; top: number }) {
  const hours = h?.hours ?? []
  return (
    <svg className="hit-bars" viewBox="0 0 72 16" aria-hidden="true">
      {Array.from({ length: 24 }, (_, i) => {
        const n = hours[i] ?? 0
        const height = n === 0 ? 1 : Math.max(2, (n / top) * 16)
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: an hour is its place
          <rect key={i} x={i * 3} y={16 - height} width="2" height={height} className={n === 0 ? 'none' : undefined} />
        )
      })}
    </svg>
  )
}
