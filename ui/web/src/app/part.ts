import { type ComponentType, lazy } from 'react'
import { insist } from '../parts/insist'

/** A component that is loaded when it is first shown, as soon as the console answers. */
// biome-ignore lint/suspicious/noExplicitAny: as React's own lazy
export const part = <C extends ComponentType<any>>(load: () => Promise<{ default: C }>) => lazy(() => insist(load))
