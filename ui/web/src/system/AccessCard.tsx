import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { KnownToken, OpenSession } from '../api/access'
import { get, write } from '../api/client'
import { client } from '../api/queries'
import { t } from '../i18n/i18n'
import { plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { Table } from '../parts/Table'
import { Foreign } from '../parts/Text'
import { Time } from '../parts/Time'
import { Wait } from '../parts/Wait'

const list = async <T,>(path: string, signal: AbortSignal): Promise<T[]> =>
  (await get<{ items: T[] | null }>(path, signal)).items ?? []

/** Who is logged in and by which tokens one gets in: what only admins see. */
export function AccessCard() {
  const sessions = useQuery({
    queryKey: ['sessions'],
    queryFn: ({ signal }) => list<OpenSession>('/sessions', signal),
    refetchInterval: 15_000,
  })
  const tokens = useQuery({
    queryKey: ['tokens'],
    queryFn: ({ signal }) => list<KnownToken>('/tokens', signal),
    refetchInterval: 15_000,
  })
  const [ending, setEnding] = useState('')
  const [problem, setProblem] = useState<unknown>()
  const end = async (s: OpenSession) => {
    setEnding(s.id)
    setProblem(undefined)
    try {
      await write('POST', `/sessions/${encodeURIComponent(s.id)}/end`)
    } catch (e) {
      setProblem(e)
    }
    setEnding('')
    await client.invalidateQueries({ queryKey: ['sessions'] })
  }
  const error = sessions.error ?? tokens.error
  return (
    <section className="card wide" aria-label={t('access')}>
      <h2>{t('access')}</h2>
      {error && <ProblemBox error={error} again={() => Promise.all([sessions.refetch(), tokens.refetch()])} />}
      {problem !== undefined && <ProblemBox error={problem} />}
      <h3>{t('access.sessions')}</h3>
      <p className="quiet small">{t('access.sessions.text')}</p>
      {!sessions.data ? (
        <Wait lines={2} />
      ) : sessions.data.length === 0 ? (
        <p className="quiet">{t('access.sessions.none')}</p>
      ) : (
        <Table
          head={[
            t('access.who'),
            [t('access.from'), 'wide-only'],
            [t('access.since'), 'wide-only'],
            t('access.used'),
            t('access.ends'),
            '',
          ]}
          small
        >
          {sessions.data.map(s => (
            <tr key={s.id}>
              <th scope="row">
                <Foreign text={s.actor} /> <span className="quiet">{s.role}</span>{' '}
                {s.own && <span className="chip grey">{t('access.own')}</span>}
              </th>
              <td className="mono wide-only">{plain(s.address)}</td>
              <td className="num wide-only">
                <Time at={s.since} />
              </td>
              <td className="num">
                <Time at={s.used_at} />
              </td>
              <td className="num">
                <Time at={s.ends_at} form="moment" />
              </td>
              <td className="right">
                <button type="button" className="button small" disabled={ending !== ''} onClick={() => end(s)}>
                  {t('access.end')}
                </button>
              </td>
            </tr>
          ))}
        </Table>
      )}
      <h3>{t('access.tokens')}</h3>
      <p className="quiet small">{t('access.tokens.text')}</p>
      {!tokens.data ? (
        <Wait lines={2} />
      ) : (
        <Table
          head={[
            t('access.who'),
            t('access.groups'),
            t('access.expires'),
            [t('access.last'), 'wide-only'],
            [t('access.from'), 'wide-only'],
          ]}
          small
        >
          {tokens.data.map((k, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a name may have several tokens, and nothing else tells them apart
            <tr key={i}>
              <th scope="row">
                <Foreign text={k.actor} /> <span className="quiet">{k.role}</span>
              </th>
              <td className="mono">
                {(k.consumer_groups ?? []).map(g => (
                  <div key={g}>
                    <Foreign text={g} />
                  </div>
                ))}
                {k.role === 'reporter' && (k.consumer_groups ?? []).length === 0 && (
                  <span className="amber">{t('access.unbound')}</span>
                )}
              </td>
              <td className="num">{k.expires_at ? <Time at={k.expires_at} form="moment" /> : t('access.never')}</td>
              <td className="num wide-only">{k.used_at ? <Time at={k.used_at} /> : '–'}</td>
              <td className="mono wide-only">{k.address ? plain(k.address) : '–'}</td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  )
}
