import { mask, masked } from './mask'

/** Foreign text: hidden and direction-changing characters are shown by name, and it cannot disturb what stands beside it. */
export function Foreign({ text, className }: { text: string; className?: string | undefined }) {
  if (!masked(text)) return <bdi className={className}>{text}</bdi>
  return (
    <bdi className={className}>
      {mask(text).map((part, i) =>
        part.name ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: the parts of one text have no other identity
          <span key={i} className="hidden-char" title={part.name}>
            {part.name}
          </span>
        ) : (
          part.text
        ),
      )}
    </bdi>
  )
}
