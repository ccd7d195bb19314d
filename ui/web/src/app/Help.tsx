import type { Key } from '../i18n/i18n'
import { t } from '../i18n/i18n'
import { Dialog } from '../parts/Dialog'
import '../style/help.css'

const groups: readonly [Key, readonly (readonly [string, Key])[]][] = [
  [
    'help.move',
    [
      ['j k', 'help.jk'],
      ['Enter', 'help.enter'],
      ['Esc', 'help.esc'],
      ['/', 'help.search'],
      ['1 … 5', 'help.tabs'],
    ],
  ],
  [
    'help.act',
    [
      ['r', 'act.replay'],
      ['R', 'help.options'],
      ['e', 'act.edit'],
      ['t', 'act.take'],
      ['s', 'act.snooze'],
      ['d', 'act.discard'],
      ['n', 'act.note'],
      ['u', 'help.undo'],
      ['.', 'help.dot'],
    ],
  ],
  [
    'help.select',
    [
      ['x', 'help.x'],
      ['⇧x', 'help.shiftx'],
    ],
  ],
  [
    'help.go',
    [
      ['g h', 'nav.overview'],
      ['g l', 'nav.letters'],
      ['g o', 'nav.operations'],
      ['g r', 'nav.rules'],
      ['g a', 'nav.alerts'],
      ['g c', 'nav.groups'],
      ['g s', 'nav.system'],
      ['F8', 'help.f8'],
      ['?', 'help'],
    ],
  ],
]

/** Every shortcut in one place. */
export default function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={t('help')} onClose={onClose} className="help">
      <div className="dialog-body help-grid">
        {groups.map(([title, keys]) => (
          <section key={title}>
            <h3>{t(title)}</h3>
            <dl>
              {keys.map(([k, words]) => (
                <div key={k}>
                  <dt>{k.split(' ').map(part => (part === '…' ? ' … ' : <kbd key={part}>{part}</kbd>))}</dt>
                  <dd>{t(words)}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  )
}
