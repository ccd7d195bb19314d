import { codeWords, t } from '../i18n/i18n'
import { Icon } from '../parts/Icon'
import { plain } from '../parts/mask'
import type { Mistake } from './mistakes'

const nameWords = (name: string) => codeWords('filter', name) ?? name

/** What is wrong, with the values that exist. */
function sentence(m: Mistake): string {
  const value = plain(m.value, 60)
  if (m.kind === 'name') return t('mistake.name', { name: plain(m.name, 60) })
  if (m.kind !== 'value') return t(`mistake.${m.kind}`, { value })
  return t('mistake.value', { value, field: nameWords(m.name), list: m.known?.join(', ') ?? '' })
}

/** Stands in place of the list when the address or the search cannot be understood: nothing is guessed. */
export function Mistakes({ list, onGo }: { list: readonly Mistake[]; onGo: (search: string) => void }) {
  return (
    <div className="problem" role="alert">
      <Icon name="alert" />
      <div>
        <strong>{t('mistake.title')}</strong>
        <ul className="plain">
          {list.map(m => (
            <li key={`${m.name} ${m.value}`}>
              <p>{sentence(m)}</p>
              <div className="buttons">
                {m.near && m.fixed !== undefined && (
                  <button type="button" className="button small" onClick={() => onGo(m.fixed ?? '')}>
                    {t('mistake.near', { near: m.near })}
                  </button>
                )}
                {m.asText !== undefined && (
                  <button type="button" className="button small" onClick={() => onGo(m.asText ?? '')}>
                    {t('mistake.text')}
                  </button>
                )}
                <button type="button" className="button small" onClick={() => onGo(m.without)}>
                  {t('mistake.without')}
                </button>
              </div>
            </li>
          ))}
        </ul>
      </div>
    </div>
  )
}
