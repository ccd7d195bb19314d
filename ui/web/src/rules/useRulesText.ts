import { useEffect, useRef, useState } from 'react'
import { ask, asProblem, type Problem, stream } from '../api/client'
import { lines } from './stream'
import type { AlertLine, Diagnostic, RuleLine } from './types'

/** What a text is found to be. */
export interface Checked {
  text: string
  etag: string
  diagnostics: Diagnostic[]
  rules: RuleLine[]
  alerts: AlertLine[]
  compensations: string[]
  receivers: string[]
}

/** Checks a text as one types: 200 ms after the last change. */
export function useCheck(
  text: string,
  enabled: boolean,
): { checked: Checked | undefined; problem: Problem | undefined } {
  const [checked, setChecked] = useState<Checked>()
  const [problem, setProblem] = useState<Problem>()
  useEffect(() => {
    if (!enabled) return
    const stop = new AbortController()
    const timer = setTimeout(async () => {
      try {
        setChecked({ ...(await ask<Omit<Checked, 'text'>>('/rules/check', { text }, stop.signal)), text })
        setProblem(undefined)
      } catch (e) {
        if (!stop.signal.aborted) setProblem(asProblem(e))
      }
    }, 200)
    return () => {
      clearTimeout(timer)
      stop.abort()
    }
  }, [text, enabled])
  return { checked, problem }
}

export interface Figures {
  version: number
  done: number
  total: number
  changed: number
  matrix: { now: string; then: string; count: number }[]
  rules: { name: string; now: number; then: number }[]
  finished: boolean
  problem?: { code: string; detail?: string }
}

/** What a text would change, line by line as it is found out. While a new text is looked at the old figures stay. */
export function useBacktest(text: string, version: number, enabled: boolean) {
  const [figures, setFigures] = useState<Figures & { text: string }>()
  const [problem, setProblem] = useState<Problem>()
  const last = useRef(figures)
  last.current = figures
  useEffect(() => {
    if (!enabled || (last.current?.text === text && last.current.version === version)) return
    const stop = new AbortController()
    const timer = setTimeout(async () => {
      try {
        for await (const line of lines(await stream('/rules/backtest', { text }, stop.signal))) {
          if (stop.signal.aborted) return
          const f = JSON.parse(line) as Figures
          if (f.problem) throw f.problem
          setFigures({ ...f, text })
        }
        setProblem(undefined)
      } catch (e) {
        if (!stop.signal.aborted) setProblem(asProblem(e))
      }
    }, 400)
    return () => {
      clearTimeout(timer)
      stop.abort()
    }
  }, [text, version, enabled])
  return { figures, problem, stale: figures !== undefined && figures.text !== text }
}
