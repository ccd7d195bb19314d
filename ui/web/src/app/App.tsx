import { Suspense, useEffect, useState } from 'react'
import { Redirect, Route, Switch, useLocation } from 'wouter'
import { asProblem, type Problem, unauthorized, writes } from '../api/client'
import { client, live, useSession } from '../api/queries'
import { code, currentLang, t, useLang, withWords } from '../i18n/i18n'
import { plain } from '../parts/mask'
import { Wait } from '../parts/Wait'
import { Boundary } from './Boundary'
import { Frame } from './Frame'
import { part } from './part'

const Login = part(() => withWords(['dialogs'], import('./Login')))
const Letters = part(() => import('../letters/LettersView'))
const Overview = part(() => withWords(['overview'], import('../overview/OverviewView')))
const Operations = part(() =>
  withWords(['operations', 'codes', 'dialogs', 'edit', 'letter'], import('../operations/OperationsView')),
)
const Rules = part(() => withWords(['rules', 'alerts', 'dialogs', 'letter'], import('../rules/RulesView')))
const Alerts = part(() => withWords(['alerts', 'dialogs', 'letter'], import('../alerts/AlertsView')))
const Groups = part(() => withWords(['places', 'codes', 'dialogs', 'letter'], import('../groups/GroupsView')))
const System = part(() => withWords(['places', 'dialogs'], import('../system/SystemView')))
const NotFound = part(() => withWords(['dialogs'], import('./NotFound')))

export function App() {
  useLang()
  const session = useSession()
  const [out, setOut] = useState(false)
  const login =
    out || session.data?.login === 'required' || (session.error && asProblem(session.error).code === 'unauthorized')
  const inside = !login && session.data !== undefined

  useEffect(() => {
    const leave = () => setOut(true)
    unauthorized.addEventListener('unauthorized', leave)
    return () => unauthorized.removeEventListener('unauthorized', leave)
  }, [])
  const actor = session.data?.actor
  useEffect(() => {
    if (inside && actor !== undefined) writes.resume(actor)
  }, [inside, actor])
  useEffect(() => {
    if (!inside) return
    live.start()
    // Browsers hold few connections to one address: a tab that nobody looks at gives its own back after a while.
    let timer = 0
    const look = () => {
      clearTimeout(timer)
      if (document.hidden) timer = window.setTimeout(() => live.stop(), 60_000)
      else live.start()
    }
    document.addEventListener('visibilitychange', look)
    return () => {
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', look)
      live.stop()
    }
  }, [inside])

  if (login)
    return (
      <Suspense fallback={null}>
        <Login
          onDone={() => {
            setOut(false)
            client.resetQueries()
          }}
        />
      </Suspense>
    )
  if (session.error)
    return (
      <main className="alone">
        <Failed problem={asProblem(session.error)} again={() => session.refetch()} />
      </main>
    )
  if (!session.data) return <Wait />
  return (
    <Frame>
      <Views />
    </Frame>
  )
}

function Views() {
  const [place] = useLocation()
  return (
    <Boundary place={place}>
      <Suspense fallback={<Wait lines={6} />}>
        <Switch>
          <Route path="/">
            <Overview />
          </Route>
          <Route path="/letters/:id?">{params => <Letters whole={params.id} />}</Route>
          <Route path="/operations/:id?">{params => <Operations id={params.id} />}</Route>
          <Route path="/rules">
            <Rules />
          </Route>
          <Route path="/alerts/:part?/:id?">
            <Alerts />
          </Route>
          <Route path="/consumer-groups">
            <Groups />
          </Route>
          <Route path="/system">
            <System />
          </Route>
          <Route path="/overview">
            <Redirect to="/" replace />
          </Route>
          <Route>
            <NotFound />
          </Route>
        </Switch>
      </Suspense>
    </Boundary>
  )
}

/** Said without anything that would have to be loaded first: the console may not answer at all. */
function Failed({ problem, again }: { problem: Problem; again: () => void }) {
  return (
    <div className="problem" role="alert">
      <div>
        <strong>{code('problem', problem.code)}</strong>
        {problem.body.detail && currentLang() === 'en' && <p>{plain(problem.body.detail, 600)}</p>}
        <button type="button" className="button small" onClick={again}>
          {t('again')}
        </button>
      </div>
    </div>
  )
}
