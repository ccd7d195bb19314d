// Fails when the page's first load is over its budget: everything that index.html names, and one language.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

const dist = new URL('../../dist/', import.meta.url).pathname
const budget = 95 * 1024

const files = readdirSync(dist, { recursive: true }).filter(f => statSync(join(dist, f)).isFile() && !f.endsWith('.br'))
const size = f => gzipSync(readFileSync(join(dist, f)), { level: 9 }).length
const named = name => files.find(f => new RegExp(`^assets/${name}-[\\w-]+\\.js$`).test(f))

const html = readFileSync(join(dist, 'index.html'), 'utf8')
const first = [
  'index.html',
  ...[...html.matchAll(/(?:src|href)="\/([^"]+)"/g)].map(m => m[1]).filter(f => /\.(js|css)$/.test(f)),
]
const language = [named('en'), named('zh')].sort((a, b) => size(b) - size(a))[0]
if (language) first.push(language)

let total = 0
for (const f of new Set(first)) {
  total += size(f)
  console.log(`${String(size(f)).padStart(7)}  ${f}`)
}
console.log(`${String(total).padStart(7)}  first load, gzip -9, of ${budget} allowed`)
for (const view of [
  'LettersView',
  'OverviewView',
  'LetterPane',
  'OperationsView',
  'RulesView',
  'AlertsView',
  'GroupsView',
  'SystemView',
]) {
  const parts = files.filter(f => f.startsWith(`assets/${view}-`))
  console.log(`${String(parts.reduce((n, f) => n + size(f), 0)).padStart(7)}  ${view}, when it is opened`)
}

const bad = []
if (total > budget) bad.push(`the first load is ${total} bytes, over ${budget}`)
if (files.some(f => f.endsWith('.map'))) bad.push('there are source maps in dist')
for (const f of files.filter(f => /\.(js|css|html)$/.test(f)))
  if (/sourceMappingURL/.test(readFileSync(join(dist, f), 'utf8'))) bad.push(`${f} names a source map`)
if (/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/.test(html))
  bad.push('index.html has inline script or style, which the policy of the page forbids')
if (bad.length > 0) {
  for (const b of bad) console.error(`budget: ${b}`)
  process.exit(1)
}
