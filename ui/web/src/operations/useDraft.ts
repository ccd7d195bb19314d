import { useEffect, useLayoutEffect, useRef, useState } from 'react'
import { asProblem, type Problem } from '../api/client'
import { client } from '../api/queries'
import { change, refresh } from './api'
import { specGap } from './spec'
import type { Operation, Spec } from './types'

// Changes are counted anew once nothing was touched for so many milliseconds.
const calm = 450

/** A draft and what a person makes of it: every change is saved and counted anew, so that the preview is of what will be. */
export function useDraft(o: Operation, note: string) {
  const [spec, setSpec] = useState(o.spec)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const [refused, setRefused] = useState(false)
  const latest = useRef(o)
  if (o.version >= latest.current.version) latest.current = o
  // The spec that the saved draft stands for, as it was asked for: the API may write it in another way.
  const saved = useRef(spec)
  const seen = useRef(o.version)
  const gap = specGap(spec)
  const dirty = spec !== saved.current

  const run = async (ask: (o: Operation) => Promise<Operation>) => {
    setBusy(true)
    try {
      const after = await ask(latest.current)
      latest.current = after
      seen.current = after.version
      setProblem(undefined)
      return true
    } catch (e) {
      const p = asProblem(e)
      setProblem(p)
      if (p.code === 'conflict') client.invalidateQueries({ queryKey: ['operation'] })
      return false
    } finally {
      setBusy(false)
    }
  }

  // biome-ignore lint/correctness/useExhaustiveDependencies: a change of the spec starts it, and the end of a save
  useEffect(() => {
    if (!dirty || gap || busy) return
    const timer = window.setTimeout(async () => {
      const asked = spec
      // What was refused is not asked for again until it is changed.
      saved.current = asked
      setRefused(!(await run(d => change(d, asked, note.trim()))))
    }, calm)
    return () => clearTimeout(timer)
  }, [spec, busy])

  // Somebody else changed the draft: their way of acting is shown, unless this person is changing it too.
  useLayoutEffect(() => {
    if (o.version <= seen.current || dirty || busy) return
    seen.current = o.version
    saved.current = o.spec
    setSpec(o.spec)
    setRefused(false)
  }, [o, dirty, busy])

  return {
    spec,
    setSpec: (s: Spec) => {
      setProblem(undefined)
      setSpec(s)
    },
    gap,
    problem,
    /** The preview is not that of the spec as it stands here; the answer to a save is shown a moment after it came. */
    stale: dirty || busy || refused || o.version < seen.current,
    recount: (add: boolean) => run(d => refresh(d, add)),
    /** Keeps the note with the draft, for whoever goes on with it. */
    keepNote: async () => note.trim() === latest.current.note || run(d => change(d, saved.current, note.trim())),
    run,
  }
}
