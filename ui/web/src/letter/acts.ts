import { asProblem, write } from '../api/client'
import { landed } from '../api/queries'
import type { Letter, State } from '../api/types'

export type Act =
  | 'discard'
  | 'restore'
  | 'resolve'
  | 'take'
  | 'release'
  | 'snooze'
  | 'notes'
  | 'cancel'
  | 'route'
  | 'unquarantine'
/** What leads to a replay, or stands for one. */
export type Way = 'replay' | 'edit' | 'probe'

// From which states an act may start; the twin of dlq.MayStart in Go. Acts that are not here may always start.
const from: Partial<Record<Act | Way, readonly State[]>> = {
  replay: ['open', 'snoozed', 'scheduled'],
  edit: ['open', 'snoozed', 'scheduled'],
  probe: ['open', 'snoozed', 'scheduled'],
  discard: ['open', 'snoozed', 'scheduled'],
  resolve: ['open', 'snoozed', 'scheduled'],
  restore: ['resolved', 'discarded'],
  snooze: ['open'],
  cancel: ['scheduled', 'compensating'],
  route: ['open'],
}

export function mayStart(act: Act | Way, state: State): boolean {
  return from[act]?.includes(state) ?? true
}

/** Does one act to one letter and shows the letter as it is then. A conflict shows the present letter too. */
export async function doAct(act: Act, letter: Letter, extra: Record<string, unknown> = {}): Promise<Letter> {
  try {
    const after = await write<Letter>('POST', `/letters/${letter.id}/${act}`, { version: letter.version, ...extra })
    landed(after)
    return after
  } catch (e) {
    const problem = asProblem(e)
    if (problem.body.letter) landed(problem.body.letter)
    throw problem
  }
}
