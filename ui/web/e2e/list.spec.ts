import { pane, rows, steer } from './mock'
import { expect, test } from './page'

test.beforeEach(async ({ page }) => {
  await steer(page, 'reset')
})

test.describe('the list', () => {
  test('keeps tab, filters, search and the open letter in the address', async ({ page }) => {
    await page.goto('/letters')
    await expect(page.getByRole('tab', { name: /Needs attention/ })).toHaveAttribute('aria-selected', 'true')
    const facets = page.getByRole('complementary', { name: 'Filters' })
    await facets.getByRole('button', { name: /^stock-service/ }).click()
    await expect(page).toHaveURL(/consumer_group=stock-service/)
    await expect(rows(page).first()).toContainText('stock-service')
    await page.getByRole('searchbox').fill('reason:system_error age<3d ORD')
    await page.getByRole('searchbox').press('Enter')
    await expect(page).toHaveURL(/reason=system_error/)
    await expect(page).toHaveURL(/within=3d/)
    await expect(page).toHaveURL(/q=ORD/)
    const chips = page.getByRole('list', { name: 'Filters in force' })
    await expect(chips.getByRole('button', { name: 'contains “ORD”' })).toBeVisible()
    const first = await rows(page).first().innerText()
    await rows(page)
      .first()
      .click({ position: { x: 300, y: 30 } })
    await expect(page).toHaveURL(/letter=\d+/)
    const there = page.url()
    await page.goto('/system')
    await page.goto(there)
    await expect(rows(page).first()).toContainText(first.split('\n')[0] ?? '')
    await expect(pane(page)).toBeVisible()
    await chips.getByRole('button', { name: 'group: stock-service' }).click()
    await expect(page).not.toHaveURL(/consumer_group/)
    await page.goBack()
    await expect(page).toHaveURL(/consumer_group=stock-service/)
    await page.getByRole('tab', { name: /Resolved/ }).click()
    await expect(page).toHaveURL(/tab=resolved/)
  })

  test('counts exactly and reads on as one scrolls', async ({ page }) => {
    await page.goto('/letters')
    const total = Number(
      (
        await page
          .getByRole('tab', { name: /Needs attention/ })
          .locator('.num')
          .innerText()
      ).replace(/\D/g, ''),
    )
    expect(total).toBeGreaterThan(100)
    await expect(page.getByRole('columnheader', { name: `${total} letters` })).toBeVisible()
    await expect(rows(page)).toHaveCount(50)
    await page.getByRole('tabpanel', { name: /Needs attention/ }).evaluate(e => e.scrollTo(0, e.scrollHeight))
    await expect(rows(page)).toHaveCount(100)
  })

  test('lists nothing, and selects nothing, while the address or the search cannot be understood', async ({ page }) => {
    const asked: string[] = []
    page.on('request', r => {
      if (/api.v1.letters[?]/.test(r.url())) asked.push(r.url())
    })
    await page.goto('/letters?tab=resolvd&within=banana')
    const mistake = page.getByRole('tabpanel').getByRole('alert')
    await expect(mistake).toContainText('Nothing is listed')
    await expect(mistake).toContainText('“resolvd” is not one of the values')
    await expect(mistake).toContainText('“banana” is not a duration')
    await expect(rows(page)).toHaveCount(0)
    await expect(page.getByRole('checkbox')).toHaveCount(0)
    expect(asked).toEqual([])
    await mistake.getByRole('button', { name: 'Use “resolved” instead' }).click()
    await expect(mistake).not.toContainText('resolvd')
    await mistake.getByRole('button', { name: 'Remove it' }).click()
    await expect(rows(page).first()).toBeVisible()
    await page.getByRole('searchbox').fill('foo:bar age<banana')
    await page.getByRole('searchbox').press('Enter')
    await expect(mistake).toContainText('There is no filter “foo”')
    await expect(rows(page)).toHaveCount(0)
    await mistake.getByRole('button', { name: 'Remove it' }).last().click()
    await mistake.getByRole('button', { name: 'Search for it as text' }).click()
    await expect(page).toHaveURL(/q=%22foo%3Abar%22/)
    await expect(mistake).toHaveCount(0)
  })

  test('says which part of the filter excludes everything', async ({ page }) => {
    await page.goto('/letters?q=nothing-has-this&consumer_group=pay-service')
    await expect(page.getByRole('heading', { name: 'No letter of this tab matches all of this' })).toBeVisible()
    const off = page.getByRole('listitem').filter({ hasText: 'Without: contains' })
    await expect(off).toContainText(/\d+ letters/)
    await off.getByRole('button').click()
    await expect(rows(page).first()).toContainText('pay-service')
  })

  test('counts by the whole filter in every tab, and leads to the tab that has a letter', async ({ page }) => {
    const found = await page.request.get('/api/v1/letters?tab=resolved&limit=1')
    const [letter] = (await found.json()).items
    await page.goto(`/letters?q=${encodeURIComponent(letter.unique_key)}`)
    await expect(page.getByRole('heading', { name: 'No letter of this tab matches all of this' })).toBeVisible()
    await expect(page.getByRole('tab', { name: 'Needs attention 0' })).toBeVisible()
    await expect(page.getByText('1 more in another tab:')).toBeVisible()
    await page.getByRole('button', { name: 'Resolved 1' }).click()
    await expect(rows(page)).toHaveCount(1)
    await expect(page.getByText('more in another tab')).toHaveCount(0)
    // As a whole it opens its letter from wherever it is searched for.
    await page.goto('/system')
    await page.getByRole('searchbox').fill(letter.unique_key)
    await page.getByRole('searchbox').press('Enter')
    await expect(page).toHaveURL(new RegExp(`tab=resolved.*letter=${letter.id}`))
    await expect(pane(page)).toBeVisible()
  })

  test('marks a reason that is an earlier death’s, and shows what each death said', async ({ page }) => {
    const death = (await (await page.request.get('/api/v1/letters/5')).json()).history[0]
    await steer(page, 'letter', {
      id: '5',
      letter: {
        reason: 'user_data_error',
        reason_origin: 'property',
        reason_death: '51',
        deaths: 2,
        history: [
          { ...death, id: '52', reason: 'unknown', reason_origin: 'unknown' },
          { ...death, id: '51', reason: 'user_data_error', reason_origin: 'property', severity: 'high', rule: 'users' },
          { ...death, id: '50' },
        ],
      },
    })
    await page.goto('/letters/5')
    await expect(pane(page).getByText('from an earlier death', { exact: true })).toBeVisible()
    await expect(pane(page).getByText('The newest death itself says: unknown reason')).toBeVisible()
    const deaths = pane(page).getByRole('region', { name: 'Deaths' }).getByRole('listitem')
    await expect(deaths.nth(0)).toContainText('unknown reason')
    await expect(deaths.nth(1)).toContainText('gives the letter its reason')
    await expect(deaths.nth(2)).toContainText('what it said was not kept')
  })

  test('announces what arrives and moves nothing', async ({ page }) => {
    await page.goto('/letters')
    await expect(page.locator('.live.live')).toBeVisible()
    await expect(rows(page)).toHaveCount(50)
    const before = await rows(page).first().innerText()
    await steer(page, 'arrive', { n: 12 })
    const bar = page.getByRole('button', { name: '12 new letters · show' })
    await expect(bar).toBeVisible()
    expect((await rows(page).first().innerText()).split('\n')[0]).toBe(before.split('\n')[0])
    await bar.click()
    await expect(bar).toHaveCount(0)
    await expect(rows(page).first()).toContainText('just now')
  })

  test('can be paused', async ({ page }) => {
    await page.goto('/letters')
    await expect(rows(page)).toHaveCount(50)
    await page.getByRole('button', { name: 'live' }).click()
    await expect(page.getByRole('button', { name: 'paused' })).toBeVisible()
    await steer(page, 'arrive', { n: 3 })
    await page.getByRole('button', { name: 'paused' }).click()
    await expect(page.getByRole('button', { name: '3 new letters · show' })).toBeVisible()
  })

  test('shows one pane on a phone and two in the middle', async ({ page }) => {
    await page.setViewportSize({ width: 420, height: 860 })
    await page.goto('/letters')
    await expect(page.getByRole('complementary', { name: 'Filters' })).toHaveCount(0)
    await rows(page)
      .first()
      .click({ position: { x: 200, y: 30 } })
    await expect(page).toHaveURL(/\/letters\/\d+/)
    await expect(pane(page)).toBeVisible()
    await page.getByRole('link', { name: 'Back to the list' }).click()
    await expect(rows(page).first()).toBeVisible()
    await page.setViewportSize({ width: 1150, height: 860 })
    await page.getByRole('button', { name: 'Filters' }).click()
    await page
      .getByRole('dialog')
      .getByRole('button', { name: /^order-ledger/ })
      .click()
    await page.keyboard.press('Escape')
    await rows(page)
      .first()
      .click({ position: { x: 200, y: 30 } })
    await expect(rows(page).first()).toBeVisible()
    await expect(pane(page)).toBeVisible()
  })
})

test('the tab that is shown is in sight on a phone', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 800 })
  for (const tab of ['all', 'discarded', 'attention']) {
    await page.goto(`/letters?tab=${tab}`)
    const shown = page.getByRole('tab', { selected: true })
    await expect(shown).toContainText(/\d/) // its count has come
    await expect(shown).toBeInViewport({ ratio: 1 })
  }
})

test.describe('the keyboard', () => {
  test('moves, opens, goes back to where the list was', async ({ page }) => {
    await page.goto('/letters')
    await expect(rows(page)).toHaveCount(50)
    for (let i = 0; i < 30; i++) await page.keyboard.press('j')
    await expect(rows(page).nth(29)).toHaveClass(/current/)
    const scroller = page.locator('#list')
    const at = await scroller.evaluate(e => e.scrollTop)
    expect(at).toBeGreaterThan(200)
    await page.keyboard.press('Enter')
    await expect(page).toHaveURL(/\/letters\/\d+/)
    await page.keyboard.press('k')
    await page.keyboard.press('j')
    await page.keyboard.press('Escape')
    await expect(page).toHaveURL(/letter=/)
    expect(await scroller.evaluate(e => e.scrollTop)).toBe(at)
    await page.keyboard.press('Escape')
    await expect(page).not.toHaveURL(/letter=/)
    await page.keyboard.press('3')
    await expect(page).toHaveURL(/tab=snoozed/)
    await page.keyboard.press('g')
    await page.keyboard.press('r')
    await expect(page).toHaveURL(/\/rules/)
    await page.keyboard.press('/')
    await expect(page.getByRole('searchbox')).toBeFocused()
    await page.keyboard.type('jxd?')
    await expect(page.getByRole('searchbox')).toHaveValue('jxd?')
    await expect(page.getByRole('dialog')).toHaveCount(0)
  })

  test('loses no step, however fast one moves', async ({ page }) => {
    await page.goto('/letters')
    await expect(rows(page)).toHaveCount(50)
    await page.evaluate(async () => {
      for (let i = 0; i < 30; i++) {
        document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'j', bubbles: true, cancelable: true }))
        // The next task comes long before the next frame.
        await new Promise(done => {
          const c = new MessageChannel()
          c.port1.onmessage = done
          c.port2.postMessage(0)
        })
      }
    })
    await expect(rows(page).nth(29)).toHaveClass(/current/)
  })

  test('selects, and does nothing while a dialog is open', async ({ page }) => {
    await page.goto('/letters')
    await expect(rows(page)).toHaveCount(50)
    for (const key of ['j', 'x', 'j', 'j', 'X']) await page.keyboard.press(key)
    await expect(page.getByRole('toolbar', { name: 'Selected letters' })).toContainText('3 selected')
    await page.keyboard.press('d')
    await expect(page.getByRole('dialog', { name: 'Discard 3 letters' })).toBeVisible()
    await page.keyboard.press('Escape')
    await expect(page.getByRole('toolbar', { name: 'Selected letters' })).toContainText('3 selected')
    await page.keyboard.press('Escape')
    await expect(page.getByRole('toolbar', { name: 'Selected letters' })).toHaveCount(0)
  })
})
