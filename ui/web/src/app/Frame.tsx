import { type ReactNode, Suspense, useEffect, useState } from 'react'
import { Link, useLocation } from 'wouter'
import { writeSession } from '../api/client'
import { client, useFacets, useRights, useSession, useStatus } from '../api/queries'
import type { Status } from '../api/types'
import { count } from '../i18n/format'
import { code, t, withWords } from '../i18n/i18n'
import { SearchBar } from '../letters/SearchBar'
import { useActive } from '../operations/active'
import { Icon, type IconName } from '../parts/Icon'
import { Foreign } from '../parts/Text'
import { useKeys } from './keys'
import { LiveDot } from './LiveDot'
import { part } from './part'
import { LangSwitch, Logo, StopButton, ThemeSwitch } from './Switches'

const Strips = part(() => import('./Strips'))
const UndoBar = part(() => import('../replays/UndoBar'))
const Help = part(() => withWords(['dialogs'], import('./Help')))

interface Place {
  path: string
  name: 'nav.overview' | 'nav.letters' | 'nav.operations' | 'nav.rules' | 'nav.alerts' | 'nav.groups' | 'nav.system'
  icon: IconName
  key: string
}

// Views appear here when they exist.
const places: readonly Place[] = [
  { path: '/', name: 'nav.overview', icon: 'overview', key: 'g h' },
  { path: '/letters', name: 'nav.letters', icon: 'letters', key: 'g l' },
  { path: '/operations', name: 'nav.operations', icon: 'operations', key: 'g o' },
  { path: '/rules', name: 'nav.rules', icon: 'rules', key: 'g r' },
  { path: '/alerts', name: 'nav.alerts', icon: 'bell', key: 'g a' },
  { path: '/consumer-groups', name: 'nav.groups', icon: 'groups', key: 'g c' },
  { path: '/system', name: 'nav.system', icon: 'system', key: 'g s' },
]

export function Frame({ children }: { children: ReactNode }) {
  const [path, go] = useLocation()
  const [help, setHelp] = useState(false)
  const session = useSession().data
  const status = useStatus().data
  const open = useFacets('tab=attention').data?.tabs.attention
  const rights = useRights()

  useKeys({
    ...Object.fromEntries(places.map(p => [p.key, () => go(p.path)])),
    '?': () => setHelp(true),
    '/': () => document.getElementById('search')?.focus(),
  })

  const here = (p: Place) => (p.path === '/' ? path === '/' : path.startsWith(p.path))
  const place = places.find(here)
  const name = place ? `${t(place.name)} · ${t('app')}` : t('app')
  useEffect(() => {
    document.title = name
  }, [name])
  const logout = async () => {
    await writeSession('DELETE').catch(() => undefined)
    client.resetQueries()
  }

  return (
    <div className="frame">
      <a className="skip" href="#main">
        {t('skip')}
      </a>
      <nav className="nav" aria-label={t('nav')}>
        <Link href="/" className="brand" title={t('app')}>
          <Logo /> <span className="nav-word">{t('app.short')}</span>
          <span className="off-screen">{t('app')}</span>
        </Link>
        <ul>
          {places.map(p => (
            <li key={p.path}>
              <Link href={p.path} aria-current={here(p) ? 'page' : undefined} title={`${t(p.name)} (${p.key})`}>
                <Icon name={p.icon} />
                <span className="nav-word">{t(p.name)}</span>
                {p.path === '/letters' && !!open && (
                  <span className="nav-count num" title={t('nav.open', { n: open })}>
                    {count(open)}
                  </span>
                )}
                {p.path === '/operations' && <Acting />}
                {p.path === '/alerts' && <Alarm alerts={status?.alerts} />}
                {p.path === '/rules' && status?.rules.refused && (
                  <span className="nav-mark" role="img" aria-label={t('strip.rules')} title={t('strip.rules')} />
                )}
              </Link>
            </li>
          ))}
        </ul>
        <div className="nav-foot">
          {session && (
            <div className="who" title={code('role', session.role)}>
              <Icon name="person" size={14} />
              <span className="nav-word">
                <Foreign text={session.actor} />
                {!rights.act && <small> · {code('role', session.role)}</small>}
              </span>
              {session.login === 'done' && (
                <button
                  type="button"
                  className="icon-button tiny"
                  aria-label={t('logout')}
                  title={t('logout')}
                  onClick={logout}
                >
                  <Icon name="out" size={14} />
                </button>
              )}
            </div>
          )}
          <div className="switches">
            <LangSwitch />
            <ThemeSwitch />
            <button
              type="button"
              className="icon-button"
              aria-label={t('help')}
              title={`${t('help')} (?)`}
              onClick={() => setHelp(true)}
            >
              <Icon name="keyboard" />
            </button>
          </div>
        </div>
      </nav>
      <div className="right">
        <Suspense fallback={null}>
          <Strips />
        </Suspense>
        <header className="top">
          <SearchBar />
          <LiveDot />
          <StopButton />
        </header>
        <main id="main" tabIndex={-1}>
          {children}
        </main>
      </div>
      <Suspense fallback={null}>
        <UndoBar />
      </Suspense>
      {help && (
        <Suspense fallback={null}>
          <Help onClose={() => setHelp(false)} />
        </Suspense>
      )}
    </div>
  )
}

/** How many operations act; marked when one of them waits for a person. */
function Acting() {
  const a = useActive()
  if (!a?.n) return null
  const words = a.paused > 0 ? t('nav.paused', { n: a.paused }) : t('nav.acting', { n: a.n })
  return (
    <span className={`num ${a.paused > 0 ? 'nav-alarm' : 'nav-count'}`} title={words}>
      {count(a.paused || a.n)}
    </span>
  )
}

/** How many alerts fire that nobody has silenced. */
function Alarm({ alerts }: { alerts: Status['alerts'] | undefined }) {
  const n = alerts ? alerts.firing - alerts.silenced : 0
  if (!alerts || n <= 0) return null
  return (
    <span className={`nav-alarm num${alerts.critical > 0 ? ' critical' : ''}`} title={t('nav.firing', { n })}>
      {count(n)}
    </span>
  )
}
