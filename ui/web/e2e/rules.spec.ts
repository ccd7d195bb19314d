import type { Page } from '@playwright/test'
import { steer } from './mock'
import { expect, test } from './page'

test.describe('the rules editor', () => {
  test.use({ allowed: [/409 \(Conflict\)/] }) // of two who save at once

  test.beforeEach(async ({ page }) => {
    await steer(page, 'reset', {})
    await page.goto('/rules')
    await expect(text(page)).toContainText('version: 1')
  })

  test('a mistake is marked as one types, and cannot be saved', async ({ page }) => {
    await toRoute(page, 'passing troubles heal by themselves')
    await page.keyboard.type('y')
    await expect(page.getByText('There is no route “retryy”.')).toBeVisible()
    await expect(page.locator('.cm-lint-marker-error')).toBeVisible()
    await expect(page.getByText('Fix the errors to see it.')).toBeVisible()
    await expect(page.getByRole('button', { name: 'Save…' })).toBeDisabled()
    await expect(page.getByText('Fix 1 error to save.')).toBeVisible()
    await page.keyboard.press('Control+s')
    await expect(page.getByRole('dialog')).toHaveCount(0)
    await page.keyboard.press('Control+Home')
    await page.keyboard.press('F8')
    await expect(page.locator('.cm-activeLine')).toContainText('retryy')
    await page.keyboard.press('End')
    await page.keyboard.press('Backspace')
    await expect(page.getByText('There is no route')).toHaveCount(0)
  })

  test('a text that cannot be read is not said to be without rules', async ({ page }) => {
    const sent = (problems: object[]) =>
      page.route('**/api/v1/rules/check', async route => {
        const answer = await (await route.fetch()).json()
        await route.fulfill({ json: { ...answer, rules: [], alerts: [], diagnostics: problems } })
      })
    const list = page.getByRole('region', { name: 'Rules in their order' })
    const at = { line: 1, column: 1, end_line: 1, end_column: 2 }
    const message = { en: 'The mapping is not closed.', zh: '映射没有结束。' }
    await sent([{ severity: 'error', code: 'syntax', message, ...at }])
    await page.locator('.cm-content').click()
    await page.keyboard.press('Control+Home')
    await page.keyboard.type('#')
    await expect(list).toContainText('its rules cannot be listed. The last good version stays in force')
    await expect(list).not.toContainText('Without rules')
    await page.unroute('**/api/v1/rules/check')
    await sent([])
    await page.keyboard.type('#')
    await expect(list).toContainText('Without rules every letter is left to a person.')
    await expect(list).not.toContainText('cannot be listed')
  })

  test('keys and values are completed from the schema and from what was seen', async ({ page }) => {
    await toRoute(page, 'passing troubles heal by themselves')
    for (let i = 0; i < 5; i++) await page.keyboard.press('Backspace')
    await page.keyboard.press('Control+Space')
    const offered = page.locator('.cm-tooltip-autocomplete li')
    await expect(offered).toHaveText(['retry', 'manual', 'compensate', 'discard'])
    await page.waitForTimeout(150) // so that nobody takes an offer by accident, the list takes keys after 75 ms only
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    await expect(page.locator('.cm-activeLine')).toContainText('route: manual')
    await page.keyboard.press('Enter')
    await page.keyboard.type('match: {consumer_group: pay')
    await expect(offered.first()).toContainText('pay-service')
  })

  test('what would change is counted, and each number opens its letters', async ({ page }) => {
    const test = page.getByRole('region', { name: 'What would change' })
    await expect(test).toContainText('by the rules in force')
    await toRoute(page, 'passing troubles heal by themselves')
    for (let i = 0; i < 5; i++) await page.keyboard.press('Backspace')
    await page.keyboard.type('manual')
    await expect(test).toContainText('would take another route')
    await test.getByRole('button', { name: /retry now, manual then/ }).click()
    const behind = page.getByRole('dialog', { name: 'Letters behind the number' })
    await expect(behind.getByRole('listitem').first()).toContainText(/network_timeout|system_error/)
    await behind.getByRole('button', { name: 'Close' }).click()
  })

  test('saving asks why, and makes a version that can be rolled back', async ({ page }) => {
    await page.getByRole('switch', { name: 'Use “replayed enough”' }).click()
    await expect(text(page)).toContainText('off: true')
    await page.getByRole('button', { name: 'Save…' }).click()
    const dialog = page.getByRole('dialog', { name: 'Save the rules' })
    await expect(dialog.getByRole('button', { name: 'Save', exact: true })).toBeDisabled()
    await dialog.getByLabel('Note (required)').fill('twice is enough')
    await dialog.getByRole('button', { name: 'Save', exact: true }).click()
    await expect(page.getByText('saved as version 5')).toBeVisible()
    await expect(page.getByRole('switch', { name: 'Use “replayed enough”' })).not.toBeChecked()

    await page.getByRole('button', { name: 'Versions' }).click()
    const versions = page.getByRole('dialog', { name: 'Versions' })
    await expect(versions).toContainText('twice is enough')
    await versions.getByRole('button', { name: /Version 4/ }).click()
    await versions.getByRole('button', { name: 'Roll back to this version…' }).click()
    const back = page.getByRole('dialog', { name: 'Roll back to version 4' })
    await back.getByLabel('Note (required)').fill('it was not')
    await back.getByRole('button', { name: 'Roll back' }).click()
    await expect(page.getByText(/Version 6 in force/)).toBeVisible()
    await expect(text(page)).not.toContainText('off: true')
  })

  test('of two who save at once the second sees both texts and loses none', async ({ page }) => {
    await toRoute(page, 'passing troubles heal by themselves')
    await page.keyboard.type(' # mine')
    const theirs = (await (await page.request.get('/api/v1/rules')).json()) as { text: string }
    await steer(page, 'rules', {
      text: theirs.text.replace('route: retry', 'route: retry # theirs').replace('rate: 10/s', 'rate: 20/s'),
    })
    await page.getByRole('button', { name: 'Save…' }).click()
    await page.getByLabel('Note (required)').fill('a remark')
    await page.getByRole('button', { name: 'Save', exact: true }).click()
    const conflict = page.getByRole('dialog', { name: 'Two people changed the rules' })
    await expect(conflict).toContainText('route: retry # theirs')
    await expect(conflict).toContainText('route: retry # mine')
    await expect(conflict.getByRole('button', { name: '1 place is open' })).toBeDisabled()
    await conflict.getByRole('button', { name: 'Both, theirs first' }).click()
    await conflict.getByRole('button', { name: 'Put it into the editor' }).click()
    await expect(text(page)).toContainText('rate: 20/s')
    await expect(text(page)).toContainText('route: retry # theirs')
    await expect(text(page)).toContainText('route: retry # mine')
  })

  test('no key is lost, however fast one types', async ({ page }) => {
    await toRoute(page, 'everything else')
    const words = ` # ${'the quick brown fox '.repeat(12)}`
    await page.keyboard.type(words)
    await expect(page.locator('.cm-activeLine')).toContainText(words.trim())
    for (let i = 0; i < words.length; i++) await page.keyboard.press('Backspace')
    await expect(page.locator('.cm-activeLine')).toHaveText(/route: manual$/)
    await expect(page.getByRole('button', { name: 'Drop my changes' })).toHaveCount(0)
  })

  test('a draft outlives a reload, and keys typed in it are no shortcuts', async ({ page }) => {
    page.on('dialog', d => d.accept())
    await toRoute(page, 'everything else')
    await page.keyboard.type(' # gl? jx')
    await expect(page).toHaveURL(/\/rules$/)
    await page.reload()
    await expect(text(page)).toContainText('# gl? jx')
    await page.getByRole('button', { name: 'Drop my changes' }).click()
    await expect(text(page)).not.toContainText('# gl? jx')
  })

  test('a file that cannot be written is said, and its text can be copied', async ({ page }) => {
    await steer(page, 'rules', {
      writable: {
        ok: false,
        why: 'read_only_file_system',
        message: { en: 'It is on a read-only file system.', zh: '只读' },
      },
    })
    await page.reload()
    await expect(page.getByText('The file cannot be written from here')).toBeVisible()
    await expect(page.getByText('It is on a read-only file system.')).toBeVisible()
    await expect(page.getByRole('region', { name: 'The file' }).getByRole('button', { name: 'Copy' })).toBeEnabled()
  })

  test('a rule is made from a letter', async ({ page }) => {
    await page.goto('/letters')
    await page.locator('tr.row a.title').first().click()
    await page.getByRole('link', { name: 'Make a rule from this letter' }).click()
    await expect(page.locator('.cm-activeLine')).toContainText(/- name: \w+ of /)
    await expect(page.getByRole('button', { name: 'Drop my changes' })).toBeVisible()
  })
})

const text = (page: Page) => page.locator('.editor .cm-content')

/** Puts the cursor at the end of a rule's route. */
async function toRoute(page: Page, rule: string) {
  await page.getByRole('region', { name: 'Rules in their order' }).getByRole('button', { name: rule }).first().click()
  const line = page.locator('.cm-activeLine')
  await expect(line).toContainText(rule)
  for (let i = 0; i < 6; i++) {
    await page.keyboard.press('ArrowDown')
    if ((await line.first().textContent())?.includes('route:')) break
  }
  await expect(line).toContainText('route:')
  await page.keyboard.press('End')
}
