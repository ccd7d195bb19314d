/** The tabs of a letter, as the parameter "show" of the page's address has them; the first needs no mention. */
export const shows = ['why', 'body', 'properties', 'timeline'] as const
export type Show = (typeof shows)[number]

/** The tab of the letter that an address asks for. */
export function showOf(search: string): Show {
  const show = new URLSearchParams(search).get('show') as Show
  return shows.includes(show) ? show : 'why'
}
