import { memo } from 'react'
import { Link } from 'wouter'
import { type Letter, type ListTab, tabOf, titleOf } from '../api/types'
import { code, t } from '../i18n/i18n'
import { plain } from '../parts/mask'
import { Foreign, Name } from '../parts/Text'
import { Time } from '../parts/Time'
import { EarlierMark, FlagChip, initials, Origin, Reason, RouteMark, SeverityMark, StateChip } from './words'

interface Props {
  letter: Letter
  tab: ListTab
  href: string
  current: boolean
  selected: boolean
  onPick: (letter: Letter) => void
  onSelect: (letter: Letter, range: boolean) => void
}

/** One letter in the list: a line of facts, a line of reason. In narrow lists the cells form three lines by style alone. */
export const Row = memo(function Row({ letter: l, tab, href, current, selected, onPick, onSelect }: Props) {
  const title = titleOf(l)
  const left = tab !== 'all' && tabOf(l.state) !== tab
  const failedAgain = l.flags?.includes('failed_again')
  return (
    <tr
      id={`row-${l.id}`}
      className={`row${current ? ' current' : ''}${selected ? ' selected' : ''}${left ? ' left' : ''}`}
      aria-current={current ? 'true' : undefined}
      onClick={e => {
        // Marking text with the mouse is not a click on the row.
        if (e.target instanceof Element && e.target.closest('a, button, input, label')) return
        if (!window.getSelection()?.isCollapsed) return
        onPick(l)
      }}
    >
      <td className="c-select">
        <label>
          <input
            type="checkbox"
            checked={selected}
            aria-label={t('row.select', { title: plain(title, 80) })}
            onChange={() => undefined}
            onClick={e => onSelect(l, e.shiftKey)}
          />
        </label>
      </td>
      <td className="c-main">
        <div className="line one">
          {l.severity !== 'normal' && <SeverityMark severity={l.severity} />}
          <Reason reason={l.reason} className="reason" />
          <Origin letter={l} />
          <EarlierMark letter={l} />
          <Link href={href} className="title mono" title={plain(title)}>
            <Name text={title} />
          </Link>
          <span className="marks">
            {(left || tab === 'all' || tab === 'in_flight' || tab === 'resolved') && (
              <StateChip letter={l} short={!left} />
            )}
            {l.flags
              ?.filter(f => f !== 'failed_again')
              .map(f => (
                <FlagChip key={f} flag={f} />
              ))}
            {(l.deaths > 1 || failedAgain) && (
              <span className={failedAgain ? 'chip red num' : 'num deaths'} title={t('deaths', { n: l.deaths })}>
                ×{l.deaths}
                {failedAgain && <span className="chip-words"> {code('flag', 'failed_again')}</span>}
              </span>
            )}
          </span>
        </div>
        <div className="line two">
          {l.reason_text && (
            <span className="text" title={plain(l.reason_text, 1000)}>
              <Foreign text={l.reason_text.slice(0, 240)} />
            </span>
          )}
        </div>
      </td>
      <td className="c-where">
        <Name text={l.consumer_group} />
        {l.topic ? <Name text={l.topic} className="quiet" /> : <span className="quiet">{t('topic.unknown')}</span>}
      </td>
      <td className="c-marks">
        <RouteMark route={l.route} />
        {l.owner && (
          <span className="owner" title={t('owner', { name: plain(l.owner) })}>
            {plain(initials(l.owner))}
          </span>
        )}
      </td>
      <td className="c-age num">
        <Time at={l.died_at} form="age" />
      </td>
    </tr>
  )
})
