import { useEffect } from 'react'
import { Link } from 'wouter'
import { useLetter } from '../api/queries'
import { type Detail, titleOf } from '../api/types'
import { t } from '../i18n/i18n'
import { type Show, shows } from '../letters/show'
import { StateChip } from '../letters/words'
import { Copy } from '../parts/Copy'
import { Icon } from '../parts/Icon'
import { middle, plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Foreign } from '../parts/Text'
import { Wait } from '../parts/Wait'
import '../style/letter.css'
import '../style/replay.css'
import { Actions } from './Actions'
import { Body } from './Body'
import { Head } from './Head'
import { Properties } from './Properties'
import { ReplayWay } from './ReplayWay'
import { Timeline } from './Timeline'
import { Why } from './Why'

interface Props {
  id: string
  whole: boolean
  /** The tab that is shown. */
  show: Show
  onShow: (tab: Show) => void
  wholeHref: string
  backHref: string
  onClose: () => void
  /** Letters are marked: the keys for replay and discard mean those. */
  quiet: boolean
}

/** One letter: what it is, why it died, what can be done, and everything known of it. */
export default function LetterPane({ id, whole, show, onShow, wholeHref, backHref, onClose, quiet }: Props) {
  const query = useLetter(id)
  const letter = query.data
  useEffect(() => {
    if (!whole || !letter) return
    const before = document.title
    document.title = `${plain(titleOf(letter), 60)} · ${t('app')}`
    return () => {
      document.title = before
    }
  }, [whole, letter])
  const Heading = whole ? 'h1' : 'h2'
  return (
    <section className="letter-pane" aria-label={t('letter')}>
      <header className="letter-bar">
        {whole && (
          <Link
            href={backHref}
            className="icon-button"
            aria-label={t('letter.back')}
            title={`${t('letter.back')} (Esc)`}
          >
            <Icon name="left" />
          </Link>
        )}
        <Heading className="letter-title mono">
          {letter && (
            <>
              {whole ? (
                <span title={plain(titleOf(letter))}>
                  <Foreign text={middle(titleOf(letter), 64)} />
                </span>
              ) : (
                <Link href={wholeHref} title={`${plain(titleOf(letter))} — ${t('letter.open')} (Enter)`}>
                  <Foreign text={middle(titleOf(letter), 40)} />
                </Link>
              )}
              <Copy value={titleOf(letter)} />
            </>
          )}
        </Heading>
        {letter && <StateChip letter={letter} />}
        <span className="grow" />
        <Copy
          value={() => `${location.origin}/letters/${id}${show === 'why' ? '' : `?show=${show}`}`}
          label={t('letter.link')}
        />
        {!whole && (
          <button
            type="button"
            className="icon-button"
            aria-label={t('letter.close')}
            title={`${t('letter.close')} (Esc)`}
            onClick={onClose}
          >
            <Icon name="close" />
          </button>
        )}
      </header>
      <div className="letter-scroll">
        {query.error && !letter ? (
          <ProblemBox error={query.error} again={() => query.refetch()} />
        ) : letter ? (
          <Content letter={letter} quiet={quiet} tab={show} onShow={onShow} />
        ) : (
          <Wait lines={8} />
        )}
      </div>
    </section>
  )
}

interface ContentProps {
  letter: Detail
  quiet: boolean
  tab: Show
  onShow: (tab: Show) => void
}

function Content({ letter, quiet, tab, onShow }: ContentProps) {
  return (
    <>
      <div className="letter-top">
        <Head letter={letter} />
        <Actions letter={letter} quiet={quiet} />
        <ReplayWay letter={letter} />
      </div>
      <div className="tabs" role="tablist" aria-label={t('letter.tabs')}>
        {shows.map(name => (
          <button
            key={name}
            type="button"
            role="tab"
            id={`letter-tab-${name}`}
            aria-selected={tab === name}
            aria-controls="letter-panel"
            tabIndex={tab === name ? 0 : -1}
            onClick={() => onShow(name)}
            onKeyDown={e => {
              const by = e.key === 'ArrowRight' ? 1 : e.key === 'ArrowLeft' ? -1 : 0
              const next = shows[(shows.indexOf(name) + by + shows.length) % shows.length]
              if (!by || !next) return
              e.preventDefault()
              onShow(next)
              document.getElementById(`letter-tab-${next}`)?.focus()
            }}
          >
            {t(`letter.${name}`)}
          </button>
        ))}
      </div>
      <div className="letter-panel" id="letter-panel" role="tabpanel" aria-labelledby={`letter-tab-${tab}`}>
        {tab === 'why' && <Why letter={letter} />}
        {tab === 'body' && <Body letter={letter} />}
        {tab === 'properties' && <Properties letter={letter} />}
        {tab === 'timeline' && <Timeline letter={letter} />}
      </div>
    </>
  )
}
