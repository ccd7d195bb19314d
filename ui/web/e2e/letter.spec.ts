import type { Page } from '@playwright/test'
import { openEasy, pane, rows, steer } from './mock'
import { axeFindings, expect, test } from './page'

test.beforeEach(async ({ page }) => {
  await steer(page, 'reset')
})

const sheet = (page: Page) => page.getByRole('dialog', { name: /^Edit / })
const text = (page: Page) => sheet(page).locator('.cm-content')
const options = (page: Page) => page.getByRole('form', { name: 'Replay options' })
const asked = (page: Page, end: string) =>
  page.waitForRequest(r => r.method() === 'POST' && r.url().endsWith(end)).then(r => r.postDataJSON())
const decoded = (body: string) => Buffer.from(body, 'base64').toString()

async function openEdit(page: Page, id = '5') {
  await page.goto(`/letters/${id}`)
  await expect(pane(page).getByRole('button', { name: 'More actions' })).toBeEnabled()
  await page.keyboard.press('e')
}
const original = async (page: Page, id = '5') => (await page.request.get(`/api/v1/letters/${id}/body`)).text()

test.describe('editing a message', () => {
  test('is looked at, kept as a version with a note, and replayed', async ({ page }) => {
    await steer(page, 'letter', {
      id: '5',
      letter: {
        consumer_group: 'pay-service',
        topic: 'payments',
        properties: { BUSINESS_TYPE: 'payment', TAGS: 'paid', UNIQ_KEY: 'U' },
      },
    })
    const before = await original(page)
    await openEdit(page)
    await expect(sheet(page).getByRole('button', { name: 'Look at the changes…' })).toBeDisabled()
    await text(page).click()
    await page.keyboard.press('Control+Home')
    await page.keyboard.type('x')
    await expect(sheet(page).getByText('not JSON from line 1, column 1 on')).toBeVisible()
    await page.keyboard.press('Backspace')
    await expect(sheet(page).getByText('not JSON from')).toHaveCount(0)
    await page.keyboard.press('Control+f')
    await page.keyboard.type('128.50')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Escape')
    await expect(sheet(page)).toBeVisible()
    await page.keyboard.type('130.00')
    await sheet(page).getByLabel('Value of Tags').fill('mended')
    await sheet(page).getByRole('button', { name: 'Remove BUSINESS_TYPE' }).click()
    await sheet(page).getByRole('button', { name: 'Add a property' }).click()
    await sheet(page).getByLabel('Name', { exact: true }).last().fill('UNIQ_KEY')
    await expect(sheet(page).getByText('This name is RocketMQ’s or this console’s own.')).toBeVisible()
    await expect(sheet(page).getByRole('button', { name: 'Look at the changes…' })).toBeDisabled()
    await sheet(page).getByLabel('Name', { exact: true }).last().fill('mended_by')
    await sheet(page).getByLabel('Value of mended_by').fill('hand')
    await sheet(page).getByRole('button', { name: 'Look at the changes…' }).click()
    const diff = sheet(page).getByRole('region', { name: 'What changes' })
    await expect(diff.locator('.minus').first()).toHaveText(/"amount": "128.50"/)
    await expect(diff.locator('.plus').first()).toHaveText(/"amount": "130.00"/)
    await expect(diff.getByRole('row', { name: /BUSINESS_TYPE/ })).toContainText('not there')
    await expect(sheet(page).getByRole('button', { name: 'Save and replay…' })).toBeDisabled()
    await sheet(page).getByLabel('Note (required)').fill('amount agreed by phone')
    const posted = asked(page, '/letters/5/edits')
    await sheet(page).getByRole('button', { name: 'Save and replay…' }).click()
    const { body, ...rest } = await posted
    expect(decoded(body)).toBe(before.replace('128.50', '130.00'))
    expect(decoded(body)).toContain('900719925474099315')
    expect(rest).toEqual({
      version: 3,
      base: 0,
      note: 'amount agreed by phone',
      set: { TAGS: 'mended', mended_by: 'hand' },
      remove: ['BUSINESS_TYPE'],
    })
    await expect(options(page).getByLabel('What is sent')).toHaveValue('1')
    await options(page)
      .getByRole('button', { name: /^Replay to pay-service/ })
      .click()
    const sent = asked(page, '/replay')
    await page.getByRole('button', { name: 'Send now' }).click()
    expect(await sent).toMatchObject({ edit: 1, door: 'B' })
    await expect(page.getByRole('region', { name: 'Way of the replay' })).toContainText('edit 1')
    await pane(page).getByRole('tab', { name: 'Timeline' }).click()
    await expect(pane(page).getByText('amount agreed by phone')).toBeVisible()
  })

  test('lays JSON out only when asked, and touches no token', async ({ page }) => {
    const before = await original(page)
    await openEdit(page)
    await sheet(page).getByRole('button', { name: 'Lay out' }).click()
    await expect(text(page)).toContainText('"order_id": 900719925474099315,')
    await expect(sheet(page)).toContainText('Changed: the body')
    await sheet(page).getByRole('button', { name: 'Look at the changes…' }).click()
    await expect(sheet(page).getByText('Only blanks between values change.')).toBeVisible()
    await sheet(page).getByRole('button', { name: 'Back to my text' }).click()
    await sheet(page).getByRole('button', { name: 'In one line' }).click()
    await expect(sheet(page)).toContainText('Nothing is changed.')
    await sheet(page).getByRole('button', { name: 'Add a property' }).click()
    await sheet(page).getByLabel('Name', { exact: true }).last().fill('a')
    await sheet(page).getByRole('button', { name: 'Look at the changes…' }).click()
    await sheet(page).getByLabel('Note (required)').fill('only a property')
    const posted = asked(page, '/edits')
    await sheet(page).getByRole('button', { name: 'Save the version' }).click()
    expect(decoded((await posted).body)).toBe(before)
    await expect(sheet(page).getByRole('status').last()).toContainText('Edit 1 is saved. Nothing was sent.')
  })

  test('loses no text: not when it is closed, not when somebody else was faster', async ({ page }) => {
    await openEdit(page)
    await text(page).click()
    await page.keyboard.press('Control+End')
    await page.keyboard.type(' ')
    await sheet(page).getByRole('button', { name: 'Close' }).last().click()
    await expect(sheet(page)).toHaveCount(0)
    await page.keyboard.press('e')
    await expect(sheet(page)).toContainText('Your text from before is back.')
    await sheet(page).getByRole('button', { name: 'Look at the changes…' }).click()
    await sheet(page).getByLabel('Note (required)').fill('a blank')
    await steer(page, 'letter', { id: '5', by: 'li.wei', letter: { owner: 'li.wei' } })
    await sheet(page).getByRole('button', { name: 'Save the version' }).click()
    const alert = sheet(page).getByRole('alert')
    await expect(alert).toContainText('Letter #5 changed since you looked: Taken, by li.wei.')
    await expect(alert).toContainText('Your text is kept.')
    await expect(sheet(page).getByLabel('Note (required)')).toHaveValue('a blank')
    const posted = asked(page, '/edits')
    await sheet(page).getByRole('button', { name: 'Save the version' }).click()
    expect(decoded((await posted).body)).toMatch(/\} $/)
    await expect(sheet(page)).toContainText('Edit 1 is saved.')
  })
  test.use({ allowed: [/409/] })

  test('goes on from an earlier version', async ({ page }) => {
    await openEdit(page)
    for (const n of [1, 2]) {
      await text(page).click()
      await page.keyboard.press('Control+Home')
      await page.keyboard.type(' ')
      await sheet(page).getByRole('button', { name: 'Look at the changes…' }).click()
      await sheet(page).getByLabel('Note (required)').fill(`version ${n}`)
      await sheet(page).getByRole('button', { name: 'Save the version' }).click()
      await expect(sheet(page)).toContainText(`Edit ${n} is saved.`)
      await sheet(page).getByRole('button', { name: 'Back to my text' }).click()
    }
    const versions = sheet(page).getByRole('complementary', { name: 'Versions' })
    await expect(versions.getByRole('listitem')).toHaveCount(3)
    await versions.getByRole('button', { name: /Edit 1.*version 1/ }).click()
    await sheet(page).getByRole('button', { name: 'Go on from here', exact: true }).click()
    await text(page).click()
    await page.keyboard.press('Control+End')
    await page.keyboard.type(' ')
    await sheet(page).getByRole('button', { name: 'Look at the changes…' }).click()
    await sheet(page).getByLabel('Note (required)').fill('third')
    const posted = asked(page, '/edits')
    await sheet(page).getByRole('button', { name: 'Save the version' }).click()
    const { base, body } = await posted
    expect(base).toBe(1)
    expect(decoded(body)).toMatch(/^ \{.*\} $/)
    await steer(page, 'letter', { id: '5', letter: { deaths: 2 } })
    await openEdit(page)
    await expect(versions.getByText('of an earlier death')).toHaveCount(3)
    await versions.getByRole('button', { name: /Edit 3/ }).click()
    await expect(sheet(page)).toContainText('It cannot be sent any more')
    await expect(sheet(page).getByRole('button', { name: /^Replay edit/ })).toHaveCount(0)
  })

  test('of bytes that are no text says why not, and leaves them alone', async ({ page }) => {
    await steer(page, 'letter', {
      id: '404',
      letter: { properties: { api_token: 's3cret', shop: '1', UNIQ_KEY: 'U' } },
    })
    await openEdit(page, '404')
    await expect(sheet(page)).toContainText('The body is not text in the charset that was found or chosen.')
    await expect(text(page)).toHaveCount(0)
    await expect(sheet(page).getByText('s3cret')).toHaveCount(0)
    await sheet(page).getByRole('button', { name: 'Show the value of api_token' }).click()
    await sheet(page).getByLabel('Value of api_token').fill('other')
    await sheet(page).getByText('1 that stays as it is').click()
    await expect(sheet(page).getByRole('row', { name: /UNIQ_KEY/ })).toBeVisible()
    await sheet(page).getByRole('button', { name: 'Look at the changes…' }).click()
    await expect(sheet(page).getByRole('row', { name: /api_token/ })).not.toContainText('s3cret')
    await sheet(page).getByLabel('Note (required)').fill('token changed')
    const posted = asked(page, '/edits')
    await sheet(page).getByRole('button', { name: 'Save the version' }).click()
    const { body, set } = await posted
    expect(set).toEqual({ api_token: 'other' })
    expect([...Buffer.from(body, 'base64')].slice(0, 3)).toEqual([0xff, 0xfe, 0x00])
  })

  test('of a megabyte stays usable', async ({ page }) => {
    await openEdit(page, '403')
    await expect(text(page)).toBeVisible()
    await text(page).click()
    await page.keyboard.press('Control+End')
    await sheet(page).getByRole('button', { name: 'Remove HUGE' }).click()
    await text(page).click()
    await page.keyboard.press('Control+End')
    const from = Date.now()
    await page.keyboard.type('  ')
    await expect(sheet(page)).toContainText('Changed: the body')
    expect(Date.now() - from).toBeLessThan(5_000)
    await sheet(page).getByRole('button', { name: 'Look at the changes…' }).click()
    await expect(sheet(page).getByText('Only blanks between values change.')).toBeVisible()
  })
})

test.describe('to whom a replay goes', () => {
  test('a gRPC group by its POP retry topic', async ({ page }) => {
    await steer(page, 'kinds', { 'settlement-grpc': 'grpc' })
    await page.goto('/letters?consumer_group=settlement-grpc')
    await rows(page)
      .first()
      .click({ position: { x: 300, y: 30 } })
    await expect(pane(page).getByRole('button', { name: /^Replay to settlement-grpc/ })).toBeEnabled()
    await page.keyboard.press('R')
    await expect(options(page).getByRole('radio', { name: /POP retry topic/ })).toBeChecked()
    await expect(options(page).getByRole('radio', { name: /, by its retry topic/ })).toBeDisabled()
  })

  test('another topic must exist and be meant', async ({ page }) => {
    await openEasy(page)
    await page.keyboard.press('R')
    await options(page).getByRole('radio', { name: 'Another topic' }).check()
    await options(page).getByLabel('Name of the topic').fill('nowhere')
    await expect(options(page)).toContainText('There is no topic nowhere.')
    await expect(options(page).getByRole('button', { name: /^Replay/ })).toBeDisabled()
    await options(page).getByLabel('Name of the topic').fill('orders')
    await expect(options(page)).toContainText('It exists.')
    await expect(options(page)).toContainText('stock-service, order-ledger')
    await expect(options(page).getByRole('button', { name: /^Replay/ })).toBeDisabled()
    await options(page)
      .getByRole('checkbox', { name: /^I mean the topic orders/ })
      .check()
    await options(page).getByLabel('Delay').selectOption({ label: 'A time of my own…' })
    await options(page).getByLabel('Wait for').fill('90')
    await options(page).getByRole('combobox', { name: 'Delay' }).last().selectOption({ label: 'seconds' })
    await expect(options(page)).toContainText('This broker waits 2 m (level 6): the next that it knows.')
    await options(page).getByRole('button', { name: 'Replay to orders in 2 m' }).click()
    const sent = asked(page, '/replay')
    await page.getByRole('button', { name: 'Send now' }).click()
    expect(await sent).toEqual({
      version: 3,
      target: { kind: 'other_topic', name: 'orders' },
      door: 'A',
      delay: '90s',
    })
  })

  test('another consumer group, with a warning when it would not know the message', async ({ page }) => {
    await openEasy(page)
    await page.keyboard.press('R')
    await options(page).getByRole('radio', { name: 'Another consumer group' }).check()
    await options(page).getByLabel('Name of the consumer group').fill('order-ledger')
    await expect(options(page)).toContainText('This consumer group does not subscribe to payments')
    await expect(options(page)).toContainText('That consumer group, by its retry topic')
    await options(page)
      .getByRole('checkbox', { name: /^I mean order-ledger/ })
      .check()
    await options(page).getByRole('button', { name: 'Replay to order-ledger in 10 s' }).click()
    await expect(page.getByRole('region', { name: 'Replays that can be undone' })).toContainText('to order-ledger')
    await page.getByRole('button', { name: 'Undo', exact: true }).click()
  })
})

test.describe('a probe', () => {
  const unknown = async (page: Page) => {
    await page.goto('/letters?consumer_group=pay-service&reason=retries_exhausted')
    await rows(page)
      .first()
      .click({ position: { x: 300, y: 30 } })
  }

  test('tells why, and the reason becomes the letter’s', async ({ page }) => {
    await unknown(page)
    await pane(page).getByRole('button', { name: 'Ask one consumer why…' }).click()
    const dialog = page.getByRole('dialog', { name: /^Probe / })
    await expect(dialog).toContainText('It runs business code now.')
    await dialog.getByRole('radio', { name: /10\.20\.3\.18@4712/ }).check()
    const posted = asked(page, '/probe')
    await dialog.getByRole('button', { name: 'Run it now' }).click()
    expect(await posted).toMatchObject({ client_id: '10.20.3.18@4712' })
    await expect(dialog).toContainText('It threw an exception.')
    await expect(dialog).toContainText('at shop.Pay.settle(Pay.java:88)')
    await expect(dialog).toContainText('It is kept as the reason of this letter.')
    await dialog.getByRole('button', { name: 'Close' }).last().click()
    await expect(pane(page).locator('.head-reason')).toContainText('java.lang.IllegalStateException')
    await pane(page).getByRole('tab', { name: 'Timeline' }).click()
    await expect(pane(page).getByText('Probed', { exact: true })).toBeVisible()
  })

  test('that succeeds has consumed the message, and offers to say so', async ({ page }) => {
    await steer(page, 'probes', { verdicts: ['success'] })
    await unknown(page)
    await expect(pane(page).getByRole('button', { name: 'More actions' })).toBeEnabled()
    await page.keyboard.press('.')
    await page.getByRole('menuitem', { name: /^Probe/ }).click()
    const dialog = page.getByRole('dialog', { name: /^Probe / })
    await dialog.getByRole('button', { name: 'Run it now' }).click()
    await expect(dialog).toContainText('It succeeded: the message has been consumed.')
    const posted = asked(page, '/resolve')
    await dialog.getByRole('button', { name: 'Resolve as confirmed' }).click()
    expect(await posted).toMatchObject({ resolution: 'confirmed', note: 'consumed by a probe on 10.20.3.17@4711' })
    await expect(dialog).toContainText('The letter is resolved as confirmed.')
    await dialog.getByRole('button', { name: 'Close' }).last().click()
    await expect(pane(page)).toContainText('resolved: confirmed')
  })

  test('of a sample shows side by side what was said', async ({ page }) => {
    await steer(page, 'probes', { verdicts: ['exception', 'timeout', 'success'] })
    for (const id of ['10', '11', '12'])
      await steer(page, 'letter', { id, letter: { fingerprint: 'feedfacefeedface', state: 'open' } })
    await page.goto('/letters/10')
    await pane(page).getByRole('link', { name: 'Show them' }).click()
    await page.getByRole('button', { name: 'Probe a sample…' }).first().click()
    const dialog = page.getByRole('dialog', { name: 'Probe a sample of this failure' })
    await dialog.getByRole('button', { name: 'Probe 3 letters' }).click()
    await expect(dialog.getByRole('row').nth(1)).toContainText('amount is text')
    await expect(dialog.getByRole('row').nth(2)).toContainText('timed out')
    await expect(dialog.getByRole('row').nth(3)).toContainText('success')
    await expect(dialog).toContainText('1 of them was consumed by the probe.')
  })

  test('needs somebody online', async ({ page }) => {
    await page.goto('/letters?consumer_group=notify-service')
    await rows(page)
      .first()
      .click({ position: { x: 300, y: 30 } })
    await expect(pane(page).getByRole('button', { name: 'More actions' })).toBeEnabled()
    await page.keyboard.press('.')
    await page.getByRole('menuitem', { name: /^Probe/ }).click()
    const dialog = page.getByRole('dialog', { name: /^Probe / })
    await expect(dialog).toContainText('Nobody of notify-service is connected.')
    await expect(dialog.getByRole('button', { name: 'Run it now' })).toBeDisabled()
  })
})

test.describe('guards', () => {
  test('a quarantined letter is released with a note', async ({ page }) => {
    await steer(page, 'letter', {
      id: '5',
      letter: { state: 'open', flags: ['failed_again', 'quarantined'], hold: 'quarantined' },
    })
    await page.goto('/letters/5')
    await expect(pane(page)).toContainText('Quarantined: it failed again so often')
    await pane(page).getByRole('button', { name: 'Release…' }).click()
    const dialog = page.getByRole('dialog', { name: 'Release from quarantine' })
    await dialog.getByLabel('Note (required)').fill('mended in 4.2')
    await dialog.getByRole('button', { name: 'Release' }).click()
    await expect(pane(page)).not.toContainText('Quarantined: it failed again so often')
    await pane(page).getByRole('tab', { name: 'Timeline' }).click()
    await expect(pane(page).getByText('mended in 4.2')).toBeVisible()
  })

  test('a stale letter asks for a second look', async ({ page }) => {
    await steer(page, 'letter', { id: '5', letter: { state: 'open', hold: 'stale' } })
    await page.goto('/letters/5')
    await expect(pane(page)).toContainText('Older than the limit of its topic')
  })
})

test('a tab from before an upgrade says so, and keeps its menu', async ({ page }) => {
  await page.route(/assets\/SystemView-.*\.js/, r => r.fulfill({ status: 404, body: '' }))
  await page.goto('/letters')
  await page.getByRole('link', { name: 'System', exact: true }).click()
  await expect(page.getByRole('alert')).toContainText('the console was upgraded since')
  await page
    .getByRole('link', { name: /^Letters/ })
    .first()
    .click()
  await expect(rows(page).first()).toBeVisible()
  await page.unroute(/assets\/SystemView-.*\.js/)
  await page.getByRole('link', { name: 'System', exact: true }).click()
  await page.getByRole('button', { name: 'Reload the page' }).click()
  await expect(page.getByRole('region', { name: 'Intake' })).toBeVisible()
})
test.use({ allowed: [/409|404|dynamically imported module/] })

test.describe('accessible in both themes and languages', () => {
  for (const colorScheme of ['light', 'dark'] as const)
    for (const locale of ['en-GB', 'zh-CN'])
      for (const width of [1440, 420])
        test(`${colorScheme} ${locale} ${width}`, async ({ browser }) => {
          test.setTimeout(240_000)
          const page = await browser.newPage({ colorScheme, locale, viewport: { width, height: 900 } })
          const found: string[] = []
          const look = async (what: string) => {
            for (const f of await axeFindings(page)) found.push(`${what}: ${f}`)
            const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
            if (wider > 0) found.push(`${what}: ${wider} px wider than the window`)
          }
          await steer(page, 'letter', {
            id: '5',
            letter: { consumer_group: 'pay-service', state: 'open', reason_origin: 'broker', flags: ['quarantined'] },
          })
          await page.goto('/letters/5')
          await expect(page.locator('.ask-why')).toBeVisible()
          await look('letter')
          await page.keyboard.press('e')
          await expect(page.locator('.edit-sheet .cm-content')).toBeVisible()
          await look('editor')
          await page.locator('.edit-sheet .cm-content').click()
          await page.keyboard.press('Control+Home')
          await page.keyboard.type('{')
          await page.locator('.edit-locked summary').first().click()
          await expect(page.locator('.edit-bar .chip.amber')).toBeVisible()
          await look('editor with a fault')
          await page.locator('.edit-foot .primary').click()
          await expect(page.locator('.compare')).toBeVisible()
          await look('changes')
          await page.locator('#edit-save textarea').fill('why')
          await page.locator('.edit-foot .primary').click()
          await expect(page.locator('.replay-panel .doors')).toBeVisible()
          await page.locator('input[name=target]').last().check()
          await page.locator('.other-target input').first().fill('order-ledger')
          await expect(page.locator('.other-target [type=checkbox]')).toBeVisible()
          await look('replay options')
          await page.locator('.ask-why button').click()
          await expect(page.locator('.dialog.probe .choices')).toBeVisible()
          await look('probe')
          await page.locator('.dialog.probe footer .primary').click()
          await expect(page.locator('.probe-answer')).toBeVisible()
          await look('answer of a probe')
          await page.keyboard.press('Escape')
          await page.locator('#letter-tab-timeline').click()
          await look('timeline')
          expect(found).toEqual([])
          await page.close()
        })
})
