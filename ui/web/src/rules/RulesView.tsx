import { useEffect, useMemo, useRef, useState } from 'react'
import { Link, useSearch } from 'wouter'
import { useRules } from '../api/queries'
import type { Diagnostic, RuleHits, RulesInForce } from '../api/types'
import { useKeys } from '../app/keys'
import { count } from '../i18n/format'
import { currentLang, t, tx } from '../i18n/i18n'
import { RouteMark } from '../letters/words'
import { Copy } from '../parts/Copy'
import { Icon, type IconName } from '../parts/Icon'
import { plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'
import '../style/rules.css'
import '../style/view.css'
import { tokens } from './yaml'

/** The rules in force with what each of them catches, and the file with what is wrong in it. */
export default function RulesView() {
  const query = useRules()
  if (query.error && !query.data)
    return (
      <div className="view">
        <ProblemBox error={query.error} again={() => query.refetch()} />
      </div>
    )
  if (!query.data)
    return (
      <div className="view">
        <Wait lines={12} />
      </div>
    )
  return <Rules r={query.data} />
}

const iconOf: Record<Diagnostic['severity'], IconName> = { error: 'alert', warning: 'alert', hint: 'info' }

function Rules({ r }: { r: RulesInForce }) {
  const params = new URLSearchParams(useSearch())
  const wanted = params.get('rule')
  const rules = r.rules ?? []
  const line = Number(params.get('line')) || rules.find(x => x.name === wanted)?.line || 0
  const [shown, setShown] = useState<'refused' | 'force'>(r.refused && !line ? 'refused' : 'force')
  const refused = shown === 'refused' && r.refused
  const text = refused ? refused.text : (r.version.text ?? '')
  const found = (refused ? refused.diagnostics : r.diagnostics) ?? []
  const [mark, setMark] = useState(line)
  useEffect(() => {
    if (line) setMark(line)
  }, [line])
  const hits = new Map((r.hits ?? []).map(h => [h.rule, h]))
  // One scale for all rules, so that the bars can be compared.
  const top = Math.max(1, ...(r.hits ?? []).flatMap(h => h.hours ?? []))

  const next = (by: number) => {
    const lines = [...new Set(found.map(d => d.line))].sort((a, b) => a - b)
    if (lines.length === 0) return
    const at = lines.indexOf(mark)
    setMark(lines[(at + by + lines.length) % lines.length] ?? 0)
  }
  useKeys({ F8: () => next(1) })
  return (
    <div className="view rules">
      <header className="view-head">
        <h1>{t('nav.rules')}</h1>
        <p className="quiet">
          {r.version.version > 0
            ? tx('rules.version', {
                n: r.version.version,
                at: <Time at={r.version.at} form="moment" />,
                who: <Foreign text={r.version.author} />,
              })
            : t('rules.none')}{' '}
          · <code>{plain(r.path)}</code>
        </p>
      </header>
      {r.refused && (
        <div className="problem" role="alert">
          <Icon name="alert" />
          <div>
            <strong>{t('rules.refused')}</strong>
            <p>
              {tx('rules.refused.text', { at: <Time at={r.refused.at} form="moment" />, version: r.version.version })}
            </p>
            <fieldset className="switch words">
              <legend className="off-screen">{t('rules.which')}</legend>
              {(['refused', 'force'] as const).map(s => (
                <button key={s} type="button" aria-pressed={shown === s} onClick={() => setShown(s)}>
                  {t(`rules.${s}.show`)}
                </button>
              ))}
            </fieldset>
          </div>
        </div>
      )}
      <div className="rules-grid">
        <section aria-label={t('rules.list')} className="rules-list">
          <ol>
            {rules.map((x, i) => {
              const h = hits.get(x.name)
              const bad = found.filter(d => d.rule === x.name)
              return (
                <li key={`${x.line} ${x.name}`} className={mark === x.line ? 'current' : undefined}>
                  <button
                    type="button"
                    className="rule-name"
                    onClick={() => {
                      setShown('force')
                      setMark(x.line)
                    }}
                  >
                    <span className="num quiet">{i + 1}</span>
                    <span className="grow">
                      <Foreign text={x.name} />
                      {bad.length > 0 && <Icon name="alert" size={12} className="amber" />}
                    </span>
                  </button>
                  <div className="rule-facts">
                    <RouteMark route={x.route} words />
                    <HitBars h={h} top={top} />
                    <Link
                      href={`/letters?rule=${encodeURIComponent(x.name)}`}
                      className="num"
                      title={t('rules.hits.title')}
                    >
                      {t('rules.hits', { n: h?.day ?? 0, total: count(h?.total ?? 0) })}
                    </Link>
                  </div>
                </li>
              )
            })}
          </ol>
          {rules.length === 0 && <p className="quiet">{t('rules.none.text')}</p>}
        </section>
        <section aria-label={t('rules.file')} className="rules-file">
          <div className="rules-file-head">
            <span className="grow">
              {found.length === 0 ? (
                <span className="good">
                  <Icon name="check" size={14} /> {t('rules.clean')}
                </span>
              ) : (
                <button type="button" className="link" title="F8" onClick={() => next(1)}>
                  {t('rules.found', { n: found.length })} <kbd>F8</kbd>
                </button>
              )}
            </span>
            <Copy value={text} label={t('copy')} />
          </div>
          <File text={text} found={found} mark={mark} />
        </section>
      </div>
    </div>
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

/** The text, line by line, with what was found under each line. */
function File({ text, found, mark }: { text: string; found: readonly Diagnostic[]; mark: number }) {
  const lines = useMemo(() => text.replace(/\n$/, '').split('\n'), [text])
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (mark > 0) box.current?.querySelector(`[data-line="${mark}"]`)?.scrollIntoView({ block: 'center' })
  }, [mark])
  const byLine = useMemo(() => {
    const map = new Map<number, Diagnostic[]>()
    for (const d of found) map.set(d.line, [...(map.get(d.line) ?? []), d])
    return map
  }, [found])
  if (text === '') return <p className="quiet">{t('rules.none.text')}</p>
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <div className="file mono" ref={box} tabIndex={0}>
      {lines.map((l, i) => {
        const n = i + 1
        const here = byLine.get(n)
        const worst = here?.find(d => d.severity === 'error') ?? here?.find(d => d.severity === 'warning') ?? here?.[0]
        return (
          <div
            key={n}
            data-line={n}
            className={`file-line${mark === n ? ' current' : ''}${worst ? ` ${worst.severity}` : ''}`}
          >
            <span className="line-number" aria-hidden="true">
              {n}
            </span>
            <span className="line-text">
              {tokens(l).map((token, j) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: tokens of a line that never changes
                <span key={j} className={token.kind}>
                  <Foreign text={token.text} />
                </span>
              ))}
            </span>
            {here?.map(d => (
              <div key={`${d.code} ${d.column}`} className={`diagnostic ${d.severity}`}>
                <Icon name={iconOf[d.severity]} size={14} />
                <span>
                  <span className="off-screen">{t(`diagnostic.${d.severity}`)}: </span>
                  {plain(currentLang() === 'zh' ? d.message.zh : d.message.en, 600)}
                  {d.suggestion && (
                    <>
                      {' '}
                      {t('diagnostic.instead')} <code>{plain(d.suggestion, 200)}</code>
                    </>
                  )}{' '}
                  <span className="quiet small">
                    {d.code} · {t('rules.place', { line: String(d.line), column: String(d.column) })}
                  </span>
                </span>
              </div>
            ))}
          </div>
        )
      })}
    </div>
  )
}
