// The page's icons: one weight, 16 by 16, drawn with the text's colour.
const paths = {
  overview: 'M2.5 13.5h11M4 11V8M7 11V4.5M10 11V7M13 11V3',
  letters: 'M2 4h12v8.5H2zM2 4.5l6 4.5 6-4.5',
  operations: 'M2 5.5L8 2.5l6 3-6 3zM2 8.2l6 3 6-3M2 10.8l6 3 6-3',
  rules: 'M3 4h6M3 8h10M3 12h4M11.5 2.5v3M9.5 10.5v3',
  groups: 'M2.5 3h5v4h-5zM8.5 9h5v4h-5zM5 7v4h3.5M11 9V5H7.5',
  system: 'M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01',
  search: 'M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.5 10.5L14 14',
  close: 'M4 4l8 8M12 4l-8 8',
  down: 'M4 6l4 4 4-4',
  right: 'M6 4l4 4-4 4',
  left: 'M10 4L6 8l4 4',
  check: 'M3 8.5l3.5 3.5L13 4.5',
  copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
  replay: 'M6 2.5L2.5 6 6 9.5M2.5 6h7a4 4 0 0 1 0 8H6',
  person: 'M8 2.5a2.75 2.75 0 1 1 0 5.5 2.75 2.75 0 0 1 0-5.5zM2.5 14c.5-3 2.7-4.5 5.5-4.5s5 1.5 5.5 4.5',
  clock: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2zM8 4.5V8l2.5 1.5',
  note: 'M3 2.5h10v7l-4 4H3zM13 9.5H9v4M5.5 5.5h5M5.5 8h3',
  dots: 'M3.5 8h.01M8 8h.01M12.5 8h.01',
  alert: 'M8 2L1.5 13.5h13zM8 6.5V10M8 11.9h.01',
  info: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2zM8 7v4M8 5h.01',
  bolt: 'M9 1.5L3 9h4l-.5 5.5L13 7H8.5z',
  sun: 'M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM8 1.5V3M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M12.6 3.4l-1 1M4.4 11.6l-1 1',
  moon: 'M13 9.5A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5z',
  screen: 'M2 3h12v8H2zM6 13.5h4M8 11v2.5',
  filter: 'M2 3.5h12L9.5 8.5v4l-3 1.5V8.5z',
  trash: 'M2.5 4.5h11M6 4V2.5h4V4M4 4.5l.5 9h7l.5-9M6.7 7v4M9.3 7v4',
  restore: 'M3 3v4h4M3.4 7A5 5 0 1 1 3 9.5',
  loop: 'M13 6.5A5.2 5.2 0 0 0 3.5 5M3 9.5A5.2 5.2 0 0 0 12.5 11M3.5 2v3h3M12.5 14v-3h-3',
  scale: 'M8 2v11M4.5 13.5h7M3 4.5h10M3 4.5L1.2 9h3.6zM13 4.5L11.2 9h3.6z',
  tag: 'M2.5 2.5h5l6 6-5 5-6-6zM5 5h.01',
  braces:
    'M6 2.5c-2 0-1.5 1.5-1.5 3S3.5 8 2.5 8c1 0 2 1 2 2.5s-.5 3 1.5 3M10 2.5c2 0 1.5 1.5 1.5 3S12.5 8 13.5 8c-1 0-2 1-2 2.5s.5 3-1.5 3',
  report: 'M2.5 3h11v7.5H8L4.5 13.5v-3h-2z',
  probe: 'M8 3a5 5 0 1 1 0 10A5 5 0 0 1 8 3zM8 1v3M8 12v3M1 8h3M12 8h3',
  unknown: 'M5.5 5.5a2.5 2.5 0 1 1 3.5 2.3c-.7.4-1 .9-1 1.7M8 12.4h.01',
  keyboard: 'M1.5 4h13v8h-13zM4 6.5h.01M6.7 6.5h.01M9.3 6.5h.01M12 6.5h.01M5 9.5h6',
  link: 'M6.5 9.5l3-3M7 4.5l1.5-1.5a3 3 0 0 1 4.5 4.5L11.5 9M9 11.5L7.5 13A3 3 0 0 1 3 8.5L4.5 7',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  play: 'M5 3.5v9L12.5 8z',
  stop: 'M5.3 2h5.4L14 5.3v5.4L10.7 14H5.3L2 10.7V5.3z',
  wrench: 'M13.5 4.5l-2.3 2.3-2-2 2.3-2.3a3.5 3.5 0 0 0-4.6 4.4l-4.4 4.4 2.2 2.2 4.4-4.4a3.5 3.5 0 0 0 4.4-4.6z',
  bell: 'M4 11V7a4 4 0 0 1 8 0v4l1.5 1.5h-11zM6.5 14h3',
  mute: 'M4 11V7c0-.8.2-1.5.6-2.1M6.2 3.4A4 4 0 0 1 12 7v4M2.5 12.5h9M6.5 14.5h3M2 2l12 12',
  out: 'M6.5 2.5h-4v11h4M6.5 8h7M10.5 5l3 3-3 3',
} as const

export type IconName = keyof typeof paths

export function Icon({
  name,
  size = 16,
  className,
}: {
  name: IconName
  size?: number
  className?: string | undefined
}) {
  return (
    <svg
      className={className ? `icon ${className}` : 'icon'}
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.4"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={paths[name]} />
    </svg>
  )
}

const routeIcons: Record<string, IconName> = { retry: 'loop', manual: 'person', compensate: 'scale', discard: 'trash' }
export const routeIcon = (route: string): IconName => routeIcons[route] ?? 'unknown'

const originIcons: Record<string, IconName> = {
  property: 'tag',
  body: 'braces',
  envelope: 'letters',
  report: 'report',
  probe: 'probe',
  broker: 'system',
}
export const originIcon = (origin: string): IconName => originIcons[origin] ?? 'unknown'
