import { Suspense, useEffect, useState } from 'react'
import { asProblem, type Problem, useUnanswered } from '../api/client'
import { useReplayOptions, useRights, useSession } from '../api/queries'
import { type Detail, titleOf } from '../api/types'
import { useKeys } from '../app/keys'
import { part } from '../app/part'
import { code, t } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { type Item, Menu } from '../parts/Menu'
import { plain } from '../parts/mask'
import { ProblemBox } from '../parts/Problem'
import { undo, usePending } from '../replays/undo'
import { ActDialog, type DialogAct } from './ActDialog'
import { type Act, doAct, mayStart, type Way } from './acts'
import { ReplayPanel } from './ReplayPanel'
import { buttonWords, hasEdits, risky } from './replayWords'

const EditSheet = part(() => import('./EditSheet'))
const ProbeDialog = part(() => import('./ProbeDialog'))

/** States that end by themselves: what cannot be done now may be soon. */
const moving: ReadonlySet<string> = new Set(['sending', 'awaiting', 'compensating'])

/** What can be done with one letter. What may not be done stays in sight and says why. */
export function Actions({ letter, quiet }: { letter: Detail; quiet: boolean }) {
  const rights = useRights()
  const me = useSession().data?.actor
  // The options are open, for the original or for one of its edits; without a number the panel chooses.
  const [panel, setPanel] = useState<{ edit?: number }>()
  const [sheet, setSheet] = useState<'edit' | 'probe'>()
  const [dialog, setDialog] = useState<DialogAct>()
  const [problem, setProblem] = useState<Problem>()
  const [menuSignal, setMenuSignal] = useState(0)
  const pending = usePending().find(p => p.letterID === letter.id && (p.state === 'waiting' || p.state === 'sending'))
  const asking = useUnanswered().some(u => u.write.key === pending?.key && u.state === 'asking')
  const failed = usePending().find(p => p.letterID === letter.id && p.state === 'failed')

  const replayable = mayStart('replay', letter.state)
  const options = useReplayOptions(letter.id, letter.version, replayable)
  const door = options.data?.doors?.find(d => d.door === options.data.default)

  const edited = hasEdits(letter)

  // biome-ignore lint/correctness/useExhaustiveDependencies: another state of the letter closes what was open for the last
  useEffect(() => setProblem(undefined), [letter.version])

  const why = (act: Act | Way): string | undefined =>
    !rights.act
      ? t('why.role')
      : !mayStart(act, letter.state)
        ? moving.has(letter.state)
          ? code('replay.why', `state_${letter.state}`)
          : t('why.state', { state: code('state', letter.state) })
        : pending
          ? t('why.pending')
          : undefined
  const run = async (act: Act) => {
    setProblem(undefined)
    try {
      await doAct(act, letter)
    } catch (e) {
      setProblem(asProblem(e))
    }
  }
  const open = (act: DialogAct) => () => {
    if (!why(act)) setDialog(act)
  }
  const replayWhy =
    why('replay') ??
    (options.data && !options.data.allowed
      ? code('replay.why', options.data.why ?? '', { group: letter.consumer_group })
      : options.isPending
        ? t('replay.asking')
        : options.error || options.data?.default === ''
          ? t('replay.no_door')
          : undefined)
  const replay = () => {
    if (replayWhy || !options.data || !door) {
      if (!why('replay')) setPanel({})
      return
    }
    if (risky(options.data, door) || edited) {
      setPanel({})
      return
    }
    undo.add(
      { id: letter.id, title: titleOf(letter), group: letter.consumer_group },
      {
        version: letter.version,
        door: door.door,
        ...(options.data.default_delay !== '0s' && door.delays && { delay: options.data.default_delay }),
      },
    )
  }
  const toggle = () => setPanel(p => (p ? undefined : {}))
  const mine = letter.owner !== undefined && letter.owner !== '' && letter.owner === me
  const take = () => run(letter.owner ? 'release' : 'take')
  useKeys({
    ...(quiet
      ? {}
      : {
          r: replay,
          R: () => !why('replay') && toggle(),
          d: open('discard'),
          e: () => !why('edit') && setSheet('edit'),
        }),
    t: () => !why('take') && take(),
    s: open('snooze'),
    n: open('notes'),
    u: () => pending && undo.cancel(pending.key),
    '.': () => setMenuSignal(n => n + 1),
  })

  const about = { group: plain(letter.consumer_group), topic: plain(letter.topic) }

  const items: (Item | 'line')[] = [
    { key: 'edit', label: t('act.edit'), icon: 'note', keys: 'e', why: why('edit'), run: () => setSheet('edit') },
    { key: 'probe', label: t('act.probe'), icon: 'probe', why: why('probe'), run: () => setSheet('probe') },
    'line',
    { key: 'snooze', label: t('act.snooze'), icon: 'clock', keys: 's', why: why('snooze'), run: open('snooze') },
    { key: 'notes', label: t('act.note'), icon: 'note', keys: 'n', why: why('notes'), run: open('notes') },
    { key: 'route', label: t('act.route'), icon: 'rules', why: why('route'), run: open('route') },
    'line',
    { key: 'resolve', label: t('act.resolve'), icon: 'check', why: why('resolve'), run: open('resolve') },
    { key: 'cancel', label: t('act.cancel'), icon: 'stop', why: why('cancel'), run: () => run('cancel') },
    ...(letter.flags?.includes('quarantined')
      ? [
          {
            key: 'unquarantine',
            label: t('act.unquarantine'),
            icon: 'restore' as const,
            why: why('unquarantine'),
            run: open('unquarantine'),
          },
        ]
      : []),
    { key: 'restore', label: t('act.restore'), icon: 'restore', why: why('restore'), run: () => run('restore') },
    'line',
    {
      key: 'discard',
      label: t('act.discard'),
      icon: 'trash',
      keys: 'd',
      danger: true,
      why: why('discard'),
      run: open('discard'),
    },
  ]
  const over = mayStart('restore', letter.state)
  const stoppable = mayStart('cancel', letter.state)
  return (
    <div className="actions-box">
      <div className="actions" role="toolbar" aria-label={t('actions')}>
        {over ? (
          // What went well is not undone by the button that is nearest; a discarded letter may come back.
          letter.state === 'discarded' && (
            <button
              type="button"
              className="button"
              disabled={!!why('restore')}
              title={why('restore')}
              onClick={() => run('restore')}
            >
              <Icon name="restore" /> {t('act.restore')}
            </button>
          )
        ) : pending ? (
          <span className="split">
            <button
              type="button"
              className="button"
              onClick={() => undo.cancel(pending.key)}
              disabled={pending.state === 'sending'}
            >
              <Icon name="restore" />{' '}
              {pending.state === 'waiting' ? t('undo.replay') : t(asking ? 'asking' : 'undo.sending')} <kbd>u</kbd>
            </button>
          </span>
        ) : (
          <span className="split">
            <button
              type="button"
              className="button primary"
              aria-disabled={!!replayWhy}
              title={replayWhy ?? `${t('act.replay')} (r)`}
              onClick={replay}
            >
              <Icon name="replay" />
              <span>{buttonWords(letter.consumer_group, options.data, door, edited)}</span>
            </button>
            <button
              type="button"
              className="button primary"
              aria-label={t('replay.options')}
              title={`${t('replay.options')} (⇧r)`}
              aria-expanded={!!panel}
              disabled={!!why('replay')}
              onClick={toggle}
            >
              <Icon name="down" />
            </button>
          </span>
        )}
        {stoppable && (
          <button
            type="button"
            className="button"
            disabled={!!why('cancel')}
            title={why('cancel')}
            onClick={() => run('cancel')}
          >
            <Icon name="stop" /> {t('act.cancel')}
          </button>
        )}
        <button
          type="button"
          className="button"
          disabled={!!why('take')}
          title={
            why('take') ??
            (mine || letter.owner ? t('act.release.title', { name: letter.owner ?? '' }) : `${t('act.take')} (t)`)
          }
          onClick={take}
        >
          <Icon name="person" /> {letter.owner ? t('act.release') : t('act.take')}
        </button>
        <Menu
          items={items}
          label={t('actions.more')}
          button={<Icon name="dots" />}
          className="button icon"
          openSignal={menuSignal}
        />
      </div>
      {replayWhy && !over && !pending && <p className="quiet small">{replayWhy}</p>}
      {letter.flags?.includes('quarantined') && !over && (
        <p className="note-amber">
          <Icon name="pause" size={14} /> {t('guard.quarantined')}{' '}
          {!why('unquarantine') && (
            <button type="button" className="link" onClick={open('unquarantine')}>
              {t('guard.quarantined.release')}
            </button>
          )}
        </p>
      )}
      {letter.hold === 'stale' && letter.state === 'open' && (
        <p className="note-amber">
          <Icon name="clock" size={14} /> {t('guard.stale')}
        </p>
      )}
      {problem && <ProblemBox error={problem} about={about} />}
      {failed && (
        <ProblemBox error={failed.problem} about={about}>
          <button type="button" className="link small" onClick={() => undo.dismiss(failed.key)}>
            {t('close')}
          </button>
        </ProblemBox>
      )}
      {panel && !over && !pending && !why('replay') && (
        <ReplayPanel
          key={panel.edit}
          letter={letter}
          query={options}
          {...(panel.edit !== undefined && { edit: panel.edit })}
          onEdit={() => setSheet('edit')}
          onClose={() => setPanel(undefined)}
        />
      )}
      {dialog && <ActDialog act={dialog} letter={letter} onClose={() => setDialog(undefined)} />}
      {sheet && (
        <Suspense fallback={null}>
          {sheet === 'edit' ? (
            <EditSheet
              letter={letter}
              onReplay={edit => {
                setSheet(undefined)
                setPanel({ edit })
              }}
              onClose={() => setSheet(undefined)}
            />
          ) : (
            <ProbeDialog letter={letter} onClose={() => setSheet(undefined)} />
          )}
        </Suspense>
      )}
    </div>
  )
}
