import { Component, type ReactNode } from 'react'
import { t } from '../i18n/i18n'
import { isGone } from '../parts/insist'
import { plain } from '../parts/mask'

interface Props {
  /** Another place of the page: what broke in the last one is over. */
  place: string
  children: ReactNode
}

interface State {
  error?: unknown
  place: string
}

/** Keeps the rest of the page when a view breaks, and tells a tab from before an upgrade to load itself anew. */
export class Boundary extends Component<Props, State> {
  override state: State = { place: this.props.place }

  static getDerivedStateFromError(error: unknown): Partial<State> {
    return { error }
  }
  static getDerivedStateFromProps(props: Props, state: State): State | null {
    return props.place === state.place ? null : { place: props.place, error: undefined }
  }

  override render(): ReactNode {
    const { error } = this.state
    if (error === undefined) return this.props.children
    const what = error instanceof Error ? error.message : String(error)
    return (
      <div className="problem broken" role="alert">
        <div>
          <strong>{t(isGone(error) ? 'broken.upgrade' : 'broken')}</strong>
          {!isGone(error) && <p className="quiet">{plain(what)}</p>}
          <button type="button" className="button small" onClick={() => location.reload()}>
            {t('broken.reload')}
          </button>
        </div>
      </div>
    )
  }
}
